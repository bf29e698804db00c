//! A store of an earlier schema: copied, proved, brought up to date; killed on the way, out of
//! room, or not to be written, it stays what it was.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
use sqlx::{AssertSqlSafe, SqlStr};

use crate::cli::place::{Place, open};
use crate::cli::room::with_mounts;

/// The last pass on record in an old store, and what a copy of it is called.
const LAST_PASS: i64 = 1_795_420_800;
/// The version of the schema that this program writes.
const LATEST: i64 = 7;
const KEPT: &str = "jetond.db.before-7.20261123T080000Z";

/// Every third mail is in doubt, not to be looked at again before 2100.
const MAILS: &str = "INSERT INTO mail (message_id, kind, cause, recipient, address, state, urgency, created_at, \
       next_at, fence, doubts, doubt_at, content, carried, settled_at, reply, subject, note) \
     WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $1) \
     SELECT 'm' || n || '@ville.example', 'note_test', 'c' || n, 'dsi@ville.example', 'dsi@ville.example', \
       iif(n % 3, 'sent', 'in_doubt'), 0, 1795400000, iif(n % 3, NULL, 4102444800), 1, iif(n % 3, 0, 1), 1795400000, \
       iif(n % 3, NULL, CAST(replace(printf('%.*c', 500, 'x'), 'x', n || x'0d0a') AS BLOB)), 0, \
       iif(n % 3, 1795400000, NULL), 'ok', 'subject ' || n, \
       '{\"subject\":{\"en\":\"s\",\"fr\":\"s\"},\"body\":[],\"language\":\"fr\"}' FROM n";

/// A store of schema 1, made by its migration alone, with so many mails.
async fn old_store(path: &Path, mails: i64) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let first = include_str!("../../../migrations/0001_initial.sql");
    let first = Migration::new(
        1,
        "initial".into(),
        MigrationType::Simple,
        SqlStr::from_static(first),
        false,
    );
    Migrator::with_migrations(vec![first])
        .run(&pool)
        .await
        .unwrap();
    if mails > 0 {
        sqlx::query(MAILS).bind(mails).execute(&pool).await.unwrap();
        sqlx::query("INSERT INTO setting VALUES ('last_pass', $1)")
            .bind(LAST_PASS.to_string())
            .execute(&pool)
            .await
            .unwrap();
    }
    pool.close().await;
}

async fn one(path: &Path, sql: &str) -> i64 {
    let pool = open(path).await;
    let found = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_one(&pool)
        .await;
    pool.close().await;
    found.unwrap()
}

async fn schema(path: &Path) -> i64 {
    one(path, "SELECT max(version) FROM _sqlx_migrations").await
}

/// The number of mails in doubt whose bytes are what they were.
async fn in_doubt_with_their_bytes(path: &Path) -> i64 {
    let (from, content) = match schema(path).await {
        1 => ("mail m", "m.content"),
        _ => ("mail m JOIN body b ON b.mail = m.no", "b.content"),
    };
    let sql = format!(
        "SELECT count(*) FROM {from} WHERE m.state = 'in_doubt' AND m.no % 3 = 0 AND {content} = \
         CAST(replace(printf('%.*c', 500, 'x'), 'x', m.no || x'0d0a') AS BLOB)"
    );
    one(path, &sql).await
}

/// The copies made before a migration.
fn kept(place: &Place) -> Vec<String> {
    let names = place.files().into_iter();
    names
        .filter(|n| n.starts_with("jetond.db.before-"))
        .collect()
}

#[tokio::test]
async fn an_old_store_is_copied_and_brought_up_to_date_with_every_byte() {
    let place = Place::new();
    old_store(&place.store(), 90).await;
    let rows = place.dump().await;
    let bytes = std::fs::read(place.store()).unwrap();
    // Who only reads says so, and touches nothing; but a copy can be made of it.
    for words in ["list", "outbox release"] {
        let ran = place.run(&format!("{words} --json"));
        assert_eq!(
            (ran.code, &ran.json()["error"]["code"]),
            (8, &"store_older".into())
        );
    }
    assert_eq!(
        place.run("backup first.db --json").json()["data"][0]["schema"],
        1
    );
    assert_eq!(std::fs::read(place.store()).unwrap(), bytes);

    let ran = place.run("run --once --lang en");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains(KEPT), "it says where: {}", ran.err);
    assert_eq!(schema(&place.store()).await, LATEST);
    assert_eq!(in_doubt_with_their_bytes(&place.store()).await, 30);
    // On some days a reminder leaves with that pass.
    let bodies =
        "SELECT count(*) FROM body b JOIN mail m ON m.no = b.mail WHERE m.kind = 'note_test'";
    assert_eq!(one(&place.store(), bodies).await, 30);
    assert_eq!(kept(&place), [KEPT]);
    assert_eq!(place.dump_of(&place.path(KEPT)).await, rows);
    let ran = place.run(&format!("backup verify {KEPT} --json"));
    assert_eq!((ran.code, &ran.json()["data"][0]["schema"]), (0, &1.into()));
    // In doubt, it goes on with the bytes it had.
    let shown = place.run("outbox show 3 --eml").out;
    assert_eq!(shown, "3\r\n".repeat(500));

    // The way back: the old copy is brought up to date on its own.
    let ran = place.run(&format!("backup restore {KEPT} --json"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["data"][0]["schema_now"], LATEST);
    assert_eq!(in_doubt_with_their_bytes(&place.store()).await, 30);
    assert_eq!(place.run("list").code, 0);
    assert_eq!(
        kept(&place),
        [KEPT],
        "restoring is no migration of the store"
    );
}

#[tokio::test]
async fn the_last_three_copies_are_kept_and_the_same_bytes_once() {
    let place = Place::new();
    let foreign = ["jetond.db.before-holidays", "jetond.db.before-2.tar"];
    for name in foreign {
        std::fs::write(place.path(name), "mine").unwrap();
    }
    old_store(&place.store(), 9).await;
    let bytes = std::fs::read(place.store()).unwrap();
    // An earlier start that failed, then one on another state of the same instant.
    for _ in 0..2 {
        std::fs::write(place.store(), &bytes).unwrap();
        assert_eq!(place.run("run --once").code, 0);
        assert_eq!(kept(&place).len(), 3);
    }
    for (n, name) in ["", "-2", "-3", "-4"].iter().enumerate().skip(1) {
        std::fs::write(place.store(), &bytes).unwrap();
        let pool = open(&place.store()).await;
        let sql = format!("UPDATE mail SET reply = 'state {n}'");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
        assert_eq!(place.run("run --once").code, 0);
        assert!(
            kept(&place).contains(&format!("{KEPT}{name}")),
            "{:?}",
            kept(&place)
        );
        // Each a day after the one before it.
        let made = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * n as u64);
        let file = std::fs::File::options()
            .write(true)
            .open(place.path(&format!("{KEPT}{name}")));
        file.unwrap().set_modified(made).unwrap();
        if n == 1 {
            let first = std::fs::File::options()
                .write(true)
                .open(place.path(KEPT))
                .unwrap();
            first.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
    }
    let mut left = foreign.map(str::to_owned).to_vec();
    left.extend(["-2", "-3", "-4"].map(|n| format!("{KEPT}{n}")));
    left.sort();
    assert_eq!(kept(&place), left);
    for name in foreign {
        assert_eq!(std::fs::read_to_string(place.path(name)).unwrap(), "mine");
    }
    // A store in which nothing has happened is not worth a copy.
    let place = Place::new();
    old_store(&place.store(), 0).await;
    assert_eq!(place.run("run --once").code, 0);
    assert!(kept(&place).is_empty());
}

/// The bytes in the store, its log, and the copies in the making.
fn written(place: &Place) -> u64 {
    let entries = std::fs::read_dir(place.root()).unwrap();
    let sizes = entries.filter_map(|e| {
        let entry = e.ok()?;
        let ours = entry
            .file_name()
            .to_str()?
            .trim_start_matches('.')
            .starts_with("jetond.db");
        Some(if ours {
            entry.metadata().ok()?.len()
        } else {
            0
        })
    });
    sizes.sum()
}

#[tokio::test]
async fn a_migration_that_is_killed_leaves_the_old_store_or_the_new_one() {
    const MAILS: i64 = 15_000;
    const KILLS: u64 = 14;
    let place = Place::new();
    old_store(&place.store(), MAILS).await;
    let bytes = std::fs::read(place.store()).unwrap();
    let size = bytes.len() as u64;
    let (mut killed, mut olds, mut news, mut copied) = (0, 0, 0, 0);
    for n in 0..KILLS {
        for name in place.files() {
            if name.trim_start_matches('.').starts_with("jetond.db") {
                std::fs::remove_file(place.path(&name)).unwrap();
            }
        }
        std::fs::write(place.store(), &bytes).unwrap();
        // The store, then its copy grows beside it, then the log of the migration.
        let enough = size + 1 + size * n * 5 / (KILLS * 2);
        let mut child = place
            .command(&["run", "--once"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        while written(&place) < enough && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        killed += u64::from(running);

        // Whatever has its own name is whole.
        for name in kept(&place) {
            let ran = place.run(&format!("backup verify {name} --json"));
            assert_eq!(
                (ran.code, &ran.json()["data"][0]["schema"]),
                (0, &1.into()),
                "{n}"
            );
            copied += 1;
        }
        let found = schema(&place.store()).await;
        assert!(found == LATEST || running, "{n}: it ended by itself");
        match found {
            1 => olds += 1,
            _ => news += 1,
        }
        let sound = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'";
        assert_eq!(one(&place.store(), sound).await, 0, "{n}");
        assert_eq!(
            in_doubt_with_their_bytes(&place.store()).await,
            MAILS / 3,
            "{n}"
        );
        let body = "SELECT count(*) FROM sqlite_schema WHERE name = 'body'";
        let has_bodies = i64::from(found > 1);
        assert_eq!(one(&place.store(), body).await, has_bodies, "{n}");

        // The next start ends what was begun, and clears what was left.
        let ran = place.run("run --once");
        assert_eq!(ran.code, 0, "{n}: {ran:?}");
        assert_eq!(schema(&place.store()).await, LATEST);
        assert_eq!(
            in_doubt_with_their_bytes(&place.store()).await,
            MAILS / 3,
            "{n}"
        );
        assert_eq!(kept(&place), [KEPT], "{n}");
        assert!(!place.files().iter().any(|f| f.contains(".part")), "{n}");
    }
    assert!(killed >= KILLS / 2, "{killed} killed");
    assert!(
        olds > 2 && copied > 2,
        "{olds} old, {news} new, {copied} copied"
    );
}

#[tokio::test]
async fn without_room_the_old_store_stays_what_it_is() {
    let place = Place::new();
    old_store(&place.store(), 3000).await;
    let rows = place.dump().await;
    // Room for neither; for the copy only.
    for (factor, copies) in [(0, 0), (2, 1)] {
        let lines = format!(
            r#"
            size=$(($(stat -c %s jetond.db) / 1024))
            mkdir -p disk && mount -t tmpfs -o size=$((size + 200 + size * {factor} * 55 / 100))k tmpfs disk
            cp jetond.db disk/jetond.db
            sed -i 's/sqlite:jetond.db/sqlite:disk\/jetond.db/' config.toml
            for try in 1 2; do "$0" run --once --json --lang en; echo "code $?"; done
            ls -A disk | grep -c before-
            ls -A disk | grep part
            "$0" list --json | grep -o store_older
            cp disk/jetond.db* .
            sed -i 's/disk.jetond.db/jetond.db/' config.toml
            rm -rf jetond.db.lock
            "#
        );
        let Some(ran) = with_mounts(&place, &lines) else {
            return;
        };
        assert_eq!(
            ran.out.matches("\"code\":\"disk_full\"").count(),
            2,
            "{ran:?}"
        );
        assert_eq!(ran.out.matches("code 8\n").count(), 2, "{ran:?}");
        assert!(
            ran.out.contains(&format!("\n{copies}\n")),
            "{factor}: {ran:?}"
        );
        assert!(
            ran.out.ends_with("store_older\n") && !ran.out.contains("part"),
            "{ran:?}"
        );
        assert!(ran.err.contains("free some space"), "{ran:?}");
        // The old program finds its own schema and every row.
        assert_eq!(schema(&place.store()).await, 1);
        assert_eq!(place.dump().await, rows);
        assert_eq!(in_doubt_with_their_bytes(&place.store()).await, 1000);
    }
    // With room it goes on where it stood.
    assert_eq!(place.run("run --once").code, 0);
    assert_eq!(schema(&place.store()).await, LATEST);
}

#[tokio::test]
async fn what_cannot_be_written_is_not_migrated() {
    let place = Place::new();
    old_store(&place.store(), 30).await;
    let bytes = std::fs::read(place.store()).unwrap();
    let lines = r#"
        mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" || exit 99
        "$0" run --once --json --lang en; echo "run $?"
        "$0" backup copy.db --json --lang en; echo "backup $?"
        "$0" backup /dev/shm/jetond-test-$$.db --json; echo "elsewhere $?"; rm /dev/shm/jetond-test-$$.db
    "#;
    let Some(ran) = with_mounts(&place, lines) else {
        return;
    };
    if ran.code == 99 {
        return;
    }
    assert!(
        ran.out.contains("store_read_only") && ran.out.contains("run 8"),
        "{ran:?}"
    );
    assert!(
        ran.out.contains("cannot_write") && ran.out.contains("backup 5"),
        "{ran:?}"
    );
    assert!(ran.out.contains("elsewhere 0"), "{ran:?}");
    assert_eq!(std::fs::read(place.store()).unwrap(), bytes);
    assert!(kept(&place).is_empty());
}

#[tokio::test]
async fn a_backup_onto_a_full_disk_leaves_no_half_file_and_the_older_one() {
    let place = Place::with_record().await;
    // Room for one copy, and not for two.
    let room = std::fs::metadata(place.store()).unwrap().len() / 1024 + 24;
    let lines = r#"
        mkdir -p disk && mount -t tmpfs -o size=ROOMk tmpfs disk || exit 99
        "$0" backup disk/copy.db >/dev/null; echo "first $?"
        "$0" backup disk/more.db --json --lang en; echo "second $?"
        "$0" backup disk/copy.db --force --json; echo "again $?"
        "$0" backup verify disk/copy.db >/dev/null; echo "verify $?"
        ls -A disk
    "#
    .replace("ROOM", &room.to_string());
    let Some(ran) = with_mounts(&place, &lines) else {
        return;
    };
    for said in ["first 0", "second 5", "again 5", "verify 0"] {
        assert!(ran.out.contains(said), "{said}: {ran:?}");
    }
    assert_eq!(ran.out.matches("cannot_write").count(), 2, "{ran:?}");
    assert!(
        ran.err.contains("disk/more.db cannot be written"),
        "{ran:?}"
    );
    assert!(ran.out.ends_with("verify 0\ncopy.db\n"), "{ran:?}");
    // A store on such a disk cannot be restored there either, and stays.
    let lines = r#"
        mkdir -p disk && mount -t tmpfs -o size=ROOMk tmpfs disk || exit 99
        "$0" backup copy.db >/dev/null
        cp jetond.db disk/jetond.db
        sed -i 's/sqlite:jetond.db/sqlite:disk\/jetond.db/' config.toml
        "$0" backup restore copy.db --json; echo "restore $?"
        cmp jetond.db disk/jetond.db; echo "same $?"
        ls -A disk
    "#
    .replace("ROOM", &room.to_string());
    let ran = with_mounts(&place, &lines).unwrap();
    assert!(
        ran.out.contains("disk_full") && ran.out.contains("restore 8"),
        "{ran:?}"
    );
    assert!(
        ran.out.contains("same 0\njetond.db\njetond.db.lock\n"),
        "{ran:?}"
    );
}
