//! Our own SMTP session: one connection, one mail after another, two steps a mail.
//!
//! [`Session::offer`] goes as far as the 354; then the caller commits *in doubt*, and either
//! [`Session::complete`]s, which writes the message and its final dot, and behind it the envelope
//! of the next mail where the server offers PIPELINING, or abandons. Nothing but a 250 after the
//! dot is *sent*; whatever else happens there is told as *in doubt*, and such a connection is
//! never used again. A method that is cancelled half-way leaves the session unusable, so replies
//! can never be off by one. It does not retry, and it does not log.
//!
//! Reading order: `hello` and `auth` (how a conversation begins), `envelope` (what is said for a
//! mail), `carry` (offer and complete), `reply` (what answers mean), `wire` and `stream` (bytes).

mod auth;
mod body;
mod carry;
mod connect;
mod dialogue;
mod envelope;
mod hello;
mod reply;
mod stream;
mod wire;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::carry::Completed;
pub use self::dialogue::Dialogue;
pub use self::hello::Extensions;
use self::hello::{expect, hello, starttls};
use self::reply::{Phase, judge};
use self::stream::Counted;
use self::wire::Wire;
use crate::config::{Deadlines, Smtp, Tls};
use crate::delivery::outcome::{Outcome, RelayFault, RelayFaultKind};
use crate::domain::address::Address;

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
    /// What is about to be written; kept for its room.
    out: Vec<u8>,
    /// When the last final dot was answered.
    answered: Option<Instant>,
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
            let stream = Counted::new(stream);
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
        expect(Phase::Greeting, wire.greeting(command).await)?;
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
            out: Vec::new(),
            answered: None,
        })
    }

    /// Greets on a connection made elsewhere, a pipe within this program for instance. It is
    /// taken for plaintext that an operator would not allow a password on.
    ///
    /// # Errors
    /// A fault of the relay; [`RelayFaultKind::Plaintext`] when the settings want TLS or have an
    /// account.
    pub async fn over<S>(relay: &Relay, stream: S) -> Result<Self, RelayFault>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let settings = &*relay.settings;
        if settings.tls != Tls::None || settings.auth.is_some() {
            let detail = "a given connection has no TLS, and no password goes over it";
            return Err(RelayFault::new(RelayFaultKind::Plaintext, detail));
        }
        let command = settings.deadlines.command;
        let mut wire = Wire::given(Box::new(stream)).recorded(relay.dialogue.as_ref());
        expect(Phase::Greeting, wire.greeting(command).await)?;
        let helo = settings.helo.as_deref().unwrap_or("localhost");
        let extensions = hello(&mut wire, helo, command).await?;
        Ok(Self {
            wire,
            peer: Ipv4Addr::LOCALHOST.into(),
            extensions,
            deadlines: settings.deadlines,
            state: State::Ready,
            out: Vec::new(),
            answered: None,
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
        let said = self.wire.exchange(&mail, limit).await;
        let raw = said.map_err(|fault| Outcome::Relay(fault.in_phase(Phase::Mail)))?;
        let refused = judge(Phase::Mail, raw).err();
        let reset = self.wire.exchange("RSET", limit).await;
        if reset.is_ok_and(|raw| raw.is_positive()) {
            self.state = State::Ready;
        }
        refused.map_or(Ok(()), Err)
    }

    /// When the last final dot was answered: what comes later is the next mail's time.
    pub fn answered(&self) -> Option<Instant> {
        self.answered
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

    /// Closes the socket without the final dot: the server throws the message away.
    pub fn abandon(self) {}

    /// Takes leave, without insisting.
    pub async fn quit(mut self) {
        if self.state == State::Ready {
            // Nothing depends on the answer: every mail of this session has its outcome.
            let _farewell = self.wire.exchange("QUIT", self.deadlines.quit).await;
        }
    }
}

fn misused(what: &str) -> Outcome {
    Outcome::Relay(RelayFault::new(RelayFaultKind::Protocol, what))
}
