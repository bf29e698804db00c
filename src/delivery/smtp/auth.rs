//! AUTH PLAIN and LOGIN (RFC 4954, RFC 4616). The caller has made sure that the connection is
//! encrypted or loopback. The password goes to the socket and nowhere else: not even a server
//! that echoes it back can bring it into a record.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::reply::{Phase, Raw, judge};
use super::wire::Wire;
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
    let mut raw = said(wire.exchange(opening.expose_secret(), limit).await)?;
    for answer in &answers {
        if raw.code != 334 {
            break;
        }
        raw = said(wire.exchange(answer.expose_secret(), limit).await)?;
    }
    let secrets = answers.iter().chain([password]);
    redact(&mut raw, secrets);
    match judge(Phase::Auth, raw) {
        Ok(_) => Ok(()),
        Err(Outcome::Relay(fault)) => Err(fault),
        Err(other) => Err(RelayFault::new(RelayFaultKind::Auth, &other.to_string())),
    }
}

fn encode(text: &str) -> SecretString {
    SecretString::from(STANDARD.encode(text))
}

fn redact<'a>(raw: &mut Raw, secrets: impl Iterator<Item = &'a SecretString>) {
    for secret in secrets.map(ExposeSecret::expose_secret) {
        for line in &mut raw.lines {
            if !secret.is_empty() && line.contains(secret) {
                *line = line.replace(secret, "[redacted]");
            }
        }
    }
}
