//! `[probe]` and the `secret` of tokens: what is taken, what is refused with its place and what to
//! write instead, and that no word of any of it ever holds the token.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jetond::config::{Loaded, SecretSource};
use jetond::domain::language::Lang;

use crate::config::{LEAST, Place, words_of_refusal};
use crate::support::private_file;

/// The synthetic token of the tests: nobody's.
pub(crate) const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUiLCJqdGkiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUiLCJzY29wZXMiOlsiZW50cmVwcmlzZXMiLCJhdHRlc3RhdGlvbl9maXNjYWxlX2RnZmlwIl0sInN1YiI6IkRlbW8iLCJleHRyYV9pbmZvIjp7fSwiaWF0IjoxNzM1Njg5NjAwLCJ2ZXJzaW9uIjoiMS4wIiwiZXhwIjoxNzgyODY0MDAwfQ.v-S5y1sROmw7a32ZsLc6s6Ns0X-BGbCmyaPN5CCblvI";

/// A token that needs one more line at most; it has two recipients, so nothing is warned about.
fn token(id: &str, lines: &str) -> String {
    format!(
        "[[token]]\nid = \"{id}\"\nname = \"T\"\nissued = 2026-01-01\nrecipients = [\"a@ville.example\", \"b@ville.example\"]\n{lines}\n"
    )
}

fn with_probe(lines: &str) -> Place {
    let one = token("t", "secret = { env = \"JETOND_TEST_T\" }");
    Place::with(format!("{LEAST}[probe]\n{lines}\n{one}"))
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    let plain = loaded.warnings.iter().map(|w| w.plain(Lang::En));
    plain.collect()
}

/// No stretch of the token: neither whole nor a piece that would be worth something.
fn holds_none(words: &str) {
    for piece in ["eyJhb", "eyJ1a", "v-S5y1sROmw7", "JqdGki", "blvI"] {
        assert!(!words.contains(piece), "{piece} in:\n{words}");
    }
}

#[test]
fn without_a_word_nothing_is_asked() {
    let probe = Place::with(LEAST).config().probe;
    assert_eq!(probe.base_url.as_str(), "https://entreprise.api.gouv.fr/");
    assert_eq!(probe.allowed_hosts, ["entreprise.api.gouv.fr"]);
    assert_eq!((probe.hour, probe.allow_private), (23, false));
    assert_eq!(probe.ping, "insee/unites_legales");
    assert_eq!((probe.ca_file, probe.secrets.len()), (None, 0));
}

#[test]
fn the_tokens_with_a_secret_are_asked_about_wherever_they_are_declared() {
    let place = Place::with(format!(
        "{LEAST}{}{}",
        token("a", "secret = { credential = \"token.a\" }"),
        token("b", "")
    ))
    .and(
        "conf.d/more.toml",
        &token("c", "[token.secret]\nfile = \"secrets/c\""),
    );
    fs::create_dir(place.path().join("secrets")).unwrap();
    private_file(&place.path().join("secrets/c"), JWT);
    let loaded = place.taken();
    assert_eq!(warnings(&loaded), Vec::<String>::new());
    let secrets: Vec<(&str, &SecretSource)> = loaded
        .config
        .probe
        .secrets
        .iter()
        .map(|(id, source)| (id.as_str(), source))
        .collect();
    // The file is found beside the main one.
    let file = place.path().join("secrets/c");
    assert_eq!(
        secrets,
        [
            ("a", &SecretSource::Credential("token.a".to_owned())),
            ("c", &SecretSource::File(file)),
        ]
    );
    holds_none(&format!("{loaded:?}"));
}

#[test]
fn config_show_says_where_a_secret_is() {
    let loaded = with_probe("hour = 2").taken();
    let shown: Vec<(&str, &str)> = loaded
        .effective
        .iter()
        .filter(|e| e.key.starts_with("probe.") || e.key.ends_with(".secret"))
        .map(|e| (e.key.as_str(), e.value.as_deref().unwrap_or("-")))
        .collect();
    assert_eq!(
        shown,
        [
            ("probe.base_url", "\"https://entreprise.api.gouv.fr\""),
            ("probe.allowed_hosts", "[\"entreprise.api.gouv.fr\"]"),
            ("probe.hour", "2"),
            ("probe.ping", "\"insee/unites_legales\""),
            ("probe.ca_file", "-"),
            ("probe.allow_private", "false"),
            ("token.t.secret", "{ env = \"JETOND_TEST_T\" }"),
        ]
    );
}

#[test]
fn another_address_is_taken_where_the_file_names_its_host() {
    let place = with_probe(
        "base_url = \"https://Gw.Ville.example:8443/api/\"\nallowed_hosts = [\"gw.ville.example\"]\nca_file = \"ca.pem\"\nhour = 0\nping = \"dgfip/chiffres_affaires\"",
    );
    let probe = place.config().probe;
    assert_eq!(probe.base_url.as_str(), "https://gw.ville.example:8443/api");
    assert_eq!(probe.allowed_hosts, ["gw.ville.example"]);
    assert_eq!(probe.ca_file.unwrap(), place.path().join("ca.pem"));
    assert_eq!(
        (probe.hour, probe.ping.as_str()),
        (0, "dgfip/chiffres_affaires")
    );
    let near = "base_url = \"https://[::1]:4443\"\nallowed_hosts = \"::1\"\nallow_private = true";
    let probe = with_probe(near).config().probe;
    assert_eq!(
        (probe.allowed_hosts, probe.allow_private),
        (vec!["::1".to_owned()], true)
    );
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_write() {
    for (lines, place, said) in [
        (
            "base_url = \"http://entreprise.api.gouv.fr\"",
            "5:12",
            "begins with https://",
        ),
        (
            "base_url = \"http://127.0.0.1\"\nallow_private = true",
            "5:12",
            "begins with https://",
        ),
        (
            "base_url = \"entreprise.api.gouv.fr\"",
            "5:12",
            "write it whole",
        ),
        (
            "base_url = \"https://u:s3cret@entreprise.api.gouv.fr\"",
            "5:12",
            "an account has no place",
        ),
        (
            "base_url = \"https://entreprise.api.gouv.fr?k=s3cret\"",
            "5:12",
            "ends before ? and #",
        ),
        (
            "base_url = \"https://entreprise.api.gouv.fr/#s3cret\"",
            "5:12",
            "ends before ? and #",
        ),
        (
            "base_url = \"https://10.0.0.1\"\nallowed_hosts = [\"10.0.0.1\"]",
            "5:12",
            "allow_private = true",
        ),
        (
            "base_url = \"https://gw.example\"",
            "5:12",
            "write in [probe]: allowed_hosts = [\"gw.example\"]",
        ),
        (
            "base_url = \"https://gw.example\"\nallowed_hosts = [\"b.example\"]",
            "5:12",
            "(b.example), and gw.example is not among them",
        ),
        (
            "allowed_hosts = [\"b.example\"]",
            "5:17",
            "entreprise.api.gouv.fr is not among them",
        ),
        (
            "allowed_hosts = []",
            "5:17",
            "without a host nothing can be asked",
        ),
        (
            "allowed_hosts = [\"https://b.example\"]",
            "5:18",
            "without scheme and port",
        ),
        ("hour = 24", "5:8", "`hour` goes from 0 to 23"),
        ("hour = \"23\"", "5:8", "write 23, without quotes"),
        ("ping = \"insee\"", "5:8", "insee/unites_legales"),
        ("ping = \"../x\"", "5:8", "insee/unites_legales"),
        ("allow_private = \"no\"", "5:17", "true or false"),
        (
            "bas_url = \"https://s3cret.example\"",
            "5:1",
            "did you mean `base_url`?",
        ),
        (
            "token = \"s3cret\"",
            "5:1",
            "the keys here are: base_url, allowed_hosts, hour",
        ),
    ] {
        let rejected = with_probe(lines).refused();
        let found = words_of_refusal(&rejected);
        let at_place = rejected.errors.iter().any(|e| {
            let at = e.at.as_ref().map(|p| format!("{}:{}", p.line, p.column));
            at.as_deref() == Some(place) && e.plain(Lang::En).contains(said)
        });
        assert!(at_place, "{place} {said:?} for {lines}\n{rejected}");
        assert_eq!(rejected.errors.len(), 1, "{lines}\n{rejected}");
        assert!(!found.contains("s3cret"), "{found}");
        assert_ne!(
            rejected.errors[0].plain(Lang::En),
            rejected.errors[0].plain(Lang::Fr)
        );
    }
    let in_part = Place::with(LEAST).and("conf.d/p.toml", "[probe]\nhour = 1\n");
    let said = in_part.refused().errors[0].plain(Lang::En);
    assert!(
        said.contains("`probe` cannot stand in a file of conf.d"),
        "{said}"
    );
}

#[test]
fn a_token_in_place_of_where_it_is_is_refused_and_never_repeated() {
    let cut = &JWT[JWT.len() - 40..];
    for (line, said) in [
        (
            format!("secret = \"{JWT}\""),
            "write where it is: secret = { credential = \"token.marches-publics\" }",
        ),
        (format!("secret = '''\n{JWT}'''"), "write where it is"),
        (format!("secret = {JWT}"), "this looks like a token itself"),
        (
            format!("secret = {{ file = \"{JWT}\" }}"),
            "write where it is",
        ),
        (
            format!("secret = {{ jwt = \"{JWT}\" }}"),
            "write where it is",
        ),
        (format!("secret = [\"{JWT}\"]"), "write where it is"),
        (
            format!("[token.secret]\nenv = \"{JWT}\""),
            "write where it is",
        ),
        (format!("secret = \"Bearer {JWT}\""), "write where it is"),
        (
            format!("jeton = \"{JWT}\""),
            "this looks like a token itself",
        ),
        (
            format!("secret = \"{cut}\""),
            "this does not say where the token’s own text is",
        ),
        (
            format!("secret = {{ jwt = \"{cut}\" }}"),
            "this does not say where the token’s own text is",
        ),
        (format!("secrets = \"{cut}\""), "did you mean `secret`?"),
        (
            format!("secret = {{ env = \"{cut}\" }}"),
            "this does not say where the token’s own text is",
        ),
        ("secret = 3".to_owned(), "write where it is"),
        (
            "secret = { file = \"a\", env = \"B\" }".to_owned(),
            "keep one of credential, file and env",
        ),
    ] {
        for (main, part) in [
            (LEAST.to_owned() + &token("t", &line), None),
            (LEAST.to_owned(), Some(token("t", &line))),
        ] {
            let place = Place::with(main);
            let (place, name) = match &part {
                Some(text) => (place.and("conf.d/t.toml", text), "conf.d/t.toml:"),
                None => (place, "config.toml:"),
            };
            let rejected = place.refused();
            let words = words_of_refusal(&rejected);
            assert!(words.contains(said), "{line}\n{words}");
            assert!(words.contains(name), "{words}");
            holds_none(&words);
        }
    }
}

#[test]
fn what_is_strange_but_usable_is_warned_about() {
    let idle = Place::with(format!("{LEAST}[probe]\nhour = 3\n{}", token("t", ""))).taken();
    let said = warnings(&idle);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("config.toml:4:1: warning: no token says where its own text is"),
        "{said:?}"
    );
    assert!(said[0].contains("secret = { credential = "), "{said:?}");

    let missing = Place::with(LEAST.to_owned() + &token("t", "secret = { file = \"t.jwt\" }"));
    let said = warnings(&missing.taken());
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("t.jwt cannot be found; it is read when it is used"),
        "{said:?}"
    );

    let same = "secret = { env = \"JETOND_TEST_T\" }";
    let twice = Place::with(LEAST.to_owned() + &token("a", same) + &token("b", same)).taken();
    let said = warnings(&twice);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0]
            .contains("config.toml:15:10: warning: another token has its text in the same place"),
        "{said:?}"
    );
    assert_eq!(twice.config.probe.secrets.len(), 2);
}

#[test]
fn a_file_that_others_may_read_stops_no_reminder() {
    let place = Place::with(LEAST.to_owned() + &token("t", "secret = { file = \"t.jwt\" }"))
        .and("t.jwt", JWT);
    let at = place.path().join("t.jwt");
    fs::set_permissions(at, fs::Permissions::from_mode(0o644)).unwrap();
    let taken = place.taken();
    let said = warnings(&taken);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("warning: others than its owner may read")
            && said[0].contains("chmod 600"),
        "{said:?}"
    );
    holds_none(&said[0]);
    // At its use it is refused.
    let (_, source) = &taken.config.probe.secrets[0];
    assert!(source.resolve().is_err());
}
