//! What a start may meet: a file that is half there, a credential that is not, a disk without
//! room for a store. Each has its sentence and its exit code, and nothing is begun.

use crate::cli::place::Place;
use crate::cli::room::with_mounts;
use crate::support::smtp_server::{Cert, Script, SmtpServer};

#[test]
fn a_file_that_is_half_written_is_refused_wherever_it_ends() {
    let whole = include_str!("config.toml");
    let mut refused = 0;
    // Every place within the file but its very beginning and its end.
    for end in (40..whole.trim_end().len()).step_by(23) {
        let Some(part) = whole.get(..end) else {
            continue;
        };
        let place = Place::with_config(part);
        let ran = place.run("run --once --lang en");
        // What ends after a whole line may be a whole file, with fewer tokens.
        if ran.code == 3 {
            refused += 1;
            assert!(ran.err.contains("config.toml"), "{end}: {ran:?}");
            assert!(ran.err.contains("nothing was changed"), "{end}: {ran:?}");
            assert!(!place.store().exists(), "{end}");
        } else {
            assert!([0, 6].contains(&ran.code), "{end}: {ran:?}");
            assert!(part.contains("[[token]]"), "{end}: {ran:?}");
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn a_credential_that_is_missing_is_named_and_nothing_is_sent() {
    let server = SmtpServer::start(Script::new().tls(Cert::Valid));
    let smtp = format!(
        "transport = \"smtp\"\n[mail.smtp]\nhost = \"localhost\"\nport = {}\nca_file = \"{}\"\n\
         username = \"jetond\"\npassword = {{ credential = \"smtp.password\" }}",
        server.port(),
        server.ca_file().display()
    );
    let place = Place::with("transport = \"file\"\ndirectory = \"outbox\"", &smtp);
    for args in [
        "check --online --dns 127.0.0.1:1",
        "send-test someone@ville.example",
    ] {
        let ran = place.run(&format!("{args} --lang en"));
        assert_eq!(ran.code, 6, "{args}: {ran:?}");
        let said = ran.out + &ran.err;
        assert!(said.contains("smtp.password"), "{args}: {said}");
        assert!(
            said.contains("/etc/jetond/credentials/smtp.password"),
            "{args}: {said}"
        );
    }
    assert_eq!(server.count(), 0);
    assert!(!server.heard().iter().any(|h| h.line.starts_with("AUTH")));
}

#[test]
fn a_disk_without_room_for_a_store_is_told_at_the_first_start() {
    let place = Place::new();
    let lines = r#"
        mkdir -p disk && mount -t tmpfs -o size=24k tmpfs disk || exit 99
        sed -i 's/sqlite:jetond.db/sqlite:disk\/jetond.db/' config.toml
        "$0" run --once --lang en; echo "once $?"
        "$0" run --lang en; echo "run $?"
    "#;
    let Some(ran) = with_mounts(&place, lines) else {
        return;
    };
    assert!(
        ran.out.contains("once 8") && ran.out.contains("run 8"),
        "{ran:?}"
    );
    assert!(ran.err.contains("free some space"), "{ran:?}");
}
