//! A store or a template that is locked, unreadable, damaged, newer or misplaced: words, the
//! right code, and nothing changed.

use std::path::Path;
use std::time::Instant;

use crate::cli::place::{Place, Ran, open};

/// Commands of every kind that open the store: readers, a writer, the sender.
const ALL: [&str; 8] = [
    "list",
    "status",
    "explain marches-publics",
    "history",
    "simulate --to 2026-12-31",
    "check",
    "outbox release",
    "run --once",
];

fn code_of(ran: &Ran) -> String {
    let first = ran.out.lines().next().unwrap_or_default();
    let document: serde_json::Value = serde_json::from_str(first).unwrap_or_default();
    document["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Every command ends with 8 and `code`; `check` says it in its findings.
fn all_say(place: &Place, code: &str, words: &str) {
    for command in ALL {
        let ran = place.run(&format!("{command} --json --lang en"));
        assert_eq!(ran.code, 8, "{command}: {ran:?}");
        if command == "check" {
            assert!(ran.out.contains(words), "{command}: {ran:?}");
        } else {
            assert_eq!(code_of(&ran), code, "{command}: {ran:?}");
            assert!(ran.err.contains(words), "{command}: {ran:?}");
            assert!(ran.err.contains("help: "), "{command}: {ran:?}");
        }
    }
}

#[tokio::test]
async fn a_locked_store_is_waited_for_and_then_told() {
    let place = Place::with_record().await;
    let rows = place.dump().await;
    let pool = open(&place.store()).await;
    let mut holder = pool.acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *holder)
        .await
        .unwrap();

    // Readers do not wait.
    let before = Instant::now();
    assert_eq!(place.run("list").code, 0);
    assert_eq!(place.run("outbox retry 99 -n").code, 4);
    assert!(before.elapsed().as_secs() < 8);
    // The sender and the writers wait side by side; a dry run works on a copy.
    assert_eq!(place.run("archive marches-publics -n").code, 0);
    let config = std::fs::read(place.path("config.toml")).unwrap();
    let mut children: Vec<_> = [
        "outbox release --json",
        "run --once --json",
        "archive marches-publics --json",
        "renew marches-publics --expires 2099-01-01 --write-config --json",
    ]
    .map(|words| {
        let args: Vec<&str> = words.split(' ').collect();
        place
            .command(&args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    })
    .into();
    for child in children.drain(..) {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(8));
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(out.contains("\"store_busy\""), "{out}");
    }
    assert_eq!(std::fs::read(place.path("config.toml")).unwrap(), config);
    sqlx::query("ROLLBACK").execute(&mut *holder).await.unwrap();
    drop(holder);
    pool.close().await;
    assert_eq!(place.dump().await, rows);
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let place = Place::with_record().await;
    let pool = open(&place.store()).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
         SELECT 999, 'later', installed_on, 1, checksum, 1 FROM _sqlx_migrations LIMIT 1",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let bytes = std::fs::read(place.store()).unwrap();
    all_say(&place, "store_newer", "later version");
    assert_eq!(std::fs::read(place.store()).unwrap(), bytes);
}

#[test]
fn a_directory_in_place_of_the_file() {
    let place = Place::new();
    std::fs::create_dir(place.store()).unwrap();
    all_say(&place, "store_read_only", "jetond.db");
}

#[test]
fn a_place_where_no_file_can_be_made() {
    let place = Place::with("sqlite:jetond.db", "sqlite:config.toml/jetond.db");
    assert_eq!(place.run("list").code, 0, "the file can be shown");
    for command in ["check", "run --once", "outbox release"] {
        let ran = place.run(&format!("{command} --lang en"));
        assert_eq!(ran.code, 8, "{command}: {ran:?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains("/config.toml"), "{command}: {ran:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_store() {
    let place = Place::new();
    for bytes in [
        b"not a database, but long enough to be looked at".repeat(100),
        vec![0; 8192],
    ] {
        std::fs::write(place.store(), &bytes).unwrap();
        all_say(&place, "store_corrupt", "jetond.db");
        assert_eq!(std::fs::read(place.store()).unwrap(), bytes);
    }
    // An empty file is an empty database: the sender makes a store of it, nobody else does.
    std::fs::write(place.store(), b"").unwrap();
    assert_eq!(code_of(&place.run("list --json")), "store_older");
    assert_eq!(place.run("run --once").code, 0);
}

/// One way of damaging a file, drawn from `n`.
pub(crate) fn damaged(sound: &[u8], n: usize) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n as u64 + 1);
    let mut draw = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    let pages = bytes.len() / 4096;
    match n % 6 {
        0 => bytes.truncate(draw(sound.len())),
        1 => bytes.truncate(4096 * draw(pages)),
        2 => bytes[16 + draw(84)] ^= 0xff,
        3 => bytes[4096 * (1 + draw(pages - 1))..][..4096].fill(0),
        4 => {
            let page = 4096 * (1 + draw(pages - 1));
            for _ in 0..16 {
                bytes[page + draw(4096)] = draw(256) as u8;
            }
        }
        _ => {
            for _ in 0..200 {
                let at = 100 + draw(bytes.len() - 100);
                bytes[at] ^= 1 << draw(8);
            }
        }
    }
    bytes
}

#[tokio::test]
async fn a_damaged_store_is_told_or_answers_soundly() {
    let place = Place::with_record().await;
    let sound = std::fs::read(place.store()).unwrap();
    let (mut told, mut ran_all) = (0, 0);
    for n in 0..30 {
        for command in [
            "list --all",
            "status",
            "explain marches-publics",
            "run --once",
        ] {
            for leftover in ["jetond.db-wal", "jetond.db-shm"] {
                let _ = std::fs::remove_file(place.path(leftover));
            }
            std::fs::write(place.store(), damaged(&sound, n)).unwrap();
            let ran = place.run(&format!("{command} --json --lang en"));
            ran_all += 1;
            match ran.code {
                0 | 4 | 6 => {}
                8 => {
                    told += 1;
                    assert!(
                        code_of(&ran).starts_with("store_"),
                        "{n} {command}: {ran:?}"
                    );
                }
                _ => panic!("{n} {command}: {ran:?}"),
            }
        }
    }
    assert!(told > ran_all / 3, "{told} of {ran_all}");
}

#[tokio::test]
async fn values_that_the_schema_does_not_allow_are_told() {
    let place = Place::with_record().await;
    let sound = std::fs::read(place.store()).unwrap();
    for sql in [
        "UPDATE token SET name = x'00ff'",
        "UPDATE token SET state_at = 'soon'",
        "UPDATE token SET origin = 'elsewhere'",
        "UPDATE period SET expires = 'never'",
        "UPDATE period SET expires = 9223372036854775807",
        "UPDATE period SET expires = -9223372036854775808, opened_at = -9223372036854775808",
        "UPDATE recipient SET address = x'ff', since = 'x'",
        "UPDATE notice SET stage = 9223372036854775807",
        "UPDATE notice SET stage = 2147483647, slot = 9223372036854775807",
        "UPDATE notice SET slot = 'x', state = 'owed', mail = NULL",
        "UPDATE mail SET created_at = x'00'",
        "UPDATE mail SET state = 'lost'",
        "UPDATE mail SET state = 'queued', next_at = 9223372036854775807",
        "UPDATE attempt SET at = 'x', reply = x'ff'",
        "UPDATE journal SET detail = 'no json', at = 9223372036854775807",
        "UPDATE schedule SET spec = 'x'",
        "UPDATE schedule SET since = 9223372036854775807",
        "UPDATE setting SET value = x'ff'",
        "DELETE FROM period",
        "DROP TABLE notice",
    ] {
        std::fs::write(place.store(), &sound).unwrap();
        let pool = open(&place.store()).await;
        let sql = format!("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; {sql}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone()))
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
        let changed = std::fs::read(place.store()).unwrap();
        // What reads the table, and what copies and runs everything.
        let reader = match () {
            _ if sql.contains("notice") => "explain marches-publics",
            _ if sql.contains("mail") => "outbox list --all",
            _ if sql.contains("attempt") || sql.contains("journal") => "history",
            _ => "show marches-publics",
        };
        for command in [reader, "status", "simulate --to 2026-12-31", "run --once"] {
            std::fs::write(place.store(), &changed).unwrap();
            let ran = place.run(&format!("{command} --json --lang en"));
            assert!(
                [0, 4, 6, 8].contains(&ran.code),
                "{sql}: {command}: {ran:?}"
            );
        }
    }
}

#[test]
fn templates_that_are_missing_or_wrong_are_named() {
    let place = Place::with(
        "directory = \"outbox\"",
        "directory = \"outbox\"\ntemplates = \"mine\"",
    );
    for command in [
        "check",
        "preview marches-publics",
        "run --once",
        "send-test a@ville.example",
    ] {
        let ran = place.run(&format!("{command} --lang en"));
        assert_eq!(ran.code, 3, "{command}: {ran:?}");
        assert!(
            format!("{}{}", ran.out, ran.err).contains("mine"),
            "{command}: {ran:?}"
        );
    }
    let template = any_template();
    let file = place.path("mine").join(&template);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "one\ntwo\n{{ nothing( }}\n").unwrap();
    for command in ["check", "preview marches-publics", "run --once"] {
        let ran = place.run(&format!("{command} --lang en"));
        assert_eq!(ran.code, 3, "{command}: {ran:?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(
            said.contains(&template) && said.contains('3'),
            "{command}: {said}"
        );
    }
    assert!(!place.store().exists() || place.run("outbox list").out.is_empty());
}

/// The name of a template that can be overridden.
fn any_template() -> String {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut pending = vec![templates.clone()];
    let mut names = Vec::new();
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                names.push(path.strip_prefix(&templates).unwrap().display().to_string());
            }
        }
    }
    names.sort();
    names.into_iter().find(|n| n.ends_with(".txt")).unwrap()
}
