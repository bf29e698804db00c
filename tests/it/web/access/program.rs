//! The access of the real program: what `check` says of it, what a reload does to who is logged
//! in, and where passwords are kept.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use super::{Client, HASH, OTHER, PASSWORD, users};
use crate::support::program::{Program, Running, said};
use crate::web::own_address;

pub(super) fn config(at: SocketAddr, more: &str) -> String {
    format!(
        "language = \"en\"\ncontact = \"dsi@ville.example\"\n[mail]\nfrom = \"j@ville.example\"\n\
         [web]\nlisten = \"{at}\"\n{more}\n\
         [[token]]\nid = \"t\"\nname = \"T\"\nexpires = 2030-01-01\nrecipients = [\"a@ville.example\"]\n"
    )
}

fn check(web: &str) -> (Option<i32>, String) {
    let program = Program::new(&config("127.0.0.1:8080".parse().unwrap(), web));
    let ran = program.command(&["check", "--file"]).output().unwrap();
    (ran.status.code(), said(&ran))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_lets_nobody_stay_who_was_taken_out() {
    let at = own_address();
    let program = Program::new(&config(at, &users()));
    let running = Running::start(program.command(&["run"]));
    running.wait_for("watching");
    let browser = Client::to(at);
    let (martin, diallo) = (
        browser.inside("c.martin").await,
        browser.inside("n.diallo").await,
    );
    running.wait_for("logged in name=\"c.martin\"");
    let reload = || {
        let ran = program.command(&["reload"]).output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
    };
    // A file that is refused changes nothing for anybody.
    program.rewrite(&config(at, "[web.auth]\nusers = []"));
    let refused = program.command(&["reload"]).output().unwrap();
    assert_ne!(refused.status.code(), Some(0), "{}", said(&refused));
    assert_eq!(martin.get("/").await.status, 200);

    let without =
        format!("[web.auth]\nusers = [{{ name = \"n.diallo\", password = \"{HASH}\" }}]\n");
    program.rewrite(&config(at, &without));
    reload();
    assert_eq!(martin.get("/").await.status, 303);
    assert_eq!(diallo.get("/").await.status, 200);
    assert_eq!(browser.log_in("c.martin", PASSWORD).await.status, 403);

    // A restart ends every session.
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
    let running = Running::start(program.command(&["run"]));
    running.wait_for("watching");
    assert_eq!(diallo.get("/").await.status, 303);
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_may_be_kept_elsewhere_and_be_changed_there() {
    let at = own_address();
    let auth =
        "[web.auth]\nusers = [{ name = \"c.martin\", password = { file = \"web.c.martin\" } }]";
    let program = Program::new(&config(at, auth));
    let file = program.place().join("web.c.martin");
    let write = |hash: &str, mode: u32| {
        std::fs::write(&file, format!("{hash}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write(HASH, 0o600);
    let running = Running::start(program.command(&["run"]));
    running.wait_for("watching");
    let browser = Client::to(at);
    let inside = browser.inside("c.martin").await;
    // Changed, and reloaded: who came in by the old one is out.
    write(OTHER, 0o600);
    let ran = program.command(&["reload"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
    assert_eq!(inside.get("/").await.status, 303);
    assert_eq!(browser.log_in("c.martin", PASSWORD).await.status, 403);
    // One that is no hash, or that cannot be used: nobody comes in, and the log says why.
    write("hunter2", 0o600);
    assert_eq!(browser.log_in("c.martin", "hunter2").await.status, 403);
    running.wait_for("jetond hash-password");
    write(HASH, 0o644);
    assert_eq!(browser.log_in("c.martin", PASSWORD).await.status, 403);
    running.wait_for("chmod 600");
    write(HASH, 0o600);
    assert_eq!(browser.log_in("c.martin", PASSWORD).await.status, 303);
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}

#[test]
fn check_says_where_the_pages_are_shut() {
    let program = Program::new(&config("0.0.0.0:8080".parse().unwrap(), ""));
    let ran = program.command(&["check", "--file"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(0));
    for word in [
        "config.toml:6:10",
        "nobody can log in",
        "[web.auth]",
        "jetond hash-password",
    ] {
        assert!(said(&ran).contains(word), "{word} in {}", said(&ran));
    }
    let with = Program::new(&config("0.0.0.0:8080".parse().unwrap(), &users()));
    let ran = with.command(&["check", "--file"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(0));
    assert!(!said(&ran).contains("nobody can log in"), "{}", said(&ran));
}

#[test]
fn what_is_wrong_in_its_table_is_told_with_its_place_and_no_password_is_repeated() {
    let user = |password: &str| {
        format!("[web.auth]\nusers = [{{ name = \"c.martin\", password = {password} }}]")
    };
    let weak = "\"$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$xwP/sUpncRUpT63+0aadhrYrW8PTzYL8TrQp/6Tj9lA\"";
    let old = "\"$argon2i$v=19$m=19456,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$uY7h7Run9IviijkdIuhn+9X4LVYpipU7NTDOOAFUAaM\"";
    let dear = "\"$argon2id$v=19$m=1048576,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$QKHrg5tayLGcN+Y0HVPNaBqykOVLUxlMkZycXE1uWRM\"";
    for (web, place, words) in [
        ("[web.auth]".to_owned(), ":7:1", "lets nobody in"),
        (
            "[web.auth]\nloopback = false".to_owned(),
            ":7:1",
            "lets nobody in",
        ),
        (
            "[web.auth]\nloopback = 1".to_owned(),
            ":8:12",
            "true or false",
        ),
        (
            "[web.auth]\nusers = []".to_owned(),
            ":8:9",
            "1 to 200 users",
        ),
        (
            "[web.auth]\nusers = \"c.martin:hunter2\"".to_owned(),
            ":8:9",
            "a list between square brackets",
        ),
        (
            "[web.auth]\nusers = [\"c.martin:hunter2\"]".to_owned(),
            ":8:9",
            "tables with name and password",
        ),
        (user("\"hunter2\""), ":8:42", "jetond hash-password"),
        (user("\"\""), ":8:42", "`password` is empty"),
        (user(weak), ":8:42", "m=8192,t=1"),
        (user(old), ":8:42", "$argon2id$"),
        (user(dear), ":8:42", "costs too much"),
        (
            user("{ credential = \"a/b\" }"),
            ":8:42",
            "neither a password hash nor where one is",
        ),
        (
            user("{ file = \"x\", hunter2 = 1 }"),
            ":8:42",
            "neither a password hash",
        ),
        (user("4711"), ":8:42", "neither a password hash"),
        (
            "[web.auth]\nusers = [{ name = \"c.martin\" }]".to_owned(),
            ":8:10",
            "`password` is missing",
        ),
        (
            "[web.auth]\nusers = [{ password = \"hunter2\" }]".to_owned(),
            ":8:10",
            "`name` is missing",
        ),
        (
            user(&format!("\"{HASH}\", role = \"admin\"")),
            "role",
            "\"viewer\" (looks) or \"operator\" (acts)",
        ),
        (
            user(&format!("\"{HASH}\", passwort = \"hunter2\"")),
            "passwort",
            "did you mean `password`?",
        ),
        (
            user(&format!("\"{HASH}\"")).replace("c.martin", "c:martin"),
            ":8:19",
            "no colon",
        ),
        (
            format!(
                "[[web.auth.users]]\nname = \"a\"\npassword = \"{HASH}\"\n[[web.auth.users]]\nname = \"a\"\npassword = \"{HASH}\""
            ),
            ":11:8",
            "written twice",
        ),
        (
            "[web.auth]\nproxy = { header = \"X-Remote-User\" }".to_owned(),
            ":8:9",
            "`from` is missing",
        ),
        (
            "[web.auth]\nproxy = { from = \"127.0.0.1\" }".to_owned(),
            ":8:9",
            "`header` is missing",
        ),
        (
            "[web.auth]\nproxy = { header = \"X Y\", from = [\"127.0.0.1\"] }".to_owned(),
            ":8:20",
            "not the name of a header",
        ),
        (
            "[web.auth]\nproxy = { header = \"Cookie\", from = [\"127.0.0.1\"] }".to_owned(),
            ":8:20",
            "a header of its own",
        ),
        (
            "[web.auth]\nproxy = { header = \"X-User\", from = [\"10.0.0.0/33\"] }".to_owned(),
            ":8:38",
            "not a network",
        ),
        (
            "[web.auth]\nproxy = { header = \"X-User\", from = [\"proxy.example\"] }".to_owned(),
            ":8:38",
            "not a network",
        ),
        (
            "[web.auth]\nproxy = { header = \"X-User\", from = [\"0.0.0.0/0\"] }".to_owned(),
            ":8:38",
            "anybody could name themselves",
        ),
        (
            "[web.auth]\nproxy = { header = \"X-User\", from = [] }".to_owned(),
            ":8:37",
            "never be believed",
        ),
        (
            "[web.auth]\nproxy = \"X-User\"".to_owned(),
            ":8:9",
            "a table with header and from",
        ),
        (
            "[web.auth]\nuser = [{ name = \"a\", password = \"hunter2\" }]".to_owned(),
            ":8:1",
            "did you mean `users`?",
        ),
        (
            "[[web.auth]]\nloopback = true".to_owned(),
            ":7:",
            "with one bracket",
        ),
    ] {
        let (code, told) = check(&web);
        assert_eq!(code, Some(3), "{web}: {told}");
        for word in [place, words] {
            assert!(told.contains(word), "{word} for {web} in {told}");
        }
        for secret in ["hunter2", "c2FsdHNhbHRzYWx0c2FsdA", "4711"] {
            assert!(!told.contains(secret), "{secret} for {web} in {told}");
        }
    }
}

#[test]
fn config_show_shows_where_a_hash_is_and_no_hash() {
    let auth = format!(
        "[web.auth]\nloopback = true\nusers = [{{ name = \"c.martin\", password = \"{HASH}\" }}, {{ name = \"n.diallo\", password = {{ env = \"WEB\" }} }}]\nproxy = {{ header = \"X-User\", from = [\"10.0.0.1\"] }}"
    );
    let program = Program::new(&config("127.0.0.1:8080".parse().unwrap(), &auth));
    let ran = program.command(&["config", "show"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
    let told = said(&ran);
    for word in [
        "web.auth.users",
        "c.martin",
        "WEB",
        "web.auth.proxy.header",
        "X-User",
    ] {
        assert!(told.contains(word), "{word} in {told}");
    }
    assert!(!told.contains("argon2id"), "{told}");
}
