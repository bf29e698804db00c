//! `backup`, `backup verify` and `backup restore`: what they make, refuse and leave behind.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use sqlx::AssertSqlSafe;

use crate::cli::place::{Place, Ran, at, open};

/// Which error a command ended in.
fn code_of(ran: &Ran) -> String {
    ran.json()["error"]["code"].as_str().unwrap().to_owned()
}

/// The rows of a store, without what only the copying changes.
async fn rows_of(place: &Place, file: &str) -> Vec<String> {
    let rows = place.dump_of(&place.path(file)).await;
    rows.into_iter()
        .filter(|r| !r.starts_with("_sqlx"))
        .collect()
}

async fn change(file: &Path, sql: &str) {
    let pool = open(file).await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
}

#[tokio::test]
async fn a_backup_is_one_sound_file_that_holds_every_row() {
    let place = Place::with_record().await;
    let (files, rows) = (place.files(), rows_of(&place, "jetond.db").await);
    let ran = place.run("backup copy.db --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    let made = ran.json();
    assert_eq!(made["schema"], "jetond.backup/1");
    let said = &made["data"][0];
    let meta = std::fs::metadata(place.path("copy.db")).unwrap();
    assert_eq!(said["bytes"], meta.len());
    assert_eq!(
        (&said["tokens"], &said["mails"]),
        (&2.into(), &1.into()),
        "{said}"
    );
    assert_eq!(said["last_pass"], "2026-11-23T09:00:00+01:00");
    assert_eq!(meta.permissions().mode() & 0o777, 0o640);
    let mut with_copy = files.clone();
    with_copy.push("copy.db".to_owned());
    with_copy.sort();
    assert_eq!(place.files(), with_copy, "nothing else is left");

    // Proof changes nothing, needs no config, and says the same.
    let bytes = std::fs::read(place.path("copy.db")).unwrap();
    let ran = place.run("backup verify copy.db --json");
    assert_eq!((ran.code, &ran.json()), (0, &made));
    let ran = place.run("-c nowhere.toml --lang en backup verify copy.db");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("2026-11-23 08:00 UTC"), "{ran:?}");
    assert_eq!(std::fs::read(place.path("copy.db")).unwrap(), bytes);
    assert_eq!(place.files(), with_copy);
    assert_eq!(rows_of(&place, "copy.db").await, rows);
}

#[tokio::test]
async fn a_name_that_is_taken_is_replaced_only_when_asked_and_only_by_a_backup_over_a_backup() {
    let place = Place::with_record().await;
    assert_eq!(place.run("backup copy.db").code, 0);
    let bytes = std::fs::read(place.path("copy.db")).unwrap();
    let ran = place.run("backup copy.db --json");
    assert_eq!((ran.code, code_of(&ran).as_str()), (5, "exists"));
    place.pass(at("2026-11-30T09:00:00+01:00")).await;
    assert_eq!(std::fs::read(place.path("copy.db")).unwrap(), bytes);
    assert_eq!(place.run("backup copy.db --force").code, 0);
    assert_ne!(std::fs::read(place.path("copy.db")).unwrap(), bytes);

    // What is no backup stays, even so.
    let config = std::fs::read(place.path("config.toml")).unwrap();
    symlink("copy.db", place.path("link.db")).unwrap();
    std::fs::write(place.path("used.db"), &bytes).unwrap();
    std::fs::write(place.path("used.db-wal"), "frames").unwrap();
    for (file, code) in [
        ("config.toml", "not_a_backup"),
        ("link.db", "not_a_backup"),
        ("used.db", "not_a_backup"),
        ("outbox", "cannot_write"),
        ("nowhere/copy.db", "no_directory"),
        ("config.toml/copy.db", "no_directory"),
    ] {
        let ran = place.run(&format!("backup --force {file} --json"));
        assert_eq!((ran.code, code_of(&ran).as_str()), (5, code), "{ran:?}");
    }
    assert_eq!(std::fs::read(place.path("config.toml")).unwrap(), config);
    assert_eq!(std::fs::read(place.path("used.db")).unwrap(), bytes);
    assert!(place.path("link.db").is_symlink());
    for words in ["backup - --json", "backup verify -", "backup restore -"] {
        let ran = place.run(&format!("{words} --lang en"));
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("a backup is a file"), "{ran:?}");
    }
    for words in [
        "backup",
        "backup verify",
        "backup copy.db verify copy.db",
        "backup --force restore copy.db",
    ] {
        assert_eq!(place.run(words).code, 2, "{words}");
    }
}

#[tokio::test]
async fn the_store_is_no_place_for_its_own_backup_by_whatever_name() {
    let place = Place::with_record().await;
    assert_eq!(place.run("backup copy.db").code, 0);
    std::fs::create_dir(place.path("sub")).unwrap();
    symlink("jetond.db", place.path("link.db")).unwrap();
    symlink(".", place.path("here")).unwrap();
    std::fs::hard_link(place.store(), place.path("hard.db")).unwrap();
    let bytes = std::fs::read(place.store()).unwrap();
    for name in [
        "jetond.db",
        "./jetond.db",
        "sub/../jetond.db",
        "here/jetond.db",
        "link.db",
        "hard.db",
        "jetond.db-wal",
        "here/jetond.db-journal",
        "jetond.db.lock",
    ] {
        for words in ["backup", "backup --force"] {
            let ran = place.run(&format!("{words} {name} --json"));
            assert_eq!((ran.code, code_of(&ran).as_str()), (5, "is_the_store"));
        }
    }
    for name in ["jetond.db", "here/jetond.db", "link.db", "hard.db"] {
        let ran = place.run(&format!("backup restore {name} --json"));
        assert_eq!((ran.code, code_of(&ran).as_str()), (5, "is_the_store"));
    }
    assert_eq!(std::fs::read(place.store()).unwrap(), bytes);
}

#[test]
fn without_a_store_there_is_nothing_to_copy() {
    let place = Place::new();
    let ran = place.run("backup copy.db --json");
    assert_eq!((ran.code, code_of(&ran).as_str()), (8, "store_missing"));
    std::fs::write(place.store(), "").unwrap();
    let ran = place.run("backup copy.db --json");
    assert_eq!((ran.code, code_of(&ran).as_str()), (8, "store_older"));
    assert_eq!(place.files(), ["config.toml", "jetond.db"]);
}

#[tokio::test]
async fn what_is_no_sound_backup_is_told_and_restored_by_nobody() {
    let place = Place::with_record().await;
    assert_eq!(place.run("backup copy.db").code, 0);
    let sound = std::fs::read(place.path("copy.db")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(place.path(name), bytes).unwrap();
    write("notes.txt", b"remember the milk");
    write("short.txt", b"x");
    write("empty", b"");
    write("zeros", &[0; 8192]);
    write("half.db", &sound[..sound.len() / 2]);
    write("pages.db", &sound[..4096 * 3]);
    write("header.db", &sound[..100]);
    write("used.db", &sound);
    write("used.db-wal", b"frames");
    write("crashed.db", &sound);
    write("crashed.db-journal", b"pages");
    let mut page = sound.clone();
    page[4096 * 4..4096 * 5].fill(0x5a);
    write("page.db", &page);
    for (name, sql) in [
        ("other.db", ""),
        (
            "newer.db",
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
            SELECT 999, 'later', 1, checksum, 1 FROM _sqlx_migrations LIMIT 1",
        ),
        (
            "step.db",
            "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1",
        ),
        ("gap.db", "DELETE FROM _sqlx_migrations WHERE version = 1"),
        (
            "dirty.db",
            "UPDATE _sqlx_migrations SET success = 0 WHERE version = 2",
        ),
        ("table.db", "DROP TABLE attempt"),
        ("column.db", "ALTER TABLE mail DROP COLUMN subject"),
        (
            "dangling.db",
            "PRAGMA foreign_keys = OFF; UPDATE period SET token = token + 99",
        ),
    ] {
        if name != "other.db" {
            write(name, &sound);
            change(&place.path(name), sql).await;
        }
    }
    let other = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(place.path("other.db"))
        .create_if_missing(true);
    let other = sqlx::SqlitePool::connect_with(other).await.unwrap();
    sqlx::query("CREATE TABLE invoice (no)")
        .execute(&other)
        .await
        .unwrap();
    other.close().await;

    let (bytes, files) = (std::fs::read(place.store()).unwrap(), place.files());
    for (name, exit, code, words) in [
        ("config.toml", 8, "backup_unsound", "not an SQLite database"),
        ("notes.txt", 8, "backup_unsound", "not an SQLite database"),
        ("short.txt", 8, "backup_unsound", "not an SQLite database"),
        ("zeros", 8, "backup_unsound", "not an SQLite database"),
        ("empty", 8, "backup_unsound", "it is empty"),
        ("outbox", 8, "backup_unsound", "not a file"),
        ("half.db", 8, "backup_unsound", "damaged"),
        ("pages.db", 8, "backup_unsound", "damaged"),
        ("header.db", 8, "backup_unsound", "damaged"),
        ("page.db", 8, "backup_unsound", "damaged"),
        ("used.db", 8, "backup_unsound", "a log lies beside it"),
        ("crashed.db", 8, "backup_unsound", "a log lies beside it"),
        ("other.db", 8, "backup_unsound", "not a store of jetond"),
        ("table.db", 8, "backup_unsound", "not a store of jetond"),
        ("column.db", 8, "backup_unsound", "not a store of jetond"),
        ("step.db", 8, "backup_unsound", "step 1 of its schema"),
        ("gap.db", 8, "backup_unsound", "of its schema"),
        ("dirty.db", 8, "backup_unsound", "step 2 of its schema"),
        ("dangling.db", 8, "backup_unsound", "`notice` refer"),
        ("newer.db", 8, "backup_newer", "later version"),
        ("nowhere.db", 4, "not_found", "there is no file"),
    ] {
        for act in ["verify", "restore -n", "restore"] {
            let ran = place.run(&format!("backup {act} {name} --json --lang en"));
            assert_eq!(ran.code, exit, "{act} {name}: {ran:?}");
            assert_eq!(code_of(&ran), code, "{act} {name}: {ran:?}");
            assert!(ran.err.contains(words), "{act} {name}: {ran:?}");
            assert!(ran.err.contains("help: "), "{act} {name}: {ran:?}");
        }
    }
    assert_eq!(std::fs::read(place.store()).unwrap(), bytes);
    assert_eq!(place.files(), files, "nothing is left behind");
}

#[tokio::test]
async fn no_damage_makes_verify_fall_over() {
    let place = Place::with_record().await;
    assert_eq!(place.run("backup copy.db").code, 0);
    let sound = std::fs::read(place.path("copy.db")).unwrap();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    let mut told = 0;
    for n in 0..40 {
        let mut bytes = sound.clone();
        match n % 4 {
            0 => bytes.truncate(16 + draw(sound.len() - 16)),
            1 => bytes[16 + draw(84)] ^= 0xff,
            2 => bytes[4096 * (1 + draw(sound.len() / 4096 - 1))..][..512].fill(0x33),
            _ => (0..200).for_each(|_| {
                let place = 100 + draw(sound.len() - 100);
                bytes[place] ^= 1 << draw(8);
            }),
        }
        std::fs::write(place.path("bad.db"), &bytes).unwrap();
        let ran = place.run("backup verify bad.db --json");
        assert!([0, 8].contains(&ran.code), "{n}: {ran:?}");
        told += usize::from(ran.code == 8);
        assert_eq!(std::fs::read(place.path("bad.db")).unwrap(), bytes, "{n}");
    }
    assert!(told >= 25, "{told} of 40");
}
