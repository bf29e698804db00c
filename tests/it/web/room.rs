//! A disk without room under the record: an answer by a link is put off with 503, nothing of it
//! stays half done, and it is taken once there is room. The file system is the test's own.

use std::process::Command;

use super::HOST;
use super::links::links_to;
use super::run::own_address;
use crate::support::program::{Program, said};

const CAMILLE: &str = "c.martin@ville.example";

/// Each step waits for what the daemon says or answers.
const LINES: &str = r#"
    mkdir disk && mount -t tmpfs -o size=900k tmpfs disk || exit 99
    cp -p jetond.db jetond.db.keys disk/
    sed -i 's/sqlite:jetond.db/sqlite:disk\/jetond.db/' config.toml
    answer() {
        exec 3<>/dev/tcp/$ADDRESS/8080 || return
        printf 'POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n%s' "$LINK" ${#1} "$1" >&3
        tr -d '\r' <&3 | sed '/^$/q'
        exec 3>&-
    }
    "$0" run 2>log & daemon=$!
    trap 'kill -9 $daemon 2>/dev/null' EXIT
    n=0; until grep -q watching log; do n=$((n + 1)); [ $n -lt 600 ] || { cat log; exit 98; }; sleep 0.05; done
    dd if=/dev/zero of=disk/filler bs=1k count=2000 2>/dev/null
    # The log has room for a few more, where it was longer once.
    n=0; until full=$(answer say=yes) && [[ $full == *" 503 "* ]]; do
        n=$((n + 1)); [ $n -lt 200 ] || { echo "never full: $full"; exit 97; }
        answer say=no >/dev/null
    done
    echo "$full"
    rm disk/filler
    echo "undone: $(answer say=no | head -n 1)"
    echo "then: $(answer say=yes | head -n 1)"
    kill -TERM $daemon; wait $daemon; echo "ended $?"
    "$0" history --json
"#;

#[test]
fn a_full_disk_puts_an_answer_off_and_loses_nothing() {
    // Where mounting is not allowed there is nothing to test.
    let mounts = ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    if !Command::new("unshare")
        .args(mounts)
        .status()
        .is_ok_and(|s| s.success())
    {
        return;
    }
    let at = own_address();
    let end = jetond::clock::now().date_naive() + chrono::Days::new(60);
    let program = Program::new(&format!(
        "contact = \"dsi@ville.example\"\n[store]\nurl = \"sqlite:jetond.db\"\n\
         [schedule]\nwindow = \"00:00-24:00\"\n[mail]\nfrom = \"j@ville.example\"\n\
         [web]\nlisten = \"{at}\"\npublic_url = \"https://{HOST}\"\n\
         [[token]]\nid = \"t\"\nname = \"T\"\nexpires = {end}\nrecipients = [\"{CAMILLE}\"]\n"
    ));
    let once = program.command(&["run", "--once"]).output().unwrap();
    assert_eq!(once.status.code(), Some(0), "{}", said(&once));
    let links = links_to(&program.place().join("outbox"), CAMILLE);
    let filed = links.iter().find(|l| l.ends_with("/filed")).unwrap();
    let ran = Command::new("unshare")
        .args(["-m", "bash", "-c", LINES, env!("CARGO_BIN_EXE_jetond")])
        .current_dir(program.place())
        .env(
            "LINK",
            filed.strip_prefix(&format!("https://{HOST}")).unwrap(),
        )
        .env("ADDRESS", at.ip().to_string())
        .output()
        .unwrap();
    let told = said(&ran);
    for word in ["retry-after: 30", "then: HTTP/1.1 303", "ended 0"] {
        assert!(told.contains(word), "{word} in {told}");
    }
    let filings = told.matches("\"what\":\"filed\"").count();
    let undone = told.matches("\"what\":\"filed_undone\"").count();
    assert_eq!(filings, undone + 1, "{told}");
}
