//! From the greeting to a conversation that may carry mail: EHLO, what the server offers in its
//! reply, and STARTTLS. There is no way back to plaintext, and what was said before TLS is
//! forgotten. AUTH has a file of its own.

use std::time::Duration;

use super::reply::{Phase, Raw, judge};
use super::stream::Counted;
use super::wire::{Fault, Wire};
use super::{Relay, connect};
use crate::delivery::outcome::{Outcome, RelayFault, RelayFaultKind};

/// What the server said it can do in its reply to EHLO.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// PIPELINING (RFC 2920): an envelope leaves in one write, behind the dot of the mail before.
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152): not used, our messages are 7-bit.
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531): addresses with letters beyond ASCII before the @.
    pub smtputf8: bool,
    /// DSN (RFC 3461): who is told of a failure, and how it names the mail.
    pub dsn: bool,
    /// SIZE (RFC 1870) is offered; `Some(0)` states no limit.
    pub size: Option<u64>,
    /// The words after AUTH (RFC 4954).
    pub auth: Vec<String>,
}

/// The reply when it is what the phase hopes for.
pub(super) fn expect(phase: Phase, said: Result<Raw, Fault>) -> Result<Raw, RelayFault> {
    let raw = said.map_err(|fault| fault.in_phase(phase))?;
    judge(phase, raw).map_err(|outcome| match outcome {
        Outcome::Relay(fault) => fault,
        other => RelayFault::new(RelayFaultKind::Protocol, &other.to_string()),
    })
}

/// EHLO, or HELO for a server that does not know it.
pub(super) async fn hello(
    wire: &mut Wire,
    name: &str,
    limit: Duration,
) -> Result<Extensions, RelayFault> {
    let said = wire.exchange(&format!("EHLO {name}"), limit).await;
    if said.as_ref().is_ok_and(|raw| raw.code / 100 == 5) {
        let said = wire.exchange(&format!("HELO {name}"), limit).await;
        expect(Phase::Hello, said)?;
        return Ok(Extensions::default());
    }
    let raw = expect(Phase::Hello, said)?;
    let mut extensions = Extensions::default();
    for line in raw.lines.iter().skip(1) {
        let mut words = line.split_ascii_whitespace();
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        match keyword.as_str() {
            "STARTTLS" => extensions.starttls = true,
            "PIPELINING" => extensions.pipelining = true,
            "8BITMIME" => extensions.eight_bit = true,
            "SMTPUTF8" => extensions.smtputf8 = true,
            "DSN" => extensions.dsn = true,
            "SIZE" => {
                let limit = words.next().and_then(|n| n.parse().ok());
                extensions.size = Some(limit.unwrap_or(0));
            }
            "AUTH" => extensions.auth.extend(words.map(str::to_owned)),
            other => {
                // The spelling of before RFC 2554, still seen beside the right one.
                if let Some(first) = other.strip_prefix("AUTH=") {
                    extensions.auth.push(first.to_owned());
                    extensions.auth.extend(words.map(str::to_owned));
                }
            }
        }
    }
    Ok(extensions)
}

/// STARTTLS, required: there is no way back to plaintext.
pub(super) async fn starttls(
    relay: &Relay,
    mut wire: Wire,
    extensions: &Extensions,
) -> Result<Wire, RelayFault> {
    if !extensions.starttls {
        let detail = "the server does not offer STARTTLS, and mail does not leave without";
        return Err(RelayFault::new(RelayFaultKind::Tls, detail));
    }
    let limit = relay.settings.deadlines.command;
    expect(Phase::Starttls, wire.exchange("STARTTLS", limit).await)?;
    let stream = wire
        .into_plain()
        .map_err(|fault| fault.in_phase(Phase::Starttls))?;
    let stream = connect::handshake(&relay.settings, &relay.tls, Counted::new(stream)).await?;
    Ok(Wire::tls(stream))
}
