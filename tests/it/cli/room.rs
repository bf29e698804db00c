//! A disk without room, and one that cannot be written: what SQLite says there reaches the
//! person, nothing is sent and nothing is lost. The file systems are the test's own, in a mount
//! namespace that ends with the process; where that is not allowed, there is nothing to test.

use std::process::Command;

use crate::cli::place::{Place, Ran};

/// Runs shell lines in a mount namespace of their own; `None` where that is not allowed.
pub(super) fn with_mounts(place: &Place, lines: &str) -> Option<Ran> {
    let allowed = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output()
        .is_ok_and(|o| o.status.success());
    if !allowed {
        return None;
    }
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", lines, env!("CARGO_BIN_EXE_jetond")])
        .current_dir(place.root());
    Some(Ran::of(&mut command))
}

#[tokio::test]
async fn a_full_disk_ends_in_words_and_changes_nothing() {
    let place = Place::with_record().await;
    let rows = place.run("history --json").out;
    // The store moves to a file system that has a little room besides it, and back: too little
    // for the index of the log, then for that only.
    for room in [16, 40] {
        let lines = format!(
            r#"
            mkdir -p disk && mount -t tmpfs -o size=$((($(stat -c %s jetond.db) / 1024) + {room}))k tmpfs disk
            cp jetond.db disk/jetond.db
            sed -i 's/sqlite:jetond.db/sqlite:disk\/jetond.db/' config.toml
            echo '# changed' >> config.toml
            "$0" run --once --json --lang en; echo "code $?"
            "$0" list >/dev/null; echo "list $?"
            cp disk/jetond.db jetond.db; cp disk/jetond.db-wal . 2>/dev/null
            sed -i 's/disk.jetond.db/jetond.db/' config.toml
            "#
        );
        let Some(ran) = with_mounts(&place, &lines) else {
            return;
        };
        assert!(
            ran.out.contains("\"code\":\"disk_full\""),
            "{room}: {ran:?}"
        );
        assert!(ran.out.contains("code 8\n"), "{room}: {ran:?}");
        assert!(ran.out.contains("list 0\n"), "{room}: {ran:?}");
        assert!(ran.err.contains("free some space"), "{room}: {ran:?}");
        assert_eq!(place.run("history --json").out, rows, "{room}");
    }
}

#[test]
fn a_daemon_outlives_a_full_disk() {
    let place = Place::new();
    // Each step waits for what the daemon says; it looks at its file and makes a pass on SIGHUP.
    let lines = r#"
        mkdir -p disk && mount -t tmpfs -o size=900k tmpfs disk || exit 99
        sed -i 's/sqlite:jetond.db/sqlite:disk\/jetond.db/' config.toml
        says() {
            n=0
            until grep -q "$1" log; do
                n=$((n + 1)); [ $n -lt 600 ] || { echo "never said: $1"; cat log; exit 98; }
                sleep 0.05
            done
        }
        "$0" run --lang en 2>log & daemon=$!
        trap 'kill -9 $daemon 2>/dev/null' EXIT
        says watching
        dd if=/dev/zero of=disk/filler bs=1k count=2000 2>/dev/null
        printf '\n[[token]]\nid = "new"\nname = "N"\nexpires = 2030-12-07\nrecipients = ["a@ville.example"]\n' >>config.toml
        kill -HUP $daemon
        says "stays in force.*the disk is full"
        # Another write that fails, where even a small one finds no room.
        n=0; until grep -q "could not be kept" log || [ $n -ge 40 ]; do n=$((n + 1)); sleep 0.05; done
        rm disk/filler
        kill -HUP $daemon
        says "reloaded: +1 token"
        kill -TERM $daemon; wait $daemon; echo "ended $?"
        "$0" list --json
    "#;
    let Some(ran) = with_mounts(&place, lines) else {
        return;
    };
    if ran.code == 99 {
        return;
    }
    assert!(ran.out.contains("ended 0"), "{ran:?}");
    assert!(ran.out.contains("\"id\":\"new\""), "{ran:?}");
}

#[tokio::test]
async fn a_disk_that_is_read_only_can_be_read() {
    let place = Place::with_record().await;
    let (bytes, listed) = (
        std::fs::read(place.store()).unwrap(),
        place.run("list --all").out,
    );
    let lines = r#"
        mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" || exit 99
        "$0" list --all && "$0" simulate --to 2026-12-31 >/dev/null && "$0" status >/dev/null
        echo "read $?" >&2
        "$0" outbox release --lang en; echo "release $?" >&2
        "$0" run --once --lang en; echo "run $?" >&2
    "#;
    let Some(ran) = with_mounts(&place, lines) else {
        return;
    };
    if ran.code == 99 {
        return;
    }
    assert_eq!(ran.out, listed, "{ran:?}");
    assert!(
        ran.err.contains("release 8") && ran.err.contains("run 8"),
        "{ran:?}"
    );
    assert!(
        ran.err.contains("the store cannot be opened or written"),
        "{ran:?}"
    );
    assert_eq!(std::fs::read(place.store()).unwrap(), bytes);
}
