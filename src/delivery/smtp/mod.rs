//! Our own SMTP session: one connection, one mail at a time, two steps a mail.
//!
//! [`Session::offer`] goes as far as the 354; then the caller commits *in doubt*, and either
//! [`Session::complete`]s, which writes the message and its final dot, or abandons. Nothing but
//! a 250 after the dot is *sent*; whatever else happens there is told as *in doubt*, and such a
//! connection is never used again. A method that is cancelled half-way leaves the session
//! unusable, so replies can never be off by one. It does not retry, and it does not log.
//!
//! The dialogue is plain, one command and one reply; PIPELINING would change `offer` only.

mod auth;
mod body;
mod connect;
mod dialogue;
mod reply;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use secrecy::SecretString;

pub use self::dialogue::Dialogue;
use self::reply::{Phase, Raw, judge};
use self::wire::{Fault, Wire, within};
use crate::config::{Deadlines, Smtp, Tls};
use crate::delivery::outcome::{Outcome, Outgoing, RelayFault, RelayFaultKind, Reply, clean};
use crate::domain::address::Address;

/// Slowest pace of a message that is still waited for, in bytes a second.
const SLOWEST: u64 = 500;

/// A relay and what is needed to connect to it, prepared once.
#[derive(Debug, Clone)]
pub struct Relay {
    settings: Arc<Smtp>,
    tls: Arc<ClientConfig>,
    dialogue: Option<Dialogue>,
}

impl Relay {
    /// Prepares the settings; reads the trusted authorities from disk, so it blocks.
    ///
    /// # Errors
    /// [`RelayFaultKind::Tls`]: no authority could be read.
    pub fn prepare(settings: &Smtp) -> Result<Self, RelayFault> {
        Ok(Self {
            tls: connect::tls_config(settings)?,
            settings: Arc::new(settings.clone()),
            dialogue: None,
        })
    }

    /// Writes down what is said on its connections.
    pub fn record_in(&mut self, dialogue: &Dialogue) {
        self.dialogue = Some(dialogue.clone());
    }

    /// The password of the configured account, read at this moment; `None` without an account.
    ///
    /// # Errors
    /// [`RelayFaultKind::Auth`]: it is not where it should be.
    pub fn password(&self) -> Result<Option<SecretString>, RelayFault> {
        let account = self.settings.auth.as_ref();
        account
            .map(|a| a.password.resolve())
            .transpose()
            .map_err(|e| RelayFault::new(RelayFaultKind::Auth, &e.to_string()))
    }

    /// The settings it was prepared from.
    pub fn settings(&self) -> &Smtp {
        &self.settings
    }
}

/// What the server said it can do in its reply to EHLO.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531): addresses with letters beyond ASCII before the @.
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// SIZE (RFC 1870) is offered; `Some(0)` states no limit.
    pub size: Option<u64>,
    /// The words after AUTH (RFC 4954).
    pub auth: Vec<String>,
}

/// Where the session is; what is not `Ready` takes no new mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    /// 354 was answered for the mail with this id.
    Offered(i64),
    /// Broken, in doubt, or amid a command.
    Spent,
}

/// One connection to the relay, past AUTH.
#[derive(Debug)]
pub struct Session {
    wire: Wire,
    peer: IpAddr,
    extensions: Extensions,
    deadlines: Deadlines,
    state: State,
}

impl Session {
    /// Connects, greets, encrypts and identifies, as configured.
    ///
    /// # Errors
    /// A fault of the relay; neither password nor mail has left in plaintext then.
    pub async fn open(relay: &Relay, password: Option<&SecretString>) -> Result<Self, RelayFault> {
        let settings = &*relay.settings;
        let deadlines = settings.deadlines;
        let dialogue = relay.dialogue.as_ref();
        let note = |what: &str| {
            if let Some(dialogue) = dialogue {
                dialogue.note(what);
            }
        };
        note(&format!("{}:{}", settings.host, settings.port));
        let stream = connect::connect(settings).await?;
        let peer = stream
            .peer_addr()
            .map_err(|e| RelayFault::new(RelayFaultKind::Connect, &e.to_string()))?
            .ip();
        note(&format!("connected to {peer}"));
        let helo = connect::helo(settings, &stream);
        let command = deadlines.command;

        let mut wire = if settings.tls == Tls::Implicit {
            Wire::tls(connect::handshake(settings, &relay.tls, stream).await?)
        } else {
            Wire::plain(stream)
        }
        .recorded(dialogue);
        let encrypted = |wire: &Wire| {
            if let Some(how) = wire.encryption() {
                note(&format!("{how}, certificate of {} verified", settings.host));
            }
        };
        encrypted(&wire);
        expect(Phase::Greeting, wire.reply(command).await)?;
        let mut extensions = hello(&mut wire, &helo, command).await?;
        if settings.tls == Tls::Starttls {
            wire = starttls(relay, wire, &extensions).await?.recorded(dialogue);
            encrypted(&wire);
            // What was said in plaintext may be an attacker's: it is forgotten.
            extensions = hello(&mut wire, &helo, command).await?;
        }
        if let Some(account) = &settings.auth {
            let Some(password) = password else {
                let detail = "a user name is configured and no password was given";
                return Err(RelayFault::new(RelayFaultKind::Auth, detail));
            };
            let (offered, name) = (&extensions.auth, &account.username);
            auth::authenticate(&mut wire, offered, name, password, &deadlines).await?;
        }
        Ok(Self {
            wire,
            peer,
            extensions,
            deadlines,
            state: State::Ready,
        })
    }

    /// What the server said it can do, after TLS if there is any.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Protocol and cipher of the connection, if it is encrypted.
    pub fn encryption(&self) -> Option<String> {
        self.wire.encryption()
    }

    /// Asks whether the server takes mail from this sender, and takes the question back: nothing
    /// is sent.
    ///
    /// # Errors
    /// What the server said.
    pub async fn try_sender(&mut self, from: &Address) -> Result<(), Outcome> {
        if self.state != State::Ready {
            return Err(misused("a session that is not free was asked"));
        }
        self.state = State::Spent;
        let limit = self.deadlines.command;
        let utf8 = if from.needs_smtputf8() {
            " SMTPUTF8"
        } else {
            ""
        };
        let mail = format!("MAIL FROM:<{}>{utf8}", from.on_the_wire());
        self.ask(Phase::Mail, &mail, limit).await?;
        let reset = self.wire.exchange("RSET", limit).await;
        if reset.is_ok_and(|raw| raw.is_positive()) {
            self.state = State::Ready;
        }
        Ok(())
    }

    /// The address connected to.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Whether another mail can be offered: nothing is open, nothing is in doubt, and the
    /// server has neither closed nor said anything unasked.
    pub fn is_usable(&mut self) -> bool {
        self.state == State::Ready && self.wire.expect_silence().is_ok()
    }

    /// Offers a mail up to the 354. On `Ok` the caller commits *in doubt*, then completes.
    ///
    /// # Errors
    /// What the attempt came to; never [`Outcome::Accepted`] nor [`Outcome::InDoubt`]. The
    /// session may be usable for the next mail: ask [`Session::is_usable`].
    pub async fn offer(&mut self, mail: &Outgoing<'_>) -> Result<(), Outcome> {
        if self.state != State::Ready {
            return Err(misused("a mail was offered on a session that is not free"));
        }
        let (from, to) = self.envelope(mail)?;

        self.state = State::Spent;
        let deadlines = self.deadlines;
        self.ask(Phase::Mail, &from, deadlines.command).await?;
        self.ask(Phase::Rcpt, &to, deadlines.command).await?;
        self.ask(Phase::Data, "DATA", deadlines.data).await?;
        self.state = State::Offered(mail.id);
        Ok(())
    }

    /// Writes the message and its final dot, and reads what the server makes of it.
    pub async fn complete(&mut self, mail: &Outgoing<'_>) -> Outcome {
        if self.state != State::Offered(mail.id) {
            self.state = State::Spent;
            return misused("a mail was completed that had not been offered");
        }
        self.state = State::Spent;
        let bytes = body::with_final_dot(mail.bytes);
        let limit = body_limit(self.deadlines.body, bytes.len());
        self.wire
            .tell(&format!("({} bytes and the final dot)", mail.bytes.len()));

        let written = within(limit, async {
            // A server that went away meanwhile has not got the dot: nothing is in doubt.
            self.wire.expect_silence()?;
            self.wire.write(&bytes).await
        })
        .await;
        if let Err(fault) = written {
            let fault = fault.in_phase(Phase::Data);
            let detail = format!("before the message was handed over: {}", fault.detail);
            return Outcome::Relay(RelayFault::new(fault.kind, &detail));
        }
        let raw = match self.wire.reply(self.deadlines.dot).await {
            Ok(raw) => raw,
            Err(fault) => return in_doubt(&fault),
        };
        let code = raw.code;
        match self.wire.expect_silence() {
            Ok(()) | Err(Fault::Closed | Fault::Broken(_) | Fault::Closing(_)) => {}
            // Two answers to one message: the first may be to something earlier.
            Err(fault) => return in_doubt(&fault),
        }
        let outcome = match judge(Phase::Dot, raw) {
            Ok(raw) => Outcome::Accepted(raw.record()),
            Err(outcome) => outcome,
        };
        let reusable = code != 421 && !matches!(outcome, Outcome::InDoubt(_));
        if reusable {
            self.state = State::Ready;
        }
        outcome
    }

    /// Closes the socket without the final dot: the server throws the message away.
    pub fn abandon(self) {}

    /// Takes leave, without insisting.
    pub async fn quit(mut self) {
        if self.state == State::Ready {
            // Nothing depends on the answer: every mail of this session has its outcome.
            let _farewell = self.wire.exchange("QUIT", self.deadlines.quit).await;
        }
    }

    /// MAIL and RCPT for this mail, or why it cannot be carried.
    fn envelope(&self, mail: &Outgoing<'_>) -> Result<(String, String), Outcome> {
        let utf8 = self.extensions.smtputf8;
        if mail.envelope_from.needs_smtputf8() && !utf8 {
            let detail = "the sender's address needs SMTPUTF8, which the relay does not offer";
            let fault = RelayFault::new(RelayFaultKind::Mail, detail);
            return Err(Outcome::Relay(fault));
        }
        let to_utf8 = mail.envelope_to.needs_smtputf8();
        if to_utf8 && !utf8 {
            return Err(Outcome::RefusedRecipient(Reply::local(
                "the address has letters beyond ASCII before the @; \
                 that needs SMTPUTF8 (RFC 6531), which the relay does not offer",
            )));
        }
        let header_utf8 = body::header_is_utf8(mail.bytes);
        if header_utf8 && !utf8 {
            return Err(Outcome::Parked(Reply::local(
                "the header names an address with letters beyond ASCII before the @; \
                 that needs SMTPUTF8 (RFC 6531), which the relay does not offer",
            )));
        }
        if let Some(why) = body::objection(mail.bytes) {
            return Err(Outcome::Parked(Reply::local(why)));
        }
        let size = mail.bytes.len();
        let limit = self.extensions.size.unwrap_or(0);
        if limit > 0 && size as u64 > limit {
            let why = format!("the relay takes {limit} bytes at most; this message has {size}");
            return Err(Outcome::Parked(Reply::local(&why)));
        }

        let mut from = format!("MAIL FROM:<{}>", mail.envelope_from.on_the_wire());
        if self.extensions.size.is_some() {
            from.push_str(&format!(" SIZE={size}"));
        }
        if to_utf8 || header_utf8 || mail.envelope_from.needs_smtputf8() {
            from.push_str(" SMTPUTF8");
        }
        let mut to = format!("RCPT TO:<{}>", mail.envelope_to.on_the_wire());
        if self.extensions.dsn {
            to.push_str(" NOTIFY=FAILURE,DELAY");
        }
        Ok((from, to))
    }

    /// One command of a mail. After a refusal the transaction is reset, and the session free
    /// again if the server agrees.
    async fn ask(&mut self, phase: Phase, command: &str, limit: Duration) -> Result<(), Outcome> {
        let raw = match self.wire.exchange(command, limit).await {
            Ok(raw) => raw,
            Err(fault) => return Err(Outcome::Relay(fault.in_phase(phase))),
        };
        let Err(outcome) = judge(phase, raw) else {
            return Ok(());
        };
        let resettable = match &outcome {
            Outcome::Deferred(_) | Outcome::RefusedRecipient(_) | Outcome::Parked(_) => true,
            Outcome::Relay(fault) => fault.kind == RelayFaultKind::Mail,
            Outcome::Accepted(_) | Outcome::InDoubt(_) => false,
        };
        if resettable {
            let reset = self.wire.exchange("RSET", self.deadlines.command).await;
            if reset.is_ok_and(|raw| raw.is_positive()) {
                self.state = State::Ready;
            }
        }
        Err(outcome)
    }
}

/// The reply when it is what the phase hopes for.
fn expect(phase: Phase, said: Result<Raw, Fault>) -> Result<Raw, RelayFault> {
    let raw = said.map_err(|fault| fault.in_phase(phase))?;
    judge(phase, raw).map_err(|outcome| match outcome {
        Outcome::Relay(fault) => fault,
        other => RelayFault::new(RelayFaultKind::Protocol, &other.to_string()),
    })
}

/// EHLO, or HELO for a server that does not know it.
async fn hello(wire: &mut Wire, name: &str, limit: Duration) -> Result<Extensions, RelayFault> {
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
async fn starttls(
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
    let stream = connect::handshake(&relay.settings, &relay.tls, stream).await?;
    Ok(Wire::tls(stream))
}

/// How long a message of this size may take.
fn body_limit(base: Duration, size: usize) -> Duration {
    let pace = u64::try_from(size).unwrap_or(u64::MAX) / SLOWEST;
    base.saturating_add(Duration::from_secs(pace))
}

fn in_doubt(fault: &Fault) -> Outcome {
    Outcome::InDoubt(clean(&format!("after the final dot: {fault}")))
}

fn misused(what: &str) -> Outcome {
    Outcome::Relay(RelayFault::new(RelayFaultKind::Protocol, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_may_take_its_base_time_and_its_size_at_the_slowest_pace() {
        let base = Deadlines::default().body;
        assert_eq!(body_limit(base, 0), Duration::from_secs(180));
        assert_eq!(body_limit(base, 50_000), Duration::from_secs(280));
    }
}
