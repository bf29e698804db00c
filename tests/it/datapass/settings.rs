//! `[datapass]`: where the secrets are, and nothing of what they hold.

use jetond::config::{Datapass, SecretSource};
use jetond::domain::datapass::merge::OnApprove;
use jetond::domain::language::Lang;

use crate::config::{LEAST, Place};

const WEB: &str = "[web]\nlisten = \"127.0.0.1:8080\"\n";

fn with(lines: &str) -> Place {
    Place::with(format!("{LEAST}{WEB}[datapass]\n{lines}\n"))
}

fn refused(lines: &str) -> String {
    let rejected = with(lines).refused();
    let said: Vec<String> = rejected.errors.iter().map(|e| e.plain(Lang::En)).collect();
    said.join("\n")
}

#[test]
fn one_secret_or_two_are_taken_wherever_they_are() {
    assert_eq!(Place::with(LEAST).config().datapass, None);
    let env = |name: &str| SecretSource::Env(name.to_owned());
    let one = with("secrets = [{ env = \"A\" }]").config().datapass;
    let wanted = Datapass {
        secrets: vec![env("A")],
        on_approve: OnApprove::Ask,
    };
    assert_eq!(one, Some(wanted));
    let both =
        "secrets = [{ env = \"A\" }, { credential = \"datapass.next\" }]\non_approve = \"renew\"";
    let two = with(both).config().datapass.unwrap();
    let next = SecretSource::Credential("datapass.next".to_owned());
    assert_eq!(two.secrets, [env("A"), next]);
    assert_eq!(two.on_approve, OnApprove::Renew);
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    for written in [
        "secrets = [\"hunter2\"]",
        "secrets = \"hunter2\"",
        "secrets = [{ secret = \"hunter2\" }]",
        "secrets = [{ env = \"A\" }, { env = \"B\" }, \"hunter2\"]",
        "secret = \"hunter2\"",
    ] {
        let said = refused(written);
        assert!(
            said.contains("config.toml:") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_write() {
    for (written, said) in [
        ("secrets = []", "one secret, or two"),
        ("secrets = { env = \"A\" }", "must be a list"),
        (
            "secrets = [{ env = \"A\" }]\non_approve = \"yes\"",
            "write \"ask\" or \"renew\"",
        ),
        ("on_approve = \"renew\"", "no secrets"),
        (
            "secrets = [{ env = \"A\" }]\non_aprove = \"renew\"",
            "on_approve",
        ),
    ] {
        let found = refused(written);
        assert!(found.contains(said), "{written}: {found}");
    }
}

#[test]
fn secrets_that_nothing_listens_for_are_warned_about() {
    let lines = "[datapass]\nsecrets = [{ env = \"A\" }]\n";
    let warned = |main: String| {
        let loaded = Place::with(main).taken();
        loaded
            .warnings
            .iter()
            .any(|w| w.plain(Lang::En).contains("nothing listens"))
    };
    assert!(warned(format!("{LEAST}{lines}")));
    assert!(!warned(format!("{LEAST}{WEB}{lines}")));
}
