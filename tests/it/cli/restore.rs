//! `backup restore`: what is in the store's place afterwards, whatever was there, and whenever
//! the program is killed on the way.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cli::place::{Place, Ran, at, open};

/// A place whose store had a pass after its backup `copy.db` was made.
async fn gone_on() -> Place {
    let place = Place::with_record().await;
    assert_eq!(place.run("backup copy.db").code, 0);
    place.pass(at("2026-11-30T09:00:00+01:00")).await;
    place
}

/// The stores that were set aside.
fn aside(place: &Place) -> Vec<PathBuf> {
    let names = place.files().into_iter();
    names
        .filter(|n| n.starts_with("jetond.db.replaced-") && !n.ends_with("-wal"))
        .map(|n| place.path(&n))
        .collect()
}

/// The rows of a file, but those that a restore writes.
async fn rows(place: &Place, file: &std::path::Path) -> BTreeSet<String> {
    let rows = place.dump_of(file).await.into_iter();
    rows.filter(|r| !r.contains("store_restored") && !r.starts_with("_sqlx"))
        .collect()
}

#[tokio::test]
async fn the_copy_takes_the_place_of_the_store_which_is_set_aside() {
    let place = gone_on().await;
    let (old, copy) = (
        rows(&place, &place.store()).await,
        rows(&place, &place.path("copy.db")).await,
    );
    assert_ne!(old, copy);
    let files = place.files();
    let bytes = std::fs::read(place.store()).unwrap();

    let ran = place.run("backup restore -n copy.db --lang en --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["data"][0]["dry_run"], true);
    let ran = place.run("backup restore -n copy.db --lang en");
    assert!(ran.err.contains("nothing was changed"), "{ran:?}");
    assert_eq!(place.files(), files);
    assert_eq!(std::fs::read(place.store()).unwrap(), bytes);

    let ran = place.run("backup restore copy.db --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    let row = &ran.json()["data"][0];
    assert_eq!(row["last_pass"], "2026-11-23T09:00:00+01:00");
    assert_eq!(
        (&row["tokens"], &row["was_damaged"]),
        (&2.into(), &false.into())
    );
    let set_aside = aside(&place);
    assert_eq!(set_aside.len(), 1);
    assert_eq!(row["set_aside"], set_aside[0].to_str().unwrap());
    assert_eq!(rows(&place, &place.store()).await, copy);
    assert_eq!(rows(&place, &set_aside[0]).await, old);
    assert_eq!(std::fs::metadata(&set_aside[0]).unwrap().nlink(), 1);
    let history = place.run("history --lang en").out;
    assert!(
        history.contains("store restored from the backup copy.db (last pass: 2026-11-23)"),
        "{history}"
    );
    // And back: what was set aside is a backup like another.
    let name = set_aside[0].to_str().unwrap();
    let ran = place.run(&format!("backup restore {name}"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(rows(&place, &place.store()).await, old);
    assert_eq!(aside(&place).len(), 2, "nothing is ever deleted");
    assert_eq!(place.run("run --once").code, 0);
}

#[tokio::test]
async fn a_daemon_that_runs_is_left_alone() {
    let place = gone_on().await;
    let bytes = std::fs::read(place.store()).unwrap();
    let lock = std::fs::File::create(place.path("jetond.db.lock")).unwrap();
    lock.lock().unwrap();
    for words in ["backup restore copy.db", "backup restore copy.db -n"] {
        let ran = place.run(&format!("{words} --json"));
        assert_eq!(ran.code, 5, "{ran:?}");
        assert_eq!(ran.json()["error"]["code"], "second_sender");
    }
    // A copy can be made all the same.
    assert_eq!(place.run("backup second.db").code, 0);
    assert!(aside(&place).is_empty());
    assert_eq!(std::fs::read(place.store()).unwrap(), bytes);
}

#[tokio::test]
async fn a_store_that_somebody_reads_or_writes_is_not_taken_from_under_them() {
    let place = gone_on().await;
    let pool = open(&place.store()).await;
    let mut reader = pool.acquire().await.unwrap();
    sqlx::query("BEGIN").execute(&mut *reader).await.unwrap();
    sqlx::query("SELECT count(*) FROM token")
        .execute(&mut *reader)
        .await
        .unwrap();
    let ran = place.run("backup restore copy.db --json");
    assert_eq!(ran.code, 8, "{ran:?}");
    assert_eq!(ran.json()["error"]["code"], "store_busy");
    sqlx::query("COMMIT").execute(&mut *reader).await.unwrap();
    drop(reader);
    pool.close().await;
    assert!(aside(&place).is_empty());
    assert_eq!(place.run("backup restore copy.db").code, 0);
}

/// A store with a commit that is still in its log, as a power cut leaves it.
async fn with_log(place: &Place) {
    let pool = open(&place.store()).await;
    sqlx::query("UPDATE token SET name = 'only in the log'")
        .execute(&pool)
        .await
        .unwrap();
    let read = |name: &str| std::fs::read(place.path(name)).unwrap();
    let (file, log) = (read("jetond.db"), read("jetond.db-wal"));
    pool.close().await;
    assert!(!log.is_empty());
    std::fs::write(place.store(), file).unwrap();
    std::fs::write(place.path("jetond.db-wal"), log).unwrap();
}

#[tokio::test]
async fn a_log_stays_with_its_store_and_never_gets_into_the_new_one() {
    // Folded into the store that is set aside.
    let place = gone_on().await;
    let copy = rows(&place, &place.path("copy.db")).await;
    with_log(&place).await;
    assert_eq!(place.run("backup restore copy.db").code, 0);
    assert_eq!(rows(&place, &place.store()).await, copy);
    let old = rows(&place, &aside(&place)[0]).await;
    assert!(old.iter().any(|r| r.contains("only in the log")));
    assert!(!place.path("jetond.db-wal").exists());

    // Beside a store that nobody can open: set aside with it.
    let place = gone_on().await;
    with_log(&place).await;
    let log = std::fs::read(place.path("jetond.db-wal")).unwrap();
    std::fs::write(place.store(), b"not a database at all".repeat(500)).unwrap();
    let ran = place.run("backup restore copy.db --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["data"][0]["was_damaged"], true);
    assert_eq!(rows(&place, &place.store()).await, copy);
    let kept = aside(&place).remove(0);
    assert!(std::fs::read(&kept).unwrap().starts_with(b"not a database"));
    let kept = kept.to_str().unwrap().to_owned() + "-wal";
    assert_eq!(std::fs::read(kept).unwrap(), log);

    // Left behind by a store that is gone.
    let place = gone_on().await;
    with_log(&place).await;
    std::fs::remove_file(place.store()).unwrap();
    assert_eq!(place.run("backup restore copy.db").code, 0);
    assert_eq!(rows(&place, &place.store()).await, copy);
    assert!(!place.path("jetond.db-wal").exists());

    // No store at all.
    let place = gone_on().await;
    std::fs::remove_file(place.store()).unwrap();
    let ran = place.run("backup restore copy.db --json");
    assert_eq!(
        (ran.code, &ran.json()["data"][0]["set_aside"]),
        (0, &().into())
    );
    assert_eq!(rows(&place, &place.store()).await, copy);
    assert_eq!(place.run("run --once").code, 0);
}

#[tokio::test]
async fn the_new_store_belongs_to_the_user_of_the_old_one() {
    let place = gone_on().await;
    let (user, group) = (4711, 4712);
    if std::os::unix::fs::chown(place.store(), Some(user), Some(group)).is_err() {
        // Only root can give files away.
        return;
    }
    let lock = place.path("jetond.db.lock");
    assert!(!lock.exists());
    assert_eq!(place.run("backup restore copy.db").code, 0);
    for file in [place.store(), lock.clone()] {
        let meta = std::fs::metadata(file).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (user, group));
    }
    assert_eq!(
        std::fs::metadata(place.store()).unwrap().mode() & 0o777,
        0o640
    );
    // Without an old one, the user of the directory.
    std::fs::remove_file(place.store()).unwrap();
    std::os::unix::fs::chown(place.root(), Some(user), Some(group)).unwrap();
    assert_eq!(place.run("backup restore copy.db").code, 0);
    assert_eq!(std::fs::metadata(place.store()).unwrap().uid(), user);
}

/// The program under strace, killed at the `n`-th of these system calls; `None` when it came to
/// its end before that.
fn killed_at(place: &Place, call: &str, n: usize, words: &str) -> Option<Ran> {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .arg("-e")
        .arg(format!("inject={call}:signal=SIGKILL:when={n}"))
        .arg(env!("CARGO_BIN_EXE_jetond"))
        .args(words.split(' '))
        .current_dir(place.root())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let ran = Ran::of(&mut command);
    (ran.code != 0).then_some(ran)
}

fn can_trace() -> bool {
    Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "true"])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|o| o.status.success())
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_the_old_store_or_the_new_one() {
    if !can_trace() {
        return;
    }
    let place = gone_on().await;
    let (old, new) = (
        rows(&place, &place.store()).await,
        rows(&place, &place.path("copy.db")).await,
    );
    let old_bytes = std::fs::read(place.store()).unwrap();
    let (mut kills, mut olds, mut news) = (0, 0, 0);
    // Where names and durable bytes change, each; elsewhere, some.
    for (call, step) in [
        ("linkat,link", 1),
        ("rename,renameat,renameat2", 1),
        ("unlink,unlinkat", 1),
        ("fsync,fdatasync", 1),
        ("ftruncate", 1),
        ("pwrite64", 2),
        ("openat", 3),
        ("close", 3),
        ("fcntl", 5),
        ("copy_file_range", 1),
        ("fchmodat,chmod,fchmod,fchown,chown", 1),
    ] {
        for n in (1..200).step_by(step) {
            // Every time from a store with a log, as after a power cut.
            for file in place.files() {
                if file.starts_with("jetond.db") || file.starts_with(".jetond.db") {
                    std::fs::remove_file(place.path(&file)).unwrap();
                }
            }
            std::fs::write(place.store(), &old_bytes).unwrap();
            with_log(&place).await;
            let Some(killed) = killed_at(&place, call, n, "backup restore copy.db") else {
                break;
            };
            assert_eq!(killed.code, -1, "{call} {n}: {killed:?}");
            kills += 1;
            assert!(place.store().exists(), "{call} {n}: {:?}", place.files());
            // What the next start finds.
            let ran = place.run("list --all");
            assert_eq!(ran.code, 0, "{call} {n}: {ran:?}");
            let found = rows(&place, &place.store()).await;
            let is_old = found.iter().any(|r| r.contains("only in the log"));
            if is_old {
                olds += 1;
                assert_eq!(found.len(), old.len(), "{call} {n}");
            } else {
                news += 1;
                assert_eq!(found, new, "{call} {n}");
            }
            // Tried again it ends well, and the old store is kept under one name or another.
            let ran = place.run("backup restore copy.db");
            assert_eq!(ran.code, 0, "{call} {n}: {ran:?}");
            assert_eq!(rows(&place, &place.store()).await, new, "{call} {n}");
            let mut kept = 0;
            for file in aside(&place) {
                assert_eq!(std::fs::metadata(&file).unwrap().nlink(), 1, "{call} {n}");
                let rows = rows(&place, &file).await;
                kept += usize::from(rows.iter().any(|r| r.contains("only in the log")));
            }
            assert_eq!(kept, 1, "{call} {n}: {:?}", place.files());
            assert!(!place.files().iter().any(|f| f.ends_with(".part")));
        }
    }
    assert!(kills > 40, "{kills}, {olds} old, {news} new");
    assert!(olds > 20 && news > 0, "{olds} old, {news} new");
}
