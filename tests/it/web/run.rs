//! The web server of the real program: where it listens, what a start, a reload, a check and a
//! stop say of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::support::http_client::{heard, request, talk};
use crate::support::program::{Program, Running, said};

/// An address of this machine that no other test has: all of 127.0.0.0/8 is loopback.
pub(crate) fn own_address() -> SocketAddr {
    let id = std::process::id();
    let thread = format!("{:?}", std::thread::current().id());
    let n = thread
        .bytes()
        .fold(id, |n, b| n.wrapping_mul(31).wrapping_add(b.into()));
    let [_, a, b, c] = n.to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, a | 1, b, c | 1), 8080))
}

fn config(web: &str) -> String {
    format!(
        "language = \"en\"\ncontact = \"dsi@ville.example\"\n[mail]\nfrom = \"j@ville.example\"\n{web}\n\
         [[token]]\nid = \"t\"\nname = \"T\"\nexpires = 2030-01-01\nrecipients = [\"a@ville.example\"]\n"
    )
}

fn listening(at: SocketAddr, more: &str) -> String {
    config(&format!("[web]\nlisten = \"{at}\"\n{more}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_answers_from_its_start_to_its_stop() {
    let at = own_address();
    let program = Program::new(&listening(at, "hosts = [\"a.ville.example\"]"));
    let running = Running::start(program.command(&["run"]));
    running.wait_for("watching");
    let there = talk(at, request("GET", "/nothing", "a.ville.example", ""))
        .await
        .unwrap();
    assert_eq!(there.status, 404);

    // Names apply at a reload; another address needs a restart, and nothing else is taken over.
    program.rewrite(&listening(at, "hosts = [\"b.ville.example\"]"));
    let reload = program.command(&["reload"]).output().unwrap();
    assert_eq!(reload.status.code(), Some(0), "{}", said(&reload));
    for (host, status) in [("a.ville.example", 421), ("b.ville.example", 404)] {
        assert_eq!(
            talk(at, request("GET", "/nothing", host, ""))
                .await
                .unwrap()
                .status,
            status
        );
    }
    program.rewrite(&listening(SocketAddr::new(at.ip(), 8081), ""));
    let reload = program.command(&["reload"]).output().unwrap();
    assert_ne!(reload.status.code(), Some(0));
    assert!(
        said(&reload).contains("web.listen changed, which needs a restart"),
        "{}",
        said(&reload)
    );

    let open = tokio::net::TcpStream::connect(at).await.unwrap();
    running.signal("TERM");
    assert_eq!(heard(open).await, None);
    assert_eq!(running.ended(), Some(0));
    assert!(tokio::net::TcpStream::connect(at).await.is_err());
}

#[test]
fn a_start_without_its_address_says_who_may_have_it_and_sends_nothing() {
    let at = own_address();
    let taken = TcpListener::bind(at).unwrap();
    let program = Program::new(&listening(at, ""));
    let start = program.command(&["run"]).output().unwrap();
    assert_eq!(start.status.code(), Some(5), "{}", said(&start));
    for word in [
        &at.to_string(),
        "[web] listen",
        "another program has this port",
        "ss -ltnp",
    ] {
        assert!(said(&start).contains(word), "{word} in {}", said(&start));
    }
    drop(taken);
    let elsewhere = Program::new(&listening("192.0.2.1:8080".parse().unwrap(), ""));
    let start = elsewhere.command(&["run"]).output().unwrap();
    assert_eq!(start.status.code(), Some(5), "{}", said(&start));
    assert!(said(&start).contains("127.0.0.1:8080"), "{}", said(&start));
    // Nothing of it concerns one pass.
    let once = elsewhere.command(&["run", "--once"]).output().unwrap();
    assert_eq!(once.status.code(), Some(0), "{}", said(&once));
}

#[test]
fn an_address_that_others_reach_is_taken_with_a_warning() {
    let program = Program::new(&listening("0.0.0.0:8080".parse().unwrap(), ""));
    let check = program.command(&["check", "--file"]).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", said(&check));
    for word in [
        "config.toml:6:10",
        "travels in clear",
        "listen = \"127.0.0.1:8080\"",
    ] {
        assert!(said(&check).contains(word), "{word} in {}", said(&check));
    }
}

#[test]
fn what_is_wrong_in_its_table_is_told_with_its_place() {
    for (web, place, words) in [
        ("[web]\nlisten = \"8080\"", ":6:10", "127.0.0.1:8080"),
        (
            "[web]\nlisten = \"localhost:9090\"",
            ":6:10",
            "127.0.0.1:9090",
        ),
        ("[web]\nlisten = \"127.0.0.1:0\"", ":6:10", "port 0"),
        ("[web]\nlisten = 8080", ":6:10", "between quotes"),
        (
            "[web]\nlisten = \"127.0.0.1:8080\"\npublic_url = \"http://jetons.ville.example\"",
            ":7:14",
            "https://",
        ),
        (
            "[web]\npublic_url = \"https://jetons.ville.example\"",
            ":6:14",
            "add a line: listen",
        ),
        (
            "[web]\nhosts = [\"https://a.example\"]",
            ":6:10",
            "without scheme and port",
        ),
        ("[web]\nlistenn = \"127.0.0.1:8080\"", ":6:1", "listen"),
    ] {
        let check = Program::new(&config(web))
            .command(&["check", "--file"])
            .output()
            .unwrap();
        assert_eq!(check.status.code(), Some(3), "{web}: {}", said(&check));
        for word in [place, words] {
            assert!(said(&check).contains(word), "{word} in {}", said(&check));
        }
    }
}

/// SQLite's locks on the store tell every other program that it is in use: whoever finds none
/// there may take the log away from under the daemon.
#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_keeps_its_lock_on_the_store_whatever_is_asked() {
    use std::os::unix::fs::MetadataExt as _;
    let at = own_address();
    let program = Program::new(&listening(at, ""));
    let running = Running::start(program.command(&["run"]));
    running.wait_for("watching");
    for page in ["/", "/tokens", "/health"] {
        let host = at.to_string();
        let said = talk(at, request("GET", page, &host, "")).await.unwrap();
        assert_eq!(said.status, 200, "{page}");
    }
    let inode = std::fs::metadata(program.place().join("jetond.db"))
        .unwrap()
        .ino();
    let held = |of: u64| {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        let of = format!(":{of} ");
        locks
            .lines()
            .filter(|l| l.contains("POSIX") && l.contains(&of))
            .count()
    };
    assert!(held(inode) > 0, "no lock on the store");
}
