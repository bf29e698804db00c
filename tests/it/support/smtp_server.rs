//! A scripted SMTP server, in process, on a loopback port of its own.
//!
//! It runs on a thread of its own, so both async tests and tests of the real binary can use it,
//! and it ends when it is dropped.
//!
//! ```ignore
//! let server = SmtpServer::start(
//!     Script::new()
//!         .at(Phase::Rcpt, Act::Reply("450 4.7.1 greylisted"))   // every time
//!         .first(2, Phase::Dot, Act::TakeAndDrop)                // the first two times
//!         .to("old@ville.example", Act::Reply("550 5.1.1 gone")) // RCPT of one recipient
//!         .tls(Cert::Valid),                                     // offers STARTTLS
//! );
//! server.port();          // 127.0.0.1, also reached as "localhost"
//! server.ca_file();       // the authority that a client should trust
//! server.accepted();      // messages taken: envelope, bytes, the instant before the answer
//! server.heard();         // each line a client said, and whether it came encrypted
//! ```
//!
//! Rules are tried in order; the first that fits is acted out, and without one the phase goes
//! as it should. A message counts as taken ([`Accepted`]) before its answer is written. Answers
//! to commands that came together leave together. A client that says more than it may, before
//! the 354 or without PIPELINING, is told of when the server is dropped.

mod certificate;
mod dialogue;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio_rustls::TlsAcceptor;

use crate::support::serving::Serving;

pub(crate) use self::certificate::{Cert, acceptor};

/// How long a client may take to come; it takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// The nine places where things go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Connect,
    Greeting,
    Ehlo,
    Starttls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Dot,
}

/// What the server does instead of what it should.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers this (CRLF is added); at the dot a 250 takes the message. 421 also closes.
    Reply(&'static str),
    /// Writes these bytes as they are, and goes on.
    Raw(&'static [u8]),
    /// Never answers.
    Hang,
    /// Answers as it should, a byte every 50 ms, with a long text.
    Drip,
    /// Answers as it should, and says these bytes in the same breath.
    AnswerAnd(&'static [u8]),
    /// Closes instead of answering; earlier answers have left.
    Drop,
    /// Closes instead of answering, and with it what was not sent yet of earlier answers.
    DropAll,
    /// Answers as it should, then closes.
    AnswerAndDrop,
    /// At the dot: takes the message, then closes without a word.
    TakeAndDrop,
    /// At the dot: takes the message, answers so much later.
    TakeLate(Duration),
    /// Answers something that is not SMTP.
    Garbage,
    /// Answers a reply without end.
    Oversized,
    /// Says that it came here, and answers as it should once it is let go.
    Wait(Gate),
}

/// Where a server and a test wait for one another.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    reached: Arc<tokio::sync::Notify>,
    open: Arc<tokio::sync::Notify>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            reached: Arc::default(),
            open: Arc::default(),
        }
    }

    /// Until the server has come here.
    pub(crate) async fn reached(&self) {
        tokio::time::timeout(PATIENCE, self.reached.notified())
            .await
            .expect("the server comes to this phase");
    }

    /// Lets it answer.
    pub(crate) fn open(&self) {
        self.open.notify_one();
    }

    pub(super) async fn pass(&self) {
        self.reached.notify_one();
        self.open.notified().await;
    }
}

#[derive(Debug)]
struct Rule {
    phase: Phase,
    recipient: Option<String>,
    /// Times that it does not apply yet.
    skip: usize,
    left: Option<usize>,
    act: Act,
}

/// What the server will do.
#[derive(Debug)]
pub(crate) struct Script {
    rules: Vec<Rule>,
    extensions: Vec<&'static str>,
    cert: Option<Cert>,
    implicit: bool,
    manner: Manner,
}

/// What it is like towards several commands, whatever they are.
#[derive(Debug, Clone, Copy, Default)]
struct Manner {
    pipelining: bool,
    careless: bool,
    piece: Option<usize>,
}

impl Script {
    /// A server that takes everything: ESMTP with SIZE, DSN and AUTH PLAIN LOGIN, no TLS.
    pub(crate) fn new() -> Self {
        let extensions = vec!["SIZE 1000000", "DSN", "AUTH PLAIN LOGIN"];
        Self {
            rules: Vec::new(),
            extensions,
            cert: None,
            implicit: false,
            manner: Manner::default(),
        }
    }

    /// Offers PIPELINING; without it, a client that does not wait for each answer is told of.
    pub(crate) fn pipelining(mut self) -> Self {
        self.extensions.push("PIPELINING");
        self.manner.pipelining = true;
        self
    }

    /// Takes RCPT without MAIL and DATA without RCPT, as some servers do.
    pub(crate) fn careless(mut self) -> Self {
        self.manner.careless = true;
        self
    }

    /// Sends its answers in pieces of so many bytes, each in a packet of its own.
    pub(crate) fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.manner.piece = Some(bytes);
        self
    }

    /// Every time in this phase.
    pub(crate) fn at(mut self, phase: Phase, act: Act) -> Self {
        self.rules.push(Rule {
            phase,
            recipient: None,
            skip: 0,
            left: None,
            act,
        });
        self
    }

    /// The first `times` times in this phase.
    pub(crate) fn first(mut self, times: usize, phase: Phase, act: Act) -> Self {
        self.rules.push(Rule {
            phase,
            recipient: None,
            skip: 0,
            left: Some(times),
            act,
        });
        self
    }

    /// Once in this phase, after it went well so many times.
    pub(crate) fn after(mut self, times: usize, phase: Phase, act: Act) -> Self {
        self.rules.push(Rule {
            phase,
            recipient: None,
            skip: times,
            left: Some(1),
            act,
        });
        self
    }

    /// At RCPT of this recipient.
    pub(crate) fn to(mut self, recipient: &str, act: Act) -> Self {
        self.rules.push(Rule {
            phase: Phase::Rcpt,
            recipient: Some(recipient.to_owned()),
            skip: 0,
            left: None,
            act,
        });
        self
    }

    /// Offers STARTTLS with this certificate.
    pub(crate) fn tls(mut self, cert: Cert) -> Self {
        self.cert = Some(cert);
        self.extensions.push("STARTTLS");
        self
    }

    /// Speaks TLS from the first byte.
    pub(crate) fn implicit_tls(mut self, cert: Cert) -> Self {
        self.cert = Some(cert);
        self.implicit = true;
        self
    }

    /// Leaves a line out of the reply to EHLO: `"STARTTLS"`, `"AUTH"` …
    pub(crate) fn without(mut self, keyword: &str) -> Self {
        self.extensions.retain(|e| !e.starts_with(keyword));
        self
    }

    /// Adds a line to the reply to EHLO.
    pub(crate) fn with(mut self, extension: &'static str) -> Self {
        self.extensions.push(extension);
        self
    }
}

/// A message that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    /// Just before the answer was written.
    pub(crate) at: Instant,
    /// The connection it came over, counted from 0.
    pub(crate) connection: usize,
    /// The parameters of MAIL and RCPT as they came: `<a@b> SIZE=12`.
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Without dot stuffing and final dot.
    pub(crate) bytes: Vec<u8>,
}

/// A line that a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) encrypted: bool,
    pub(crate) line: String,
}

#[derive(Debug, Default)]
struct Log {
    connections: usize,
    accepted: Vec<Accepted>,
    heard: Vec<Heard>,
    /// Where a client said more than it may.
    breaches: Vec<String>,
}

struct Shared {
    rules: Mutex<Vec<Rule>>,
    extensions: Vec<&'static str>,
    implicit: bool,
    manner: Manner,
    acceptor: Option<TlsAcceptor>,
    log: Mutex<Log>,
    /// Something was added to the log.
    news: Condvar,
}

/// The running server.
pub(crate) struct SmtpServer {
    serving: Serving,
    shared: Arc<Shared>,
}

impl SmtpServer {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn start(script: Script) -> Self {
        let authority = tempfile::NamedTempFile::new().unwrap();
        let acceptor = script
            .cert
            .map(|cert| certificate::acceptor(cert, authority.path()));
        let shared = Arc::new(Shared {
            rules: Mutex::new(script.rules),
            extensions: script.extensions,
            implicit: script.implicit,
            manner: script.manner,
            acceptor,
            log: Mutex::default(),
            news: Condvar::new(),
        });
        let served = Arc::clone(&shared);
        let serving = Serving::run(authority, async move |listener| {
            dialogue::serve(listener, served).await;
        });
        Self { serving, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.serving.port()
    }

    /// PEM of the authority that a client should trust (empty without TLS).
    pub(crate) fn ca_file(&self) -> &Path {
        self.serving.ca_file()
    }

    /// The messages taken so far.
    pub(crate) fn accepted(&self) -> Vec<Accepted> {
        self.shared.log().accepted.clone()
    }

    /// All that clients said so far, the text of messages included, AUTH answers decoded too.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.shared.log().heard.clone()
    }

    /// The number of messages taken so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.log().accepted.len()
    }

    /// The number of lines heard so far.
    pub(crate) fn lines(&self) -> usize {
        self.shared.log().heard.len()
    }

    /// Waits until so many messages are taken, and so many lines heard.
    pub(crate) fn wait_for(&self, messages: usize, lines: usize) {
        let short = |log: &mut Log| log.accepted.len() < messages || log.heard.len() < lines;
        let log = self.shared.log();
        let (log, wait) = self
            .shared
            .news
            .wait_timeout_while(log, PATIENCE, short)
            .unwrap();
        let (taken, heard) = (log.accepted.len(), log.heard.len());
        assert!(
            !wait.timed_out(),
            "{taken} messages of {messages}, {heard} lines of {lines} came within {PATIENCE:?}"
        );
    }

    /// Waits until so many messages are taken, and so many lines heard, or this long: for faults
    /// that come at some moment, whatever was reached by then.
    pub(crate) fn come_to(&self, messages: usize, lines: usize, longest: Duration) {
        let short = |log: &mut Log| log.accepted.len() < messages || log.heard.len() < lines;
        let log = self.shared.log();
        let _reached = self.shared.news.wait_timeout_while(log, longest, short);
    }

    /// The connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.log().connections
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.serving.end();
        let breaches = std::mem::take(&mut self.shared.log().breaches);
        if !std::thread::panicking() {
            assert!(breaches.is_empty(), "{breaches:#?}");
        }
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    fn take(&self, message: Accepted) {
        self.log().accepted.push(message);
        self.news.notify_all();
    }

    fn hear(&self, encrypted: bool, line: String) {
        self.log().heard.push(Heard { encrypted, line });
        self.news.notify_all();
    }

    fn act(&self, phase: Phase, argument: &str) -> Option<Act> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find_map(|rule| {
            let named = |r: &String| argument.contains(&format!("<{r}>"));
            let fits = rule.phase == phase && rule.recipient.as_ref().is_none_or(named);
            if !fits || rule.left == Some(0) {
                return None;
            }
            let due = rule.skip == 0;
            rule.skip = rule.skip.saturating_sub(1);
            due.then_some(rule)
        })?;
        rule.left = rule.left.map(|left| left - 1);
        Some(rule.act.clone())
    }
}
