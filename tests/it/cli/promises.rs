//! The contract of the command line: exit codes, documents, languages, and what each command
//! leaves behind.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;

use chrono::{DateTime, Timelike, Utc};

use crate::cli::place::{Place, RECORDED, Ran, at};

/// Commands that only read, and print data.
const READING: [&str; 14] = [
    "list --all",
    "show marches-publics",
    "explain marches-publics",
    "simulate --to 2026-12-31",
    "preview marches-publics",
    "status",
    "outbox list --all",
    "history",
    "config show",
    "check",
    "archive --missing -n",
    "renew marches-publics --expires 2099-01-01 -n",
    "filed marches-publics -n",
    "export",
];

#[tokio::test]
async fn exit_codes() {
    let (bare, place) = (Place::new(), Place::with_record().await);
    for (code, words) in [
        (0, "list"),
        (0, "--help"),
        (0, "simulate --help"),
        (0, "--version"),
        (0, "help outbox"),
        (0, "check"),
        (0, "send-test someone@ville.example"),
        (0, "outbox release"),
        (0, "archive --missing"),
        (0, "explain marches-publics --to c.martin@VILLE.example"),
        (0, "preview marches-publics --format eml"),
        (0, "status --at 2026-11-23T12:00"),
        (2, ""),
        (2, "lst"),
        (2, "list --bad"),
        (2, "show"),
        (2, "archive"),
        (2, "list --at yesterday"),
        (2, "simulate --to 2020-01-01"),
        (2, "history --limit 0"),
        (2, "preview marches-publics --stage soon"),
        (2, "send-test nobody"),
        (2, "--lang de list"),
        (2, "outbox retry"),
        (3, "-c nowhere.toml list"),
        (3, "-c nowhere.toml check"),
        (4, "show marche-public"),
        (4, "explain marche-public"),
        (4, "history marche-public"),
        (4, "preview marche-public"),
        (4, "preview marches-publics --to nobody@ville.example"),
        (4, "explain marches-publics --to nobody@ville.example"),
        (4, "outbox show 99"),
        (4, "outbox retry 99"),
        (5, "init ."),
        (5, "outbox cancel 1"),
        (6, "status --at 2026-12-20"),
    ] {
        let ran = place.run(words);
        assert_eq!(ran.code, code, "{words}: {ran:?}");
        let says = if code == 0 || code == 6 {
            &ran.out
        } else {
            &ran.err
        };
        assert!(
            !says.is_empty() || words.contains("--missing"),
            "{words}: {ran:?}"
        );
    }
    for (code, words) in [
        (0, "list"),
        (0, "outbox list"),
        (0, "history"),
        (4, "outbox show 1"),
        (8, "outbox release"),
        (8, "archive --missing"),
    ] {
        let ran = bare.run(words);
        assert_eq!(ran.code, code, "without a store: {words}: {ran:?}");
    }
    assert_eq!(bare.files(), ["config.toml"]);
}

#[tokio::test]
async fn every_document_has_its_schema_and_errors_have_theirs() {
    let place = Place::with_record().await;
    let commands = READING.iter().copied().chain([
        "outbox show 1",
        "outbox release -n",
        "send-test someone@ville.example",
        "init new",
    ]);
    for words in commands {
        let ran = place.run(&format!("--json {words}"));
        let command = words.split(' ').next().unwrap();
        let document = ran.json();
        assert_eq!(document["schema"], format!("jetond.{command}/1"), "{words}");
        assert!(document["data"].is_array(), "{words}");
    }
    for (words, code) in [
        ("show marche-public --json", "not_found"),
        ("lst --json", "usage"),
        ("--json", "usage"),
        ("list --json --bad", "usage"),
        ("outbox show 1.5 --json", "usage"),
        ("list --at x --json", "usage"),
        ("-c nowhere.toml list --json", "config_invalid"),
        ("init . --json", "exists"),
        ("outbox cancel 1 --json", "mail_state"),
    ] {
        let ran = place.run(words);
        let document = ran.json();
        assert_eq!(document["schema"], "jetond.error/1", "{words}");
        let error = &document["error"];
        assert_eq!(error["code"], code, "{words}");
        let message = error["message"].as_str().unwrap();
        assert!(ran.err.contains(message), "{words}: {ran:?}");
        assert!(error.get("hint").is_some(), "{words}");
    }
    let ran = place.run("show marche-public --json --lang en");
    assert_eq!(
        ran.json()["error"]["hint"],
        "did you mean `marches-publics`?"
    );
}

#[test]
fn a_broken_config_names_every_place_and_check_says_so_too() {
    let place = Place::with("stages       = [30, 15, 7, 1]", "stages = 3\nnigth = 1");
    for words in ["list", "check", "run --once", "simulate", "config show"] {
        let ran = place.run(&format!("{words} --lang en --json"));
        assert_eq!(ran.code, 3, "{words}");
        for at in ["config.toml:10:10: error: ", "config.toml:11:1: error: "] {
            assert!(ran.err.contains(at), "{words}: {}", ran.err);
        }
        assert_eq!(ran.json()["error"]["details"].as_array().unwrap().len(), 2);
    }
    assert_eq!(place.files(), ["config.toml"]);
}

#[tokio::test]
async fn reading_leaves_nothing_behind() {
    let (bare, place) = (Place::new(), Place::with_record().await);
    let (files, rows) = (place.files(), place.dump().await);
    let bytes = std::fs::read(place.store()).unwrap();
    for words in READING {
        bare.run(words);
        assert_eq!(bare.files(), ["config.toml"], "{words}");
        place.run(words);
        assert_eq!(place.files(), files, "{words}");
    }
    place.run("show nothing");
    place.run("outbox show 99");
    assert_eq!(place.files(), files);
    assert_eq!(std::fs::read(place.store()).unwrap(), bytes);
    assert_eq!(place.dump().await, rows);
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_the_same_command_does() {
    let place = Place::with_record().await;
    // A mail that is queued: recorded in the evening, when nothing leaves.
    place.pass(at("2026-11-30T19:00:00+01:00")).await;
    let text = std::fs::read_to_string(place.path("config.toml")).unwrap();
    let kept = text
        .split("[[token]]")
        .take(2)
        .collect::<Vec<_>>()
        .join("[[token]]");
    let rows = place.dump().await;
    for words in ["outbox cancel 2", "outbox retry 2 3", "outbox release"] {
        let ran = place.run(&format!("{words} -n --lang en"));
        assert_eq!(ran.code, 0, "{words}: {ran:?}");
        assert!(ran.err.contains("nothing was changed"), "{ran:?}");
        assert_eq!(place.dump().await, rows, "{words}");
    }
    // One of them does not exist: neither is acted upon.
    assert_eq!(place.run("outbox cancel 2 99").code, 4);
    assert_eq!(place.dump().await, rows);
    std::fs::write(place.path("config.toml"), kept).unwrap();
    let ran = place.run("archive --missing -n");
    assert_eq!(ran.out, "instruction-des-aides-sociales-du-departement\n");
    assert_eq!(place.dump().await, rows);

    assert_eq!(place.run("outbox cancel 2").code, 0);
    assert_ne!(place.dump().await, rows);
    assert_eq!(place.run("archive --missing").code, 0);
    assert!(!place.run("list").out.contains("instruction-des-aides"));
}

#[test]
fn the_language_is_the_wish_then_the_locale_then_the_config() {
    let place = Place::new();
    let says = |words: &str, locale: &[(&str, &str)]| {
        let args: Vec<&str> = words.split(' ').collect();
        let ran = Ran::of(place.command(&args).envs(locale.iter().copied()));
        match (
            ran.err.contains("il n’y a pas"),
            ran.err.contains("there is no"),
        ) {
            (true, false) => "fr",
            (false, true) => "en",
            _ => panic!("{ran:?}"),
        }
    };
    // The config says French; the second command line is refused before the config is read.
    for words in ["show nothing", "lst"] {
        assert_eq!(says(words, &[]), "fr");
        assert_eq!(says(words, &[("LANG", "en_GB.UTF-8")]), "en");
        assert_eq!(says(words, &[("LANG", "C.UTF-8")]), "fr");
        assert_eq!(
            says(words, &[("LANG", "en_GB"), ("LC_MESSAGES", "fr_FR")]),
            "fr"
        );
        assert_eq!(
            says(words, &[("LC_ALL", "en"), ("LC_MESSAGES", "fr_FR")]),
            "en"
        );
        assert_eq!(says(words, &[("LC_ALL", "POSIX"), ("LANG", "en_GB")]), "fr");
        assert_eq!(says(words, &[("LC_ALL", ""), ("LANG", "de_DE")]), "fr");
        let wish = format!("--lang en {words}");
        assert_eq!(says(&wish, &[("LC_ALL", "fr_FR.UTF-8")]), "en");
    }
}

#[test]
fn simulate_tells_reports_that_say_the_same_once_and_counts_them_all() {
    let place = Place::with("weekly = false", "weekly = true");
    let words = "--lang en --from 2026-11-01 --to 2026-12-31 --at 2026-11-23T10:00";
    let shown = place.run(&format!("simulate {words}"));
    let all = place.run(&format!("simulate --json {words}"));
    let rows = all.json()["data"].as_array().unwrap().clone();
    let reports = rows.iter().filter(|r| r["kind"] == "note_report").count();
    assert!(reports > 4, "{all:?}");
    let mut told = 0;
    let lines: Vec<&str> = shown.out.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        if line.contains("Rapport hebdomadaire") {
            told += 1;
            let next = lines.get(i + 1).copied().unwrap_or_default();
            if let Some((_, more)) = next.split_once("and each week until ") {
                let (_, n) = more.split_once(": ").unwrap();
                told += n.trim_end_matches(" more").parse::<usize>().unwrap();
            }
        }
    }
    assert_eq!(told, reports, "{}", shown.out);
    assert!(shown.out.contains("and each week until"), "{}", shown.out);
    assert!(
        shown.err.contains(&format!("{} mails", rows.len())),
        "{shown:?}"
    );
}

#[tokio::test]
async fn simulate_starts_where_the_rules_say() {
    let place = Place::with_record().await;
    let mails = |words: &str| -> Vec<String> {
        let ran = place.run(&format!("simulate --json {words}"));
        let rows = ran.json()["data"].as_array().unwrap().clone();
        let told = |r: &serde_json::Value| {
            let notices = r["notices"].as_array().unwrap();
            let at = r["at"].as_str().unwrap();
            format!("{} {}", &at[..16], notices[0]["stage"])
        };
        let mut told: Vec<String> = rows.iter().map(told).collect();
        told.dedup();
        told
    };
    let at = "--at 2026-11-23T10:00";
    // Now: the store knows that stage 30 was sent.
    let ahead = ["2026-11-30T09:00 15", "2026-12-08T09:00 7"];
    assert_eq!(mails(&format!("{at} --to 2026-12-08")), ahead);
    assert_eq!(
        mails(&format!("{at} --to 2026-12-08 --from 2026-11-23")),
        ahead
    );
    assert_eq!(mails(&format!("{at} --to 2026-12-07")), ahead[..1]);
    // Later: from now on too, and only what is later is shown.
    assert_eq!(
        mails(&format!("{at} --from 2026-12-01 --to 2026-12-08")),
        ahead[1..]
    );
    // Before: an empty store, the tokens first seen on that day.
    assert_eq!(
        mails(&format!("{at} --from 2026-11-20 --to 2026-12-01")),
        ["2026-11-20T09:00 30", "2026-11-30T09:00 15"]
    );
}

#[test]
fn run_once_outside_the_window_does_what_can_be_done() {
    let hour = jetond::clock::now().hour();
    let window = if hour < 12 {
        "20:00-21:00"
    } else {
        "01:00-02:00"
    };
    let place = Place::with("[schedule]", &format!("[schedule]\nwindow = \"{window}\""));
    let text = std::fs::read_to_string(place.path("config.toml")).unwrap();
    std::fs::write(
        place.path("config.toml"),
        text.replace("Europe/Paris", "UTC"),
    )
    .unwrap();
    let ran = place.run("run --once --lang en --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["data"][0]["in_window"], false);
    assert_eq!(ran.json()["data"][0]["sent"], 0);
}

#[tokio::test]
async fn a_second_sender_is_refused_and_readers_are_not() {
    let place = Place::with_record().await;
    let lock = std::fs::File::create(place.path("jetond.db.lock")).unwrap();
    lock.lock().unwrap();
    let ran = place.run("run --once --json");
    assert_eq!(
        (ran.code, &ran.json()["error"]["code"]),
        (5, &"second_sender".into())
    );
    let ran = place.run("status --json");
    assert_eq!(ran.json()["data"][0]["running"], true);
}

#[test]
fn check_online_tells_a_closed_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let smtp = format!(
        "transport = \"smtp\"\n[mail.smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\""
    );
    let place = Place::with("transport = \"file\"\ndirectory = \"outbox\"", &smtp);
    assert_eq!(place.run("check").code, 0);
    let ran = place.run("check --online --lang en");
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.out.contains("mail.smtp.host and port"), "{ran:?}");
    let ran = place.run("send-test someone@ville.example --json");
    assert_eq!(
        (ran.code, &ran.json()["error"]["code"]),
        (6, &"not_delivered".into())
    );
}

#[test]
fn dates_are_local_in_the_history() {
    let place = Place::with(
        "issued      = 2025-06-15",
        "expires = 2027-06-15T00:30:00+02:00",
    );
    let ran = place.run("history marches-publics --lang en");
    assert!(ran.out.contains("expires 2027-06-15"), "{}", ran.out);
}

#[tokio::test]
async fn garbage_is_refused_with_words() {
    let place = Place::with_record().await;
    let pieces: Vec<OsString> = [
        "list",
        "show",
        "explain",
        "preview",
        "simulate",
        "status",
        "outbox",
        "history",
        "config",
        "check",
        "archive",
        "send-test",
        "backup",
        "verify",
        "retry",
        "cancel",
        "release",
        "--json",
        "--at",
        "--to",
        "--from",
        "--stage",
        "--lang",
        "fr",
        "-n",
        "-c",
        "config.toml",
        "--format",
        "eml",
        "-7",
        "1",
        "99999999999999999999",
        "-9223372036854775808",
        "2147483647",
        "-2147483648",
        "",
        " ",
        "--",
        "-",
        "=",
        "--limit=0",
        "marches-publics",
        "MARCHES",
        "é\u{202e}x",
        "\n",
        "\u{1b}[31m",
        "a@b",
        "0000-00-00",
        "9999-12-31",
        "0001-01-01",
        "+262142-12-31",
        "-262143-01-01",
        "2026-11-23T25:00",
        "2026-03-29T02:30",
        "' OR 1=1",
        "%s%n",
        "config=",
        "help",
    ]
    .iter()
    .map(OsString::from)
    .chain([
        OsString::from_vec(vec![0xff, 0xfe]),
        "x".repeat(5000).into(),
    ])
    .collect();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    for _ in 0..120 {
        let args: Vec<OsString> = (0..1 + draw(5))
            .map(|_| pieces[draw(pieces.len())].clone())
            .collect();
        let ran = Ran::of(&mut place.command(&args));
        assert!(
            [0, 2, 3, 4, 5, 6, 8].contains(&ran.code),
            "{args:?}: {ran:?}"
        );
        assert!(
            !ran.err.contains('\u{1b}') && !ran.out.contains('\u{1b}'),
            "{args:?}: {ran:?}"
        );
    }
}

#[tokio::test]
async fn the_ends_of_time_are_no_fault() {
    let place = Place::with_record().await;
    for instant in [
        "0001-01-01",
        "9999-12-31",
        "-262143-01-01",
        "+262142-12-31",
        "9999-12-31T23:59:59Z",
    ] {
        for words in [
            "list",
            "show marches-publics",
            "status",
            "explain marches-publics",
            "preview marches-publics",
        ] {
            let ran = place.run(&format!("{words} --at={instant}"));
            assert!([0, 2, 6].contains(&ran.code), "{words} {instant}: {ran:?}");
        }
        for words in ["simulate --to", "simulate --from"] {
            // Nothing is asked that takes for ever: the schedule ends.
            let ran = place.run(&format!("{words}={instant}"));
            assert!([0, 2].contains(&ran.code), "{words} {instant}: {ran:?}");
        }
    }
    let ran = place.run("preview marches-publics --stage 2147483647");
    assert!([0, 2].contains(&ran.code), "{ran:?}");
    assert!(at(RECORDED) < DateTime::<Utc>::MAX_UTC);
}

#[tokio::test]
async fn a_token_on_the_command_line_is_not_repeated() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTExMTExMS0yMjIyIn0.v-S5y1sROmw7a32ZsLc6s6";
    let place = Place::with_record().await;
    for line in [
        "import JWT",
        "import dir/JWT",
        "import - --client JWT",
        "import - --recipient JWT",
        "import - --datapass-id JWT",
        "import - --id JWT",
        "renew marches-publics --expires JWT",
        "renew marches-publics --issued JWT",
        "renew marches-publics --jwt JWT",
        "renew JWT",
        "revoke marches-publics --at JWT",
        "snooze marches-publics --until JWT",
        "filed marches-publics --on JWT",
        "supersede marches-publics JWT",
        "show JWT",
        "history JWT",
        "explain JWT",
        "preview JWT",
        "preview marches-publics --to JWT",
        "simulate --from JWT",
        "simulate --to JWT",
        "status --at JWT",
        "send-test --to JWT",
        "forget JWT",
        "outbox show JWT",
        "outbox retry JWT",
        "datapass show JWT",
        "datapass adopt JWT",
        "backup verify JWT",
        "backup restore JWT",
        "archive JWT",
        "restore JWT",
        "JWT",
        "list JWT",
        "list --JWT",
        "list --lang JWT",
        "completions JWT",
        "status --nagios --nagios-max-age JWT",
        "--config JWT status",
        "--config dir/JWT check",
    ] {
        for form in ["", " --json"] {
            let line = format!("{line}{form}");
            let words = line.replace("JWT", jwt);
            let args: Vec<&str> = words.split_whitespace().collect();
            let ran = Ran::of(&mut place.command(&args));
            assert_ne!(ran.code, 0, "{line}: {ran:?}");
            for part in jwt.split('.') {
                assert!(
                    !ran.out.contains(part) && !ran.err.contains(part),
                    "{line}: {ran:?}"
                );
            }
        }
    }
}
