//! `renew --write-config`: the file says what the record says, or neither changes; and `check`
//! names the line that is to change.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::cli::place::{Place, at};
use crate::cli::room::with_mounts;

const MAIN: &str = r#"# La veille des jetons de la ville.
contact = "dsi@ville.example"   # la DSI

[mail]
from      = "jetons@ville.example"
transport = "file"

[reports]
weekly = false

# --- Les jetons ---

[[token]]               # le premier
id          = "marches"
name        = "Marchés publics"
issued      = 2089-01-15    # lu sur le portail
# le numéro de la demande
datapass_id = "11244"
recipients  = [
  "c.martin@ville.example",  # demandeuse
  "dsi@ville.example",
]

[[token]]
id = "aides" # stable
name = "Aides"
issued = 2089-02-01
expires = 2090-09-01
"#;

const CLIENT: &str = r#"# Les jetons de l'éditeur, un fichier par client.
[clients.mairie]
name = "Mairie de X"
recipients = ["dgs@mairie.example", "st@mairie.example"]

[[token]]
id      = "mairie:urbanisme"
name    = "Urbanisme"
client  = "mairie"
# prolongé une fois, voir le ticket 12
expires = 2090-10-01T16:45:00+02:00   # à 16 h 45
issued  = 2089-04-01
"#;

/// Long before any run of these tests.
const FIRST: &str = "2026-01-04T09:00:00+01:00";

async fn place() -> Place {
    let place = Place::with_config(MAIN);
    std::fs::create_dir(place.path("conf.d")).unwrap();
    std::fs::write(place.path("conf.d/mairie.toml"), CLIENT).unwrap();
    place.pass(at(FIRST)).await;
    place
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Lines of a text that are not in another one.
fn besides<'a>(these: &'a str, others: &str) -> Vec<&'a str> {
    let others: Vec<&str> = others.lines().collect();
    these.lines().filter(|l| !others.contains(l)).collect()
}

#[tokio::test]
async fn a_renewal_changes_its_line_and_no_other() {
    let place = place().await;
    let (main, client) = (place.path("config.toml"), place.path("conf.d/mairie.toml"));

    let ran = place.run("renew marches --issued 2090-06-20 --write-config --lang en");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains(
            "config.toml:16:15: written\n  issued      = 2090-06-20    # lu sur le portail\n"
        ),
        "{ran:?}"
    );
    let expected = MAIN.replace("= 2089-01-15 ", "= 2090-06-20 ");
    assert_eq!(text(&main), expected);

    // Where both dates stand, the expiry is the one that counts; the portal's hour is kept.
    let ran = place.run("renew aides --expires 2092-02-29T16:45:00+01:00 --write-config");
    assert_eq!(ran.code, 0, "{ran:?}");
    let expected = expected.replace("2090-09-01", "2092-02-29T16:45:00+01:00");
    assert_eq!(text(&main), expected);

    // A date of issue replaces the expiry; the comments of both stay.
    let ran = place.run("renew mairie:urbanisme --issued 2090-09-30 --write-config");
    assert_eq!(ran.code, 0, "{ran:?}");
    let changed = text(&client);
    assert_eq!(
        besides(&changed, CLIENT),
        ["# à 16 h 45", "issued  = 2090-09-30"]
    );
    assert_eq!(
        besides(CLIENT, &changed),
        [
            "expires = 2090-10-01T16:45:00+02:00   # à 16 h 45",
            "issued  = 2089-04-01"
        ]
    );
    assert_eq!(text(&main), expected);

    // File and record agree, and nothing is left to take over.
    for id in ["marches", "aides", "mairie:urbanisme"] {
        let shown = &place.run(&format!("show {id} --json")).json()["data"][0];
        assert_eq!(shown["expires"], shown["file_expires"], "{id}");
        let again = place.run(&format!("renew {id} --write-config --lang en"));
        assert!(again.out.contains("the file says so already"), "{again:?}");
    }
    let ran = place.run("list --lang en");
    assert_eq!(ran.err, "", "{ran:?}");
    let before = place.dump().await;
    place.pass(at(FIRST)).await;
    let periods = |rows: &[String]| -> Vec<String> {
        let is_one = |r: &&String| r.starts_with("period:");
        rows.iter().filter(is_one).cloned().collect()
    };
    assert_eq!(periods(&place.dump().await), periods(&before));
    let names = place.files();
    assert!(!names.iter().any(|n| n.contains(".toml.")), "{names:?}");
}

#[tokio::test]
async fn check_names_the_line_that_the_record_has_left_behind() {
    let place = place().await;
    let quiet = place.run("check --lang en");
    assert!(!quiet.out.contains("the record"), "{quiet:?}");
    for words in [
        "renew aides --expires 2092-06-15",
        "renew mairie:urbanisme --expires 2092-03-01",
        // A revocation to come is no date of the file.
        "revoke marches --at 2090-05-01",
    ] {
        assert_eq!(place.run(words).code, 0, "{words}");
    }
    let ran = place.run("check --lang en");
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran
        .out
        .lines()
        .filter(|l| l.starts_with("record") || l.contains("--write-config"))
        .collect();
    assert_eq!(lines.len(), 4, "{ran:?}");
    assert!(
        lines[0]
            .contains("config.toml:28:11: `aides` is renewed until 2092-06-15 on record (user:"),
        "{ran:?}"
    );
    assert!(lines[0].ends_with("the file says 2090-09-01"), "{ran:?}");
    assert!(
        lines[1].ends_with("→ `jetond renew aides --write-config` writes it there"),
        "{ran:?}"
    );
    assert!(lines[2].contains("mairie.toml:11:11: "), "{ran:?}");
    let rows = place.run("check --json").json();
    let row = rows["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["check"] == "record")
        .unwrap();
    assert_eq!(
        (&row["line"], &row["column"], &row["ok"]),
        (&28.into(), &11.into(), &true.into())
    );

    for id in ["aides", "mairie:urbanisme"] {
        assert_eq!(place.run(&format!("renew {id} --write-config")).code, 0);
    }
    let ran = place.run("check --lang en");
    assert!(!ran.out.contains("--write-config"), "{ran:?}");
    // The day of a revocation is not written; without it the file is right.
    let ran = place.run("renew marches --write-config --lang en");
    assert!(ran.out.contains("the file says so already"), "{ran:?}");
}

#[tokio::test]
async fn a_dry_run_writes_neither() {
    let place = place().await;
    let (before, files) = (place.dump().await, place.files());
    let ran = place.run("renew aides --expires 2092-06-15 --write-config -n --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    let row = &ran.json()["data"][0];
    assert_eq!(row["file"]["written"], false);
    assert_eq!(row["file"]["line"], 28);
    assert_eq!(
        row["file"]["lines"],
        serde_json::json!(["expires = 2092-06-15"])
    );
    assert_eq!(row["after"]["expires"], "2092-06-15T23:59:59+02:00");
    assert_eq!(place.dump().await, before);
    assert_eq!(place.files(), files);
    assert_eq!(text(place.path("config.toml")), MAIN);
}

#[tokio::test]
async fn mode_and_links_are_kept_and_so_are_windows_ends_of_lines() {
    let place = place().await;
    let file = place.path("conf.d/mairie.toml");
    let elsewhere = place.path("elsewhere.toml");
    let windows = format!("\u{feff}{}", CLIENT.replace('\n', "\r\n"));
    std::fs::write(&elsewhere, &windows).unwrap();
    std::fs::set_permissions(&elsewhere, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("../elsewhere.toml", &file).unwrap();
    let owner = std::fs::metadata(&elsewhere).unwrap();
    let ran = place.run("renew mairie:urbanisme --expires 2092-03-01 --write-config");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        text(&elsewhere),
        windows.replace("2090-10-01T16:45:00+02:00", "2092-03-01")
    );
    assert!(file.is_symlink());
    let now = std::fs::metadata(&elsewhere).unwrap();
    assert_eq!(now.mode() & 0o7777, 0o640);
    assert_eq!((now.uid(), now.gid()), (owner.uid(), owner.gid()));
}

#[tokio::test]
async fn where_the_file_cannot_be_changed_the_record_stays() {
    let place = place().await;
    let before = place.dump().await;
    // A line that nothing can be written into without touching the others.
    let mixed = MAIN.replace("name = \"Aides\"\n", "name = \"Aides\"\r\n");
    std::fs::write(place.path("config.toml"), &mixed).unwrap();
    let ran = place.run("renew aides --expires 2092-06-15 --write-config --lang en");
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(
        ran.err
            .contains("config.toml:28:11: the date cannot be written there"),
        "{ran:?}"
    );
    assert_eq!(text(place.path("config.toml")), mixed);
    assert_eq!(place.dump().await, before);
    std::fs::write(place.path("config.toml"), MAIN).unwrap();

    // A date that a person has just written, and the record does not know, is not undone.
    let written = MAIN.replace("2090-09-01", "2091-09-01");
    std::fs::write(place.path("config.toml"), &written).unwrap();
    let ran = place.run("renew aides --write-config --lang en");
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(
        ran.err
            .contains("config.toml:28:11: this date was written since"),
        "{ran:?}"
    );
    assert!(ran.err.contains("`jetond reload`"), "{ran:?}");
    assert_eq!(text(place.path("config.toml")), written);
    assert_eq!(place.dump().await, before);
    std::fs::write(place.path("config.toml"), MAIN).unwrap();

    let refused = place.run("renew aides --expires 2080-06-15 --write-config --lang en");
    assert_eq!(refused.code, 5, "{refused:?}");
    assert_eq!(text(place.path("config.toml")), MAIN);

    // A file system that cannot be written, under the files alone.
    let lines = r#"
        mount -t tmpfs tmpfs conf.d && cat > conf.d/mairie.toml && mount -o remount,ro conf.d
        "$0" renew mairie:urbanisme --expires 2092-03-01 --write-config --lang en; echo "code $?"
        "$0" show mairie:urbanisme --json --lang en
    "#
    .replace("cat >", "cp mairie.toml");
    std::fs::copy(place.path("conf.d/mairie.toml"), place.path("mairie.toml")).unwrap();
    let Some(ran) = with_mounts(&place, &lines) else {
        return;
    };
    assert!(ran.out.starts_with("code 5\n"), "{ran:?}");
    assert!(ran.err.contains("cannot be written"), "{ran:?}");
    assert!(ran.err.contains("nothing was recorded either"), "{ran:?}");
    assert!(
        ran.out
            .contains("\"expires\":\"2090-10-01T16:45:00+02:00\""),
        "{ran:?}"
    );
    assert_eq!(place.dump().await, before);
}

#[tokio::test]
async fn where_the_record_cannot_be_written_the_file_stays() {
    let place = place().await;
    let own = MAIN.replacen(
        "[mail]",
        "[store]\nurl = \"sqlite:disk/jetond.db\"\n\n[mail]",
        1,
    );
    std::fs::write(place.path("conf.toml"), &own).unwrap();
    // A file system without room for the store's log, or for its index only: SQLite fails when
    // it opens, or at the end, after the file had its turn and is to be put back.
    for room in [16, 40] {
        let lines = format!(
            r#"
            mkdir -p disk
            mount -t tmpfs -o size=$((($(stat -c %s jetond.db) / 1024) + {room}))k tmpfs disk
            cp jetond.db disk/jetond.db
            "$0" -c conf.toml renew aides --expires 2092-06-15 --write-config --json; echo "code $?"
            "#
        );
        let Some(ran) = with_mounts(&place, &lines) else {
            return;
        };
        assert!(
            ran.out.contains("\"code\":\"disk_full\""),
            "{room}: {ran:?}"
        );
        assert!(ran.out.ends_with("code 8\n"), "{room}: {ran:?}");
        assert_eq!(text(place.path("conf.toml")), own, "{room}");
        assert!(
            !place.files().iter().any(|n| n.contains(".toml.")),
            "{room}"
        );
    }
}
