//! AUTH PLAIN and LOGIN (RFC 4954, RFC 4616). The caller has made sure that the connection is
//! encrypted or loopback. The password goes to the socket and nowhere else: not even a server
//! that echoes it back can bring it into a record.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::reply::{Phase, Raw, judge};
use super::wire::{Hidden, Wire};
use crate::config::Deadlines;
use crate::delivery::outcome::{Outcome, RelayFault, RelayFaultKind};

/// How to say who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Login,
}

/// Longest command line every server must take (RFC 5321 §4.5.3.1.4), CRLF included.
const LINE_LIMIT: usize = 512;

/// Identifies us; `offered` are the words after AUTH in the reply to EHLO.
pub(super) async fn authenticate(
    wire: &mut Wire,
    offered: &[String],
    username: &str,
    password: &SecretString,
    deadlines: &Deadlines,
) -> Result<(), RelayFault> {
    let has = |name: &str| offered.iter().any(|m| m.eq_ignore_ascii_case(name));
    let mechanism = if has("PLAIN") {
        Mechanism::Plain
    } else if has("LOGIN") {
        Mechanism::Login
    } else {
        let detail = format!(
            "the server offers neither PLAIN nor LOGIN, only {:?}",
            offered.join(" ")
        );
        return Err(RelayFault::new(RelayFaultKind::Auth, &detail));
    };
    if username.contains('\0') || password.expose_secret().contains('\0') {
        let detail = "the user name or the password holds a NUL";
        return Err(RelayFault::new(RelayFaultKind::Auth, detail));
    }

    let secret = password.expose_secret();
    let (opening, answers) = match mechanism {
        Mechanism::Plain => {
            let encoded = encode(&format!("\0{username}\0{secret}"));
            if "AUTH PLAIN \r\n".len() + encoded.expose_secret().len() > LINE_LIMIT {
                (SecretString::from("AUTH PLAIN"), vec![encoded])
            } else {
                let line = format!("AUTH PLAIN {}", encoded.expose_secret());
                // A server that overlooks the initial response asks for it with 334.
                (SecretString::from(line), vec![encoded])
            }
        }
        Mechanism::Login => (
            SecretString::from("AUTH LOGIN"),
            vec![encode(username), encode(secret)],
        ),
    };

    let said = |wire: Result<Raw, super::wire::Fault>| wire.map_err(|f| f.in_phase(Phase::Auth));
    let limit = deadlines.command;
    let secrets: Vec<SecretString> = answers.iter().chain([password]).cloned().collect();
    let hidden = |shown| Hidden {
        shown,
        secrets: &secrets,
    };
    let shown = match (
        mechanism,
        opening.expose_secret().len() > "AUTH PLAIN".len(),
    ) {
        (Mechanism::Plain, true) => "AUTH PLAIN ****",
        (Mechanism::Plain, false) => "AUTH PLAIN",
        (Mechanism::Login, _) => "AUTH LOGIN",
    };
    let opened = wire
        .exchange_hidden(opening.expose_secret(), hidden(shown), limit)
        .await;
    let mut raw = said(opened)?;
    for answer in &answers {
        if raw.code != 334 {
            break;
        }
        let answered = wire
            .exchange_hidden(answer.expose_secret(), hidden("****"), limit)
            .await;
        raw = said(answered)?;
    }
    match judge(Phase::Auth, raw) {
        Ok(_) => Ok(()),
        Err(Outcome::Relay(fault)) => Err(fault),
        Err(other) => Err(RelayFault::new(RelayFaultKind::Auth, &other.to_string())),
    }
}

fn encode(text: &str) -> SecretString {
    SecretString::from(STANDARD.encode(text))
}
