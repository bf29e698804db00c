//! Config files that are refused: each fault has its place, words that help, and no secret.

use jetond::config::{self, Colour};
use jetond::domain::language::Lang;

use crate::config::{LEAST, Place, words_of_refusal};
use crate::support::pipe;

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTExMTExMS0yMjIyIn0.v-S5y1sROmw7a32ZsLc6s6";
const PASSWORD: &str = "hunter2";

/// Refuses `main`, expecting an error at `place` with `fragment`, and no secret anywhere.
fn expect(main: &str, place: &str, fragment: &str) {
    let rejected = Place::with(main).refused();
    let words = words_of_refusal(&rejected);
    assert!(
        !words.contains(JWT) && !words.contains("eyJ1aWQ"),
        "{words}"
    );
    assert!(!words.contains(PASSWORD), "{words}");
    let found = rejected.errors.iter().any(|e| {
        let at = e.at.as_ref().map(|p| format!("{}:{}", p.line, p.column));
        let said = e.plain(Lang::En);
        at.as_deref() == Some(place) && said.contains(fragment)
    });
    assert!(
        found,
        "expected {place} {fragment:?} for:\n{main}\ngot:\n{rejected}"
    );
}

#[test]
fn a_fault_of_the_main_file_has_its_place_and_says_what_to_write() {
    for (main, place, fragment) in [
        ("", "1:1", "`contact` is missing"),
        ("", "1:1", "[mail] is missing"),
        (
            "contact = \"a@b.fr\"\n[mail]\n",
            "2:1",
            "add a line: from = ",
        ),
        ("contct = \"a@b.fr\"\n", "1:1", "did you mean `contact`?"),
        ("contact = \"dsi.ville.example\"\n", "1:11", "there is no @"),
        ("contact = 3\n", "1:11", "a text between quotes"),
        ("contact = dsi@ville.example\n", "1:11", "needs quotes"),
        (
            "contact = \"a@b.fr\ntimezone = \"UTC\"\n",
            "1:18",
            "closing quote",
        ),
        (
            "contact = \"\"\"a@b.fr\ntimezone = \"UTC\"\n",
            "1:11",
            "closing quotes are missing",
        ),
        ("contact \"a@b.fr\"\n", "1:9", "has no value"),
        ("contact = \n", "1:11", "a value is missing"),
        ("language = \"de\"\n", "1:12", "\"fr\" or \"en\""),
        (
            "timezone = \"Europe/Pari\"\n",
            "1:12",
            "did you mean \"Europe/Paris\"?",
        ),
        (
            "timezone = \"Mars/Olympus Mons Crater\"\n",
            "1:12",
            "not a time zone",
        ),
        ("organisation = \"a\\u202Eb\"\n", "1:16", "U+202E"),
        ("organisation = \"a\\nb\"\n", "1:16", "U+000A"),
        ("organisation = \"C:\\path\"\n", "1:19", "backslash"),
        (
            "contact = \"a@b.fr\"\ncontact = \"c@b.fr\"\n",
            "2:1",
            "twice",
        ),
        ("stages = [90]\n", "1:1", "`stages` stands in [schedule]"),
        ("[mail\nfrom = 'a@b.fr'\n", "1:6", "not closed"),
        ("[[mail]]\nfrom = 'a@b.fr'\n", "1:1", "write `[mail]`"),
        ("mail = 'a@b.fr'\n", "1:8", "write [mail] and its keys"),
        (
            "[schedule]\nstages = [90, 60\ncontact = 1\n",
            "2:10",
            "not closed",
        ),
        (
            "[store]\nurl = \"postgres://jetond:hunter2@db/jetond\"\n",
            "2:7",
            "only SQLite is, for now",
        ),
        ("[store]\nurl = \"jetond.db\"\n", "2:7", "sqlite:jetond.db"),
        ("[store]\nurl = \"sqlite:\"\n", "2:7", "sqlite:jetond.db"),
        ("[schedule]\nvalidity_months = 0\n", "2:19", "from 1 to 120"),
        (
            "[schedule]\nvalidity_months = \"18\"\n",
            "2:19",
            "write 18, without quotes",
        ),
        (
            "[schedule]\nvalidity_months = 18.5\n",
            "2:19",
            "whole number",
        ),
        (
            "[schedule]\nstages = []\n",
            "2:10",
            "no reminder ever leaves",
        ),
        ("[schedule]\nstages = [90, 60, 90]\n", "2:19", "twice"),
        ("[schedule]\nstages = [90, -1]\n", "2:15", "from 0 to 3650"),
        (
            "[schedule]\nstages = 90\n",
            "2:10",
            "a list between square brackets",
        ),
        (
            "[schedule]\nstages = \"90, 60\"\n",
            "2:10",
            "write it as stages = [90",
        ),
        (
            "[schedule]\nafter_expiry = [4000]\n",
            "2:17",
            "from 0 to 3650",
        ),
        (
            "[schedule]\nthen_every = 99999999999999999999\n",
            "2:14",
            "from 0 to 3650",
        ),
        (
            "[schedule]\nwindow = \"22:00-06:00\"\n",
            "2:10",
            "cannot cross midnight",
        ),
        (
            "[schedule]\nwindow = \"9h-18h\"\n",
            "2:10",
            "\"09:00-18:00\"",
        ),
        (
            "[schedule]\ndays = \"weekdays\"\n",
            "2:8",
            "\"any\" or \"working\"",
        ),
        (
            "[renewal]\nurl = \"http://datapass.api.gouv.fr/{datapass_id}\"\n",
            "2:7",
            "https://",
        ),
        (
            "[renewal]\nurl = \"https://evil.example/{datapass_id}\"\n",
            "2:7",
            "allowed_hosts",
        ),
        (
            "[renewal]\nurl = \"https://datapass.api.gouv.fr/{id}\"\n",
            "2:7",
            "unknown place",
        ),
        ("[renewal]\nopens = 0\n", "2:9", "from 1 to 3650"),
        (
            "[renewal]\nallowed_hosts = [\"https://a.example\"]\n",
            "2:18",
            "host name",
        ),
        (
            "[groups.dsi]\nrecipients = [{ group = \"x\" }]\n",
            "2:15",
            "cannot hold a group",
        ),
        ("[groups]\ndsi = [\"a@b.fr\"]\n", "2:1", "[groups.dsi]"),
        (
            "[groups.dsi]\n",
            "1:1",
            "`recipients` is missing in [groups.*]",
        ),
        (
            "[clients.x]\nrecipients = [{ group = \"dsi\" }]\n",
            "2:25",
            "there is no [groups.dsi]",
        ),
        (
            "[clients.x]\nadresse = 1\n",
            "2:1",
            "the keys here are: name, contact",
        ),
    ] {
        expect(main, place, fragment);
    }
}

#[test]
fn a_fault_of_the_mail_settings_has_its_place() {
    for (keys, place, fragment) in [
        (
            "transport = \"smtps\"",
            "4:13",
            "\"file\", \"smtp\" or \"sendmail\"",
        ),
        (
            "transport = \"smtp\"",
            "4:13",
            "needs the table [mail.smtp]",
        ),
        (
            "transport = \"smtp\"\n[mail.smtp]",
            "5:1",
            "`host` is missing in [mail.smtp]",
        ),
        ("rate = 60", "4:8", "60/min"),
        ("rate = \"60 per minute\"", "4:8", "write it as \"60/min\""),
        (
            "per_domain = 60",
            "4:14",
            "per_domain = { \"*\" = \"60/min\"",
        ),
        ("per_domain = \"60\"", "4:14", "write it as \"60/min\""),
        ("per_domain = {}", "4:14", "names no domain"),
        (
            "per_domain = { \"gmail.com\" = 20 }",
            "4:30",
            "must be a text",
        ),
        (
            "per_domain = { \"*.gmail.com\" = \"20/min\" }",
            "4:16",
            "is not a domain: write it as \"gmail.com\"",
        ),
        (
            "per_domain = { \"dsi@ville.fr\" = \"20/min\" }",
            "4:16",
            "is not a domain",
        ),
        (
            "per_domain = { \"été.fr\" = \"2/s\", \"XN--T-9FAB.fr\" = \"1/s\" }",
            "4:34",
            "is the domain xn--t-9fab.fr, which stands here already",
        ),
        ("storm = \"50\"", "4:9", "write 50, without quotes"),
        ("directory = \"\"", "4:13", "is empty"),
        ("contact = \"a@b.fr\"", "4:1", "at the top of the file"),
        (
            "[mail.smtp]\nhost = \"smtp.ville.example:587\"",
            "5:8",
            "without scheme and port",
        ),
        ("[mail.smtp]\nport = 70000", "5:8", "from 1 to 65535"),
        ("[mail.smtp]\ntls = \"ssl\"", "5:7", "\"starttls\""),
        ("[mail.smtp]\nconnections = 65", "5:15", "from 1 to 64"),
        ("[mail.smtp]\nflight = 0", "5:10", "from 1 to 1000"),
        (
            "[mail.smtp]\ntimeouts = { conect = 3 }",
            "5:14",
            "did you mean `connect`?",
        ),
        ("[mail.smtp]\ntimeouts = 3", "5:12", "a table of seconds"),
        (
            "bounces = \"/var/mail/jetond\"",
            "4:11",
            "bounces = { maildir = \"/var/mail/jetond\" }",
        ),
        (
            "bounces = {}",
            "4:11",
            "`maildir` is missing in [mail.bounces]",
        ),
        ("bounces = { maildir = 3 }", "4:23", "maildir"),
        ("bounces = { maildir = \"\" }", "4:23", "is empty"),
        (
            "bounces = { mail_dir = \"x\" }",
            "4:13",
            "did you mean `maildir`?",
        ),
        ("[mail.smtp]\nusername = \"u\"", "5:12", "no password"),
        (
            "[mail.smtp]\npassword = { env = \"P\" }",
            "5:12",
            "no username",
        ),
        (
            "[mail.smtp]\npassword = \"hunter2\"",
            "5:12",
            "credential = \"smtp.password\"",
        ),
        ("[mail.smtp]\npassword = hunter2", "5:12", "needs quotes"),
        ("[mail.smtp]\npassword = \"hunter2", "5:20", "closing quote"),
        (
            "[mail.smtp]\npassword = [\"hunter2\"]",
            "5:12",
            "must not stand in this file",
        ),
        (
            "[mail.smtp]\npassword = { value = \"hunter2\" }",
            "5:12",
            "must not stand in this file",
        ),
        (
            "[mail.smtp]\npasword = \"hunter2\"\npassword = \"\"\"\nhunter2\"\"\"",
            "5:1",
            "did you mean `password`?",
        ),
        (
            "[mail.smtp]\ntls = \"none\"\nhost = \"smtp.ville.example\"",
            "5:7",
            "is refused for smtp.ville.example",
        ),
        (
            "[mail.smtp]\ntls = \"none\"\nhost = \"10.0.0.1\"\nplaintext_ok = [\"192.168.0.0/16\"]",
            "5:7",
            "would travel in clear",
        ),
        (
            "[mail.smtp]\ntls = \"none\"\nhost = \"10.0.0.1\"\nplaintext_ok = [\"10.0.0.0/8\"]\nusername = \"u\"\npassword = { env = \"P\" }",
            "8:12",
            "password would travel in clear",
        ),
        (
            "[mail.smtp]\nplaintext_ok = [\"10.0.0.0/33\"]",
            "5:17",
            "not a network",
        ),
    ] {
        expect(&format!("{LEAST}{keys}\n"), place, fragment);
    }
}

#[test]
fn a_fault_of_a_token_has_its_place() {
    let jwt_name = format!("name = \"{JWT}\"");
    let jwt_bare = format!("jti = {JWT}");
    let jwt_comment = format!("name = \"T\" # {JWT}");
    let jwt_key = format!("{JWT} = 1");
    let jwt_escaped = format!("name = \"{}\"", JWT.replace("eyJ", r"\u0065yJ"));
    let jwt_mail = format!("recipients = [\"{JWT}@ville.example\"]");
    for (keys, place, fragment) in [
        ("", "4:1", "`id` is missing in [[token]]"),
        ("", "4:1", "`name` is missing in [[token]]"),
        ("", "4:1", "add a line: issued = 2025-06-15"),
        ("id = \"a b\"", "5:6", "cannot be an id"),
        ("id = 12", "5:6", "write id = \"12\""),
        ("name = \"  \"", "5:8", "is empty"),
        (
            "issued = 22/11/2026",
            "5:10",
            "write the date as 2026-11-22, without quotes",
        ),
        (
            "issued = 22-11-2026",
            "5:10",
            "write the date as 2026-11-22, without quotes",
        ),
        (
            "issued = \"2026-11-22\"",
            "5:10",
            "write the date as 2026-11-22, without quotes",
        ),
        (
            "issued = \"22 novembre\"",
            "5:10",
            "write the date as 2026-11-22, without quotes",
        ),
        ("issued = 2026-02-30", "5:10", "does not exist"),
        ("issued = 20261122", "5:10", "write the date as 2026-11-22"),
        ("issued = 10:30:00", "5:10", "an hour alone"),
        ("isued = 2026-11-22", "5:1", "did you mean `issued`?"),
        (
            "issued = 2026-11-22\nexpires = 2026-11-21",
            "6:11",
            "expires before it is issued",
        ),
        ("datapass_id = \"12/34\"", "5:15", "only digits"),
        ("datapass_id = -3.5", "5:15", "a text between quotes"),
        ("siret = \"13002526500014\"", "5:9", "checksum"),
        ("siret = \"123\"", "5:9", "14 digits"),
        ("jti = \"?\"", "5:7", "a jti is written as"),
        (
            "client = \"mairie\"",
            "5:10",
            "there is no [clients.mairie]",
        ),
        (
            "client = \"mairi-x\"\n[clients.mairie-x]",
            "5:10",
            "did you mean \"mairie-x\"?",
        ),
        ("language = \"es\"", "5:12", "\"fr\" or \"en\""),
        ("used_by = 3", "5:11", "a list between square brackets"),
        ("tags = [3]", "5:9", "a text between quotes"),
        (
            "recipients = \"a@b.fr\"",
            "5:14",
            "a list between square brackets",
        ),
        (
            "recipients = [\"a@b.fr\", \"b.fr\"]",
            "5:25",
            "there is no @",
        ),
        (
            "recipients = [\"A <a@b.fr\"]",
            "5:15",
            "closing > is missing",
        ),
        ("recipients = [3]", "5:15", "an address between quotes"),
        (
            "recipients = [{ name = \"A\" }]",
            "5:15",
            "`email` is missing",
        ),
        (
            "recipients = [{ email = \"a@b.fr\", role = \"chef\" }]",
            "5:42",
            "\"demandeur\"",
        ),
        (
            "recipients = [{ email = \"a@b.fr\", from_stage = -1 }]",
            "5:48",
            "from 0 to 3650",
        ),
        (
            "recipients = [{ mail = \"a@b.fr\" }]",
            "5:17",
            "did you mean `email`?",
        ),
        (
            "recipients = [{ group = \"dsi\" }]",
            "5:25",
            "add a table [groups.dsi]",
        ),
        (
            "recipients = [{ group = \"dsy\" }]\n[groups.dsi]\nrecipients = []",
            "5:25",
            "did you mean \"dsi\"?",
        ),
        (
            "recipients = [{ group = \"dsi\", role = \"metier\" }]",
            "5:32",
            "takes only from_stage",
        ),
        (&jwt_name, "5:9", "this looks like a token itself"),
        (&jwt_bare, "5:7", "this looks like a token itself"),
        (&jwt_comment, "5:14", "this looks like a token itself"),
        (&jwt_key, "5:1", "this looks like a token itself"),
        (&jwt_escaped, "5:8", "this looks like a token itself"),
        (&jwt_mail, "5:16", "this looks like a token itself"),
    ] {
        expect(&format!("{LEAST}[[token]]\n{keys}\n"), place, fragment);
    }
    expect(
        &format!("{LEAST}[token]\nid = \"t\"\n"),
        "4:1",
        "write `[[token]]`, with two brackets",
    );
    expect(
        &format!("{LEAST}[[tokens]]\n"),
        "4:3",
        "did you mean `token`?",
    );
    expect(&format!("token = 3\n{LEAST}"), "1:9", "write [[token]]");
}

#[test]
fn all_errors_of_all_files_are_told_at_once() {
    let main = "langage = \"fr\"
contact = \"dsi\"
x
[schedule]
window = \"9-18\"
[mail]
from = \"jetons@ville.example\"
[token]
id = \"a\"
name = \"A\"
issued = 22/11/2026
[token]
id = \"a\"
issued = 2026-01-01
[[token]]
id = \"b\"
name = \"B\"
";
    let other = "[mail]\nfrom = 1\n[[token]]\nid = \"b\"\nname = \"B\"\nissued = 2026-01-01\n";
    let place = Place::with(main)
        .and("conf.d/b.toml", other)
        .and("conf.d/a.toml", "[groups.x]\nrecipients = 3\n")
        .and("conf.d/.hidden.toml", "x")
        .and("conf.d/readme.txt", "x");
    let refused = place.refused();
    let places: Vec<String> = refused
        .errors
        .iter()
        .map(|e| place.stripped(&e.at.as_ref().unwrap().to_string()))
        .collect();
    assert_eq!(
        places,
        [
            "config.toml:1:1",
            "config.toml:2:11",
            "config.toml:3:2",
            "config.toml:5:10",
            "config.toml:8:1",
            "config.toml:11:10",
            "config.toml:12:1",
            "config.toml:12:1",
            "config.toml:13:6",
            "config.toml:15:1",
            "conf.d/a.toml:2:14",
            "conf.d/b.toml:1:2",
            "conf.d/b.toml:4:6",
        ],
        "{refused}"
    );
}

#[test]
fn an_id_that_is_taken_names_both_places() {
    let token = "[[token]]\nid = \"t\"\nname = \"T\"\nissued = 2026-01-01\n";
    let place = Place::with(LEAST.to_owned() + token).and("conf.d/x.toml", token);
    let said = place.refused().errors[0].plain(Lang::En);
    assert_eq!(
        place.stripped(&said),
        "conf.d/x.toml:2:6: error: the id \"t\" is taken: each token needs its own\n  config.toml:5:6: first written here"
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error_without_a_place() {
    let place = Place::with(LEAST);
    let absent = place.path().join("absent.toml");
    let refused = config::load(&absent, &crate::config::surroundings()).unwrap_err();
    assert_eq!(refused.errors.len(), 1);
    assert_eq!(refused.errors[0].at, None);
    assert!(
        refused
            .to_string()
            .contains("absent.toml: there is no such file")
    );
    let directory = config::load(place.path(), &crate::config::surroundings()).unwrap_err();
    assert!(directory.to_string().contains("directory"));
}

#[test]
fn the_first_byte_that_is_not_utf_8_is_shown() {
    let wrong = b"[groups.x] # March\xe9s\nrecipients = 3\n";
    let main = [LEAST.as_bytes(), wrong].concat();
    let refused = Place::with(main).refused();
    let said = refused.errors[0].plain(Lang::En);
    assert!(said.contains(":4:19: error: this is not UTF-8"), "{said}");
    assert_eq!(refused.errors.len(), 2, "the rest is read all the same");
}

#[test]
fn columns_are_right_in_files_with_windows_line_ends_and_accents() {
    expect(
        "\u{feff}organisation = \"é\"\r\ncontact = { é = 1 }\r\n",
        "2:13",
        "accents",
    );
    expect("organisation = 'éé'\r\ncontact = 3\r\n", "2:11", "quotes");
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let keys =
        "[mail.smtp]\nhost = \"a.example\"\nusername = \"u\"\npassword = { file = \"pw\" }\n";
    let place = Place::with(format!("{LEAST}{keys}")).and("pw", PASSWORD);
    let file = place.path().join("pw");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = place.refused();
    let words = words_of_refusal(&refused);
    assert!(words.contains("chmod 600") && !words.contains(PASSWORD));
    assert_eq!(refused.errors[0].at.as_ref().unwrap().line, 7);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    place.taken();
}

#[test]
fn a_pipe_in_place_of_a_secret_file_is_refused_and_not_waited_for() {
    let keys =
        "[mail.smtp]\nhost = \"a.example\"\nusername = \"u\"\npassword = { file = \"pw\" }\n";
    let place = Place::with(format!("{LEAST}{keys}"));
    pipe(&place.path().join("pw"));
    let refused = place.refused();
    let words = words_of_refusal(&refused);
    assert!(words.contains("pw is not a regular file"), "{words}");
    assert_eq!(refused.errors[0].at.as_ref().unwrap().line, 7);
}

#[test]
fn an_error_is_drawn_under_its_line_in_both_languages() {
    let main = format!(
        "{LEAST}[mail.smtp]\npassword = \"{PASSWORD}\"
[[token]]
id = \"marches\"
name = \"Marchés publics\"
issued = 22/11/2026
recipient = [\"a@ville.example\"]
jti = \"{JWT}\"
"
    );
    let token = "[[token]]\nid = \"marches\"\nname = \"Bis\"\nissued = 2026-01-01\n";
    let place = Place::with(main).and("conf.d/bis.toml", token);
    let refused = place.refused();
    for lang in [Lang::En, Lang::Fr] {
        let drawn = config::draw(&refused.errors, &refused.sources, lang, Colour::None);
        insta::assert_snapshot!(format!("drawn_{lang}"), place.stripped(&drawn));
        let plain: Vec<String> = refused.errors.iter().map(|e| e.plain(lang)).collect();
        insta::assert_snapshot!(format!("plain_{lang}"), place.stripped(&plain.join("\n")));
    }
}

#[test]
fn a_diagnostic_has_a_form_for_programs() {
    let place = Place::with("contact = 3\n[mail]\nfrom = \"a@b.fr\"\n");
    let row = place.refused().errors[0].row(Lang::Fr);
    let json = serde_json::to_value(&row).unwrap();
    assert_eq!((&json["line"], &json["column"]), (&1.into(), &11.into()));
    assert_eq!(json["severity"], "error");
    assert!(json["message"].as_str().unwrap().contains("guillemets"));
    assert!(json["file"].as_str().unwrap().ends_with("config.toml"));
}
