//! Mails through a local command with sendmail's command line.
//!
//! The command's exit status is its reply, read after sysexits.h. The end of its input is the
//! final dot: once it was given and the status is lost, the mail is in doubt.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::delivery::outcome::{
    Outcome, Outgoing, RelayFault, RelayFaultKind, Reply, TEXT_LIMIT, clean,
};

/// How long stderr is still read after the command has ended.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A command that takes mails.
#[derive(Debug, Clone)]
pub struct SendmailTransport {
    command: Arc<Path>,
    deadline: Duration,
}

/// How far the command got.
struct Ran {
    /// `None`: it did not end in time.
    status: Option<ExitStatus>,
    /// The whole message, and the end of input, were handed over.
    fed: bool,
    words: String,
}

impl SendmailTransport {
    /// The program, and how long it may take for one mail.
    pub fn new(command: &Path, deadline: Duration) -> Self {
        Self {
            command: Arc::from(command),
            deadline,
        }
    }

    /// Runs the command for one mail.
    pub async fn deliver(&self, mail: &Outgoing<'_>) -> Outcome {
        let mut child = match self.spawn(mail) {
            Ok(child) => child,
            Err(error) => return Outcome::Relay(self.fault(&error.to_string())),
        };
        let ran = feed(&mut child, &unix_lines(mail.bytes), self.deadline).await;
        self.outcome(&ran)
    }

    fn spawn(&self, mail: &Outgoing<'_>) -> io::Result<Child> {
        Command::new(&*self.command)
            .arg("-i")
            .arg("-f")
            .arg(mail.envelope_from.on_the_wire())
            .arg("--")
            .arg(mail.envelope_to.on_the_wire())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    fn outcome(&self, ran: &Ran) -> Outcome {
        let words = &ran.words;
        let Some(status) = ran.status else {
            let why = format!("no end within {:?} {words}", self.deadline);
            return if ran.fed {
                Outcome::InDoubt(clean(&format!("{}: {why}", self.command.display())))
            } else {
                let detail = format!("{}: {why}", self.command.display());
                Outcome::Relay(RelayFault::new(RelayFaultKind::Timeout, &detail))
            };
        };
        let Some(code) = status.code() else {
            let signal = status.signal().unwrap_or_default();
            let why = format!("killed by signal {signal} {words}");
            return if ran.fed {
                Outcome::InDoubt(clean(&format!("{}: {why}", self.command.display())))
            } else {
                Outcome::Relay(self.fault(&why))
            };
        };
        let reply = Reply::local(&format!("exit {code} {words}"));
        match code {
            // It says yes to a message that it did not read to the end.
            0 if !ran.fed => Outcome::InDoubt(clean(&format!(
                "{}: exit 0 without having read the message {words}",
                self.command.display()
            ))),
            0 => Outcome::Accepted(reply),
            // EX_OSERR, EX_IOERR, EX_TEMPFAIL
            71 | 74 | 75 => Outcome::Deferred(reply),
            // EX_NOUSER, EX_NOHOST
            67 | 68 => Outcome::RefusedRecipient(reply),
            // EX_UNAVAILABLE, EX_SOFTWARE, EX_OSFILE, EX_CANTCREAT, EX_PROTOCOL, EX_NOPERM,
            // EX_CONFIG, and a shell's "cannot execute" and "not found": about the mail system,
            // whatever the mail.
            69 | 70 | 72 | 73 | 76 | 77 | 78 | 126 | 127 => {
                Outcome::Relay(self.fault(&format!("exit {code} {words}")))
            }
            // EX_USAGE, EX_DATAERR, EX_NOINPUT, and what has no meaning: about this mail.
            _ => Outcome::Parked(reply),
        }
    }

    fn fault(&self, why: &str) -> RelayFault {
        let detail = format!("{}: {why}", self.command.display());
        RelayFault::new(RelayFaultKind::Local, &detail)
    }
}

/// Feeds the message and waits for the end, all within the deadline.
async fn feed(child: &mut Child, message: &[u8], deadline: Duration) -> Ran {
    let mut input = child.stdin.take();
    let complaints = child.stderr.take();
    let mut fed = false;
    let mut words = Vec::new();
    let mut heard = complaints.is_none();
    let status = {
        let running = async {
            let feeding = async {
                if let Some(pipe) = &mut input {
                    // A program that stops reading says why in its status.
                    fed = pipe.write_all(message).await.is_ok();
                }
                // The end of the input is what a final dot is to a server.
                drop(input.take());
            };
            let ((), status) = tokio::join!(feeding, child.wait());
            status.ok()
        };
        let listening = async {
            if let Some(pipe) = complaints {
                listen(pipe, &mut words).await;
            }
        };
        tokio::pin!(running, listening);
        let both = async {
            loop {
                tokio::select! {
                    status = &mut running => break status,
                    () = &mut listening, if !heard => heard = true,
                }
            }
        };
        let status = tokio::time::timeout(deadline, both).await.ok().flatten();
        if !heard {
            // A process that the command left behind may hold stderr open: no long wait.
            let _heard = tokio::time::timeout(LAST_WORDS, listening).await;
        }
        status
    };
    if status.is_none() {
        // Killed before its input ends, so that it cannot take half a message for a whole one.
        let _killed = child.kill().await;
    }
    drop(input);
    Ran {
        status,
        fed,
        words: clean(&String::from_utf8_lossy(&words)),
    }
}

/// Reads all that comes and keeps the beginning: a program that is not read would stop.
async fn listen(mut pipe: impl AsyncRead + Unpin, words: &mut Vec<u8>) {
    let mut room = [0; 1024];
    while let Ok(read @ 1..) = pipe.read(&mut room).await {
        let left = (4 * TEXT_LIMIT).saturating_sub(words.len());
        words.extend_from_slice(&room[..read.min(left)]);
    }
}

/// Sendmail reads the line ends of this machine.
fn unix_lines(bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => {
                lines.extend_from_slice(text);
                lines.push(b'\n');
            }
            None => lines.extend_from_slice(line),
        }
    }
    lines
}
