//! Every command's words in both languages, on a fixed config; and the French typography of
//! all of them.

use crate::cli::place::{Place, Ran};

/// Run without a store.
const BEFORE: [(&str, &str); 11] = [
    ("list", "list --at 2026-11-23T10:00"),
    ("show", "show marches-publics --at 2026-11-23T10:00"),
    ("explain", "explain marches-publics --at 2026-11-23T10:00"),
    (
        "simulate",
        "simulate --from 2026-09-01 --to 2026-12-31 --at 2026-11-23T10:00",
    ),
    (
        "preview",
        "preview marches-publics --stage -7 --to c.martin@VILLE.example",
    ),
    ("status", "status --at 2026-11-10T10:00"),
    ("config_show", "config show"),
    ("init", "init elsewhere"),
    ("unknown_token", "show marche-publics"),
    ("unknown_command", "lst"),
    ("missing_config", "-c nowhere.toml list"),
];

/// Run on a store with one pass and one mail that was sent.
const AFTER: [(&str, &str); 20] = [
    ("list", "list --at 2026-11-23T10:00"),
    (
        "show",
        "show instruction-des-aides-sociales-du-departement --at 2027-06-01",
    ),
    ("explain", "explain marches-publics --at 2026-12-01T08:00"),
    ("status", "status --at 2026-11-23T10:00"),
    ("status_uncovered", "status --at 2026-12-02T10:00"),
    ("outbox_list", "outbox list --all"),
    ("outbox_show", "outbox show 1 --at 2026-11-23T10:00"),
    ("outbox_refused", "outbox cancel 1"),
    ("outbox_release", "outbox release -n"),
    ("archive", "archive --missing -n"),
    ("history", "history marches-publics"),
    ("no_such_mail", "outbox retry 99"),
    ("backup", "backup copy.db --force"),
    ("backup_verify", "backup verify copy.db"),
    ("backup_restore", "backup restore -n copy.db"),
    ("backup_taken", "backup copy.db"),
    ("backup_unsound", "backup verify config.toml"),
    ("backup_stream", "backup -"),
    ("calendar_refused", "calendar --address"),
    ("calendar_unknown", "calendar --client mairie-x"),
];

/// What was run, what it said and how it ended, in each language.
fn told(place: &Place, words: &str) -> String {
    let mut told = String::new();
    for lang in ["fr", "en"] {
        let Ran { code, out, err } = place.run(&format!("--lang {lang} {words}"));
        told += &format!("$ jetond --lang {lang} {words}\n{out}");
        for line in err.lines() {
            told += &format!("2> {line}\n");
        }
        told += &format!("= {code}\n\n");
        // `init` refuses to write twice.
        let _ = std::fs::remove_dir_all(place.path("elsewhere"));
    }
    // No-break spaces are made visible.
    told.replace('\u{a0}', "~")
        .replace(&place.root().display().to_string(), "[place]")
}

pub(super) fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r"<\d{8}\.[0-9a-f]{20,}@", "<[id]@");
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "[now] UTC");
    settings.add_filter(r"\d+[ ~](octets|bytes)", "[n] $1");
    settings.add_filter(r"((?:schema|schéma)\s+)\d+", "$1[v]");
    settings.add_filter(r"replaced-\d{8}T\d{6}Z", "replaced-[now]");
    settings.set_snapshot_path("snapshots");
    settings
}

#[test]
fn without_a_store() {
    let place = Place::new();
    for (name, words) in BEFORE {
        snapshots().bind(|| {
            insta::assert_snapshot!(format!("before_{name}"), told(&place, words));
        });
    }
}

#[tokio::test]
async fn with_a_store() {
    let place = Place::with_record().await;
    for (name, words) in AFTER {
        snapshots().bind(|| {
            insta::assert_snapshot!(format!("after_{name}"), told(&place, words));
        });
    }
}

#[test]
fn a_broken_config() {
    let place = Place::with(
        "stages       = [30, 15, 7, 1]",
        "stages       = [30, \"15\"]\nwindow = \"18:00-09:00\"\nnigth = 1",
    );
    snapshots().bind(|| {
        insta::assert_snapshot!("broken_config", told(&place, "check"));
    });
}

#[tokio::test]
async fn check_of_a_place_that_is_well() {
    let place = Place::new();
    snapshots().bind(|| {
        insta::assert_snapshot!("check", told(&place, "check"));
    });
}

/// The faults of French typography in what the command line says. What stands in backquotes,
/// between quotes, in a link, a place in a file or an hour is no prose.
pub(crate) fn faults(said: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let prose: String = said.split('`').step_by(2).collect::<Vec<_>>().join("CODE");
    let words: Vec<&str> = prose
        .split([' ', '\n'])
        .filter(|w| !w.is_empty() && !w.contains("://"))
        .collect();
    for word in &words {
        let chars: Vec<char> = word.chars().collect();
        for (i, c) in chars.iter().enumerate() {
            let before = i.checked_sub(1).map(|i| chars[i]);
            let after = chars.get(i + 1);
            let bad = match c {
                '\'' => true,
                ':' if after.is_some_and(|c| c.is_ascii_digit()) => false,
                ':' if i + 1 == chars.len() && word.contains(".toml") => false,
                ':' | ';' | '!' | '?' | '»' => before != Some('\u{a0}'),
                '«' => after != Some(&'\u{a0}'),
                _ => false,
            };
            if bad {
                faults.push((*word).to_owned());
            }
        }
    }
    for pair in words.windows(2) {
        let number = pair[0].chars().all(|c| c.is_ascii_digit());
        let unit = [
            "jour",
            "jours",
            "mois",
            "jeton",
            "jetons",
            "courriel",
            "courriels",
            "erreur",
            "erreurs",
        ];
        if number && unit.contains(&pair[1].trim_matches(['.', ',', ')'])) {
            faults.push(pair.join(" "));
        }
    }
    if said.contains("1\u{a0}jours")
        || said.contains("0\u{a0}jours") && !said.contains("10\u{a0}jours")
    {
        faults.push("1 jours".to_owned());
    }
    faults
}

#[test]
fn the_test_sees_faults() {
    for bad in [
        "l'accès",
        "aide: x",
        "vraiment ?",
        "« x »",
        "15 jours",
        "oui ; non",
        "1\u{a0}jours",
    ] {
        assert!(!faults(bad).is_empty(), "{bad}");
    }
    let good = "config.toml:4:2: erreur\u{a0}: « `a: b` »"
        .replace("« ", "«\u{a0}")
        .replace(" »", "\u{a0}»");
    assert_eq!(faults(&good), Vec::<String>::new());
}

#[tokio::test]
async fn the_french_command_line_is_well_set() {
    let data = ["config show", "preview", "simulate", "outbox show"];
    let check = |place: &Place, words: &str| {
        if data.iter().any(|d| words.starts_with(d)) {
            return;
        }
        let ran = place.run(&format!("--lang fr {words}"));
        for said in [&ran.out, &ran.err] {
            assert_eq!(faults(said), Vec::<String>::new(), "{words}: {said}");
        }
    };
    let (before, after) = (Place::new(), Place::with_record().await);
    for (_, words) in BEFORE {
        check(&before, words);
    }
    for words in AFTER.iter().map(|(_, words)| *words).chain([
        "check",
        "outbox cancel 1 -n",
        "list --bad",
        "explain",
        "--lang",
    ]) {
        check(&after, words);
    }
    check(&Place::with("[schedule]", "[shedule]"), "check");
}
