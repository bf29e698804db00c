//! The three ways out, behind one enum.
//!
//! Every way sends in two steps, so that the outbox has one path: `offer` does what leaves no
//! trace, `complete` is the point of no return before which *in doubt* is committed. A file is
//! never in doubt: it is there whole or not at all, and a repeat overwrites it.

pub mod file;
mod sendmail;

pub use self::file::FileTransport;
pub use self::sendmail::SendmailTransport;
use std::time::Instant;

use crate::config::{Deadlines, Transport};
use crate::delivery::outcome::{Outcome, Outgoing, RelayFault};
use crate::delivery::smtp::{Completed, Relay, Session};

/// Where mails go, prepared once from the configuration.
#[derive(Debug, Clone)]
pub enum Way {
    /// One file a mail.
    File(FileTransport),
    /// A relay over SMTP.
    Smtp(Box<Relay>),
    /// A local command.
    Sendmail(SendmailTransport),
}

impl Way {
    /// Prepares the configured way; blocks on the disk.
    ///
    /// # Errors
    /// The directory cannot be used, or no trusted authority could be read.
    pub fn prepare(transport: &Transport) -> Result<Self, RelayFault> {
        Ok(match transport {
            Transport::File { directory } => Self::File(FileTransport::open(directory)?),
            Transport::Smtp(settings) => Self::Smtp(Box::new(Relay::prepare(settings)?)),
            Transport::Sendmail { command } => {
                let deadline = Deadlines::default().dot;
                Self::Sendmail(SendmailTransport::new(command, deadline))
            }
        })
    }

    /// Makes a courier: for SMTP it connects, with the configured account if there is one; the
    /// other ways have nothing to open.
    ///
    /// # Errors
    /// The relay cannot be used now.
    pub async fn open(&self) -> Result<Courier, RelayFault> {
        Ok(match self {
            Self::File(files) => Courier::File(files.clone()),
            Self::Smtp(relay) => {
                let password = relay.password()?;
                let session = Session::open(relay, password.as_ref()).await?;
                Courier::Smtp(Box::new(session))
            }
            Self::Sendmail(command) => Courier::Sendmail(command.clone()),
        })
    }
}

/// Carries one mail after another.
#[derive(Debug)]
pub enum Courier {
    /// Writes files.
    File(FileTransport),
    /// Talks to a relay.
    Smtp(Box<Session>),
    /// Runs a command for each mail.
    Sendmail(SendmailTransport),
}

impl Courier {
    /// First step: as far as can be gone without the mail being taken.
    ///
    /// # Errors
    /// What the attempt came to; never accepted, never in doubt.
    pub async fn offer(&mut self, mail: &Outgoing<'_>) -> Result<(), Outcome> {
        match self {
            Self::Smtp(session) => session.offer(mail).await,
            Self::File(_) | Self::Sendmail(_) => Ok(()),
        }
    }

    /// Second step, after *in doubt* is committed. A relay that offers PIPELINING is asked about
    /// `next` in the same write; the other ways have nothing to ask, and answer nothing about it.
    pub async fn complete(
        &mut self,
        mail: &Outgoing<'_>,
        next: Option<&Outgoing<'_>>,
    ) -> Completed {
        let outcome = match self {
            Self::Smtp(session) => return session.complete(mail, next).await,
            Self::File(files) => files.deliver(mail).await,
            Self::Sendmail(command) => command.deliver(mail).await,
        };
        Completed::alone(outcome)
    }

    /// When the last final dot was answered, where that is known.
    pub fn answered(&self) -> Option<Instant> {
        match self {
            Self::Smtp(session) => session.answered(),
            Self::File(_) | Self::Sendmail(_) => None,
        }
    }

    /// Whether another mail can be offered.
    pub fn is_usable(&mut self) -> bool {
        match self {
            Self::Smtp(session) => session.is_usable(),
            Self::File(_) | Self::Sendmail(_) => true,
        }
    }

    /// Leaves an offered mail unsent.
    pub fn abandon(self) {
        if let Self::Smtp(session) = self {
            session.abandon();
        }
    }

    /// Takes leave.
    pub async fn quit(self) {
        if let Self::Smtp(session) = self {
            session.quit().await;
        }
    }
}
