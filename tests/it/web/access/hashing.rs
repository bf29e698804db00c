//! `jetond hash-password`: from a pipe and from a terminal; what it prints lets its owner in, and
//! what was typed is shown nowhere.

use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};

use jetond::domain::password::PasswordHash;

use super::{Client, program};
use crate::support::program::{Program, Running, said};
use crate::web::own_address;

const SECRET: &str = "un cheval à pile correcte";

fn piped(input: &[u8], args: &[&str]) -> Output {
    let program = Program::new("");
    let mut child = program
        .command(&[&["hash-password"], args].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_prints_lets_its_owner_in() {
    let ran = piped(format!("{SECRET}\n").as_bytes(), &[]);
    assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
    let line = String::from_utf8(ran.stdout.clone()).unwrap();
    let hash = line.trim_end();
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    assert_eq!(line, format!("{hash}\n"), "one line, for a file");
    assert!(!said(&ran).contains(SECRET));
    assert!(PasswordHash::parse(hash).unwrap().fits(SECRET.as_bytes()));
    // Another time it is another one.
    assert_ne!(piped(SECRET.as_bytes(), &[]).stdout, ran.stdout);

    let at = own_address();
    let auth = format!("[web.auth]\nusers = [{{ name = \"c.martin\", password = \"{hash}\" }}]");
    let program = Program::new(&program::config(at, &auth));
    let running = Running::start(program.command(&["run"]));
    running.wait_for("watching");
    assert_eq!(Client::to(at).log_in("c.martin", SECRET).await.status, 303);
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}

#[test]
fn a_program_gets_it_as_json() {
    let ran = piped(SECRET.as_bytes(), &["--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(answer["schema"], "jetond.hash-password/1");
    let hash = answer["data"][0]["hash"].as_str().unwrap();
    assert!(PasswordHash::parse(hash).unwrap().fits(SECRET.as_bytes()));
}

#[test]
fn what_is_no_password_is_refused_with_words() {
    for (input, words) in [
        (&b""[..], "empty"),
        (b"\n", "empty"),
        (b"            \n", "empty"),
        (b"short\n", "12 characters at least; this one has 5"),
        (
            b"first line of two\nsecond line of two\n",
            "one line of text",
        ),
        (b"a null\0in the middle", "one line of text"),
        (b"not utf-8: \xff\xfe\xff\xfe", "one line of text"),
        (&[b'x'; 1_025], "1024 bytes at most"),
        (
            b"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTU0NTYwMDB9.c2lnbmF0dXJl\n",
            "text of a token",
        ),
    ] {
        let ran = piped(input, &["--lang", "en"]);
        assert_eq!(ran.status.code(), Some(5), "{input:?}: {}", said(&ran));
        assert!(said(&ran).contains(words), "{words} in {}", said(&ran));
        assert!(ran.stdout.is_empty());
    }
    let french = piped(b"court\n", &["--lang", "fr"]);
    assert!(said(&french).contains("au moins 12"), "{}", said(&french));
}

/// What a terminal shows while these lines are typed, each when it is asked for; `None` where
/// there is no `script`.
fn at_a_terminal(typed: &[&[u8]]) -> Option<String> {
    let place = tempfile::tempdir().unwrap();
    let line = format!(
        "'{}' --lang en hash-password; echo \"ended $?\"; stty -a",
        env!("CARGO_BIN_EXE_jetond")
    );
    let mut child = Command::new("script")
        .args(["-qc", &line, "/dev/null"])
        .current_dir(place.path())
        .env("TERM", "xterm")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut typed) = (Vec::new(), typed.iter());
    let mut asked = 0;
    let mut bytes = [0; 1024];
    loop {
        let n = screen.read(&mut bytes).unwrap();
        if n == 0 {
            break;
        }
        shown.extend_from_slice(&bytes[..n]);
        let text = String::from_utf8_lossy(&shown);
        let questions = text.matches("Password: ").count() + text.matches("Once more: ").count();
        while asked < questions {
            asked += 1;
            keyboard.write_all(typed.next().unwrap()).unwrap();
        }
        if text.contains("echo ") || text.contains("-echo") {
            break;
        }
    }
    drop(keyboard);
    let _status = child.wait().unwrap();
    let mut rest = Vec::new();
    screen.read_to_end(&mut rest).unwrap();
    shown.extend(rest);
    Some(String::from_utf8(shown).unwrap().replace('\r', ""))
}

#[test]
fn at_a_terminal_it_is_typed_twice_and_never_shown() {
    // Mistyped, taken back by a character of two bytes and by a whole line.
    let first = format!("nonsense\u{15}{SECRET}é\u{7f}\r");
    let twice = format!("{SECRET}\r");
    let Some(shown) = at_a_terminal(&[first.as_bytes(), twice.as_bytes()]) else {
        return;
    };
    let hash = shown.lines().find(|l| l.starts_with("$argon2id$"));
    let hash = hash.unwrap_or_else(|| panic!("{shown}"));
    assert!(PasswordHash::parse(hash).unwrap().fits(SECRET.as_bytes()));
    assert!(shown.contains("ended 0"), "{shown}");
    for secret in [SECRET, "nonsense", "cheval"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    for (typed, word) in [
        (
            [
                b"one thing typed here\r".as_slice(),
                b"another thing typed\r",
            ],
            "the two passwords differ",
        ),
        ([b"half a password\x03", b""], "no password was given"),
        ([b"\x04", b""], "no password was given"),
    ] {
        let shown = at_a_terminal(&typed).unwrap();
        assert!(shown.contains(word), "{word} in {shown}");
        assert!(shown.contains("ended 5"), "{shown}");
        // The terminal shows again what is typed.
        assert!(
            !shown.contains("-echo ") && shown.contains("isig"),
            "{shown}"
        );
        assert!(
            !shown.contains("typed") && !shown.contains("half"),
            "{shown}"
        );
    }
}
