//! A mail's two steps on a session, and how the envelope of the next one rides behind the first.
//!
//! With PIPELINING (RFC 2920) MAIL, RCPT and DATA leave in one write, behind the final dot of the
//! mail before if there is one; every reply is read, in order, each under the deadline of its
//! phase. Invariants: *accepted* is the 250 that stands in the place of the dot's reply; when a
//! later reply cannot belong to its command, that place is in doubt; bytes beyond what is owed
//! end the session. Which row of the table a reply falls under is `reply`'s matter.

use std::time::{Duration, Instant};

use super::envelope::Lines;
use super::reply::{Class, Phase, Said, class, outcome};
use super::wire::{Fault, within};
use super::{Session, State, body, envelope, misused};
use crate::delivery::outcome::{Outcome, Outgoing, RelayFault, RelayFaultKind, clean};

/// Slowest pace of a message that is still waited for, in bytes a second.
const SLOWEST: u64 = 500;

/// What came of [`Session::complete`].
#[derive(Debug)]
pub struct Completed {
    /// What became of the mail.
    pub outcome: Outcome,
    /// What became of the next one's envelope: offered, or its own outcome. `None`: there was no
    /// next one, or the connection ended before the server said anything to it: nothing is known
    /// against it.
    pub next: Option<Result<(), Outcome>>,
}

impl Completed {
    /// Nothing came of a next mail.
    pub fn alone(outcome: Outcome) -> Self {
        let next = None;
        Self { outcome, next }
    }
}

/// Why an envelope was not taken.
#[derive(Debug)]
struct Refusal {
    outcome: Outcome,
    standing: Standing,
}

/// Where a refusal leaves the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The next reply, or the next command, comes as it should.
    Open,
    /// The server left, or said that it does, before a word about this mail: it has had enough
    /// of this connection.
    Unheard,
    /// The connection cannot go on.
    Ended,
    /// That reply cannot be to that command: replies may be off by one.
    Misplaced,
}

impl Refusal {
    fn ends(&self) -> bool {
        self.standing != Standing::Open
    }

    /// As told about a mail whose envelope left behind another one's dot.
    fn of_next(self) -> Option<Result<(), Outcome>> {
        (self.standing != Standing::Unheard).then_some(Err(self.outcome))
    }
}

/// What two replies in turn came to: the first refusal counts for the mail, the last one for the
/// conversation.
fn both(before: Result<(), Refusal>, after: Result<(), Refusal>) -> Result<(), Refusal> {
    match (before, after) {
        (Err(first), Err(last)) => Err(Refusal {
            outcome: first.outcome,
            standing: last.standing,
        }),
        (before, after) => before.and(after),
    }
}

impl Session {
    /// Offers a mail up to the 354: MAIL, RCPT and DATA, in one write when PIPELINING is
    /// offered. On `Ok` the caller commits *in doubt*, then completes.
    ///
    /// # Errors
    /// What the attempt came to; never [`Outcome::Accepted`] nor [`Outcome::InDoubt`]. The
    /// session may be usable for the next mail: ask [`Session::is_usable`].
    pub async fn offer(&mut self, mail: &Outgoing<'_>) -> Result<(), Outcome> {
        if self.state != State::Ready {
            return Err(misused("a mail was offered on a session that is not free"));
        }
        self.try_offer(mail)
            .await
            .map_err(|refusal| refusal.outcome)
    }

    /// Writes the offered mail's message and final dot and, behind it, the envelope of `next`;
    /// reads what the server makes of both. Without PIPELINING `next` is offered afterwards.
    pub async fn complete(
        &mut self,
        mail: &Outgoing<'_>,
        next: Option<&Outgoing<'_>>,
    ) -> Completed {
        if self.state != State::Offered(mail.id) {
            self.state = State::Spent;
            let what = "a mail was completed that had not been offered";
            return Completed::alone(misused(what));
        }
        self.state = State::Spent;
        self.out.clear();
        body::append_with_final_dot(mail.bytes, &mut self.out);
        let dot = self.out.len();
        let behind = match next {
            Some(next) if self.extensions.pipelining => {
                let lines = envelope::append(&self.extensions, next, &mut self.out);
                Some(lines.map(|_| next.id))
            }
            Some(_) | None => None,
        };
        let handed_over = self.hand_over(mail.bytes.len(), dot).await;
        if let Err(outcome) = handed_over {
            return Completed::alone(outcome);
        }
        let said = self.wire.reply(self.deadlines.dot).await;
        self.answered = Some(Instant::now());
        let outcome = match said {
            Ok(said) => match class(Phase::Dot, said.code) {
                // Whatever the server still says is for a connection that it closes.
                class if said.code == 421 => {
                    return Completed::alone(outcome(Phase::Dot, class, &said.raw()));
                }
                class => outcome(Phase::Dot, class, &said.raw()),
            },
            Err(fault) => return Completed::alone(in_doubt(&fault)),
        };
        if let Outcome::InDoubt(_) = outcome {
            return Completed::alone(outcome);
        }
        match (behind, next) {
            (Some(Ok(id)), _) => self.behind_the_dot(outcome, id).await,
            (Some(Err(refused)), _) => Completed {
                outcome: self.end_of_replies(outcome),
                next: Some(Err(refused)),
            },
            (None, None) => Completed::alone(self.end_of_replies(outcome)),
            (None, Some(next)) => {
                let outcome = self.end_of_replies(outcome);
                if self.state != State::Ready {
                    return Completed::alone(outcome);
                }
                let next = match self.try_offer(next).await {
                    Ok(()) => Some(Ok(())),
                    Err(refusal) => refusal.of_next(),
                };
                Completed { outcome, next }
            }
        }
    }

    /// Writes what was prepared, of which the message with its final dot is the first `dot`
    /// bytes.
    async fn hand_over(&mut self, size: usize, dot: usize) -> Result<(), Outcome> {
        self.wire.tell_message(size);
        self.wire.tell_lines(&self.out[dot..]);
        let limit = body_limit(self.deadlines.body, self.out.len());
        let before = self.wire.handed_over();
        let written = within(limit, async {
            // A server that went away meanwhile has not got the dot: nothing is in doubt.
            self.wire.expect_silence()?;
            self.wire.write(&self.out).await
        })
        .await;
        let Err(fault) = written else {
            return Ok(());
        };
        if self.wire.handed_over() - before >= dot as u64 {
            return Err(in_doubt(&fault));
        }
        let fault = fault.in_phase(Phase::Data);
        let detail = format!("before the message was handed over: {}", fault.detail);
        Err(Outcome::Relay(RelayFault::new(fault.kind, &detail)))
    }

    /// The outcome after the dot's reply, when no further one is owed; the session is free then,
    /// unless the server has more to say.
    fn end_of_replies(&mut self, outcome: Outcome) -> Outcome {
        match self.wire.expect_silence() {
            Ok(()) => {
                self.state = State::Ready;
                outcome
            }
            Err(Fault::Closed | Fault::Broken(_) | Fault::Closing(_)) => outcome,
            // Two answers to one message: the first may be to something earlier.
            Err(fault @ (Fault::Deadline(_) | Fault::Malformed(_) | Fault::Unsolicited(_))) => {
                in_doubt(&fault)
            }
        }
    }

    /// Reads the replies to the envelope of the mail with this id, which left behind the dot that
    /// `outcome` answers.
    async fn behind_the_dot(&mut self, outcome: Outcome, id: i64) -> Completed {
        let mail = self.hear(Phase::Mail).await;
        match self.rest_of_envelope(mail).await {
            Ok(()) => {
                self.state = State::Offered(id);
                let next = Some(Ok(()));
                Completed { outcome, next }
            }
            Err(refusal) if refusal.standing == Standing::Misplaced => Completed {
                outcome: Outcome::InDoubt(clean(&format!(
                    "after the final dot: {outcome}, then a reply that fits no command: {}",
                    refusal.outcome
                ))),
                next: Some(Err(refusal.outcome)),
            },
            Err(refusal) => Completed {
                outcome,
                next: refusal.of_next(),
            },
        }
    }

    async fn try_offer(&mut self, mail: &Outgoing<'_>) -> Result<(), Refusal> {
        self.out.clear();
        let lines = envelope::append(&self.extensions, mail, &mut self.out);
        let lines = lines.map_err(|outcome| Refusal {
            outcome,
            standing: Standing::Open,
        })?;
        self.state = State::Spent;
        if self.extensions.pipelining {
            let said = self.wire.ask(&self.out, self.deadlines.command).await;
            let said = understand(Phase::Mail, said);
            self.rest_of_envelope(said).await?;
        } else {
            self.one_by_one(lines).await?;
        }
        self.state = State::Offered(mail.id);
        Ok(())
    }

    /// Says the lines of an envelope, each after the reply to the one before.
    async fn one_by_one(&mut self, lines: Lines) -> Result<(), Refusal> {
        for (phase, line) in lines.commands() {
            let limit = self.limit(phase);
            let said = self.wire.ask(&self.out[line], limit).await;
            let Err(refusal) = understand(phase, said) else {
                continue;
            };
            if !refusal.ends() {
                if phase == Phase::Mail {
                    self.free();
                } else {
                    self.reset().await;
                }
            }
            return Err(refusal);
        }
        Ok(())
    }

    /// Reads the replies to RCPT and DATA, which are owed whatever MAIL was answered, and frees
    /// the session after a refusal.
    async fn rest_of_envelope(&mut self, mail: Result<(), Refusal>) -> Result<(), Refusal> {
        let begun = mail.is_ok();
        let (told, named) = self.hear_also(mail, Phase::Rcpt).await?;
        let (told, open) = self.hear_also(told, Phase::Data).await?;
        let Err(refusal) = told else {
            return self.wire.expect_nothing_read().map_err(|fault| Refusal {
                outcome: Outcome::Relay(fault.in_phase(Phase::Data)),
                standing: Standing::Ended,
            });
        };
        match (open, named) {
            // The server waits for a message to nobody: it gets an empty one (RFC 2920 §3.1).
            (true, false) => self.say_dot_alone().await,
            // An empty message would reach someone: only leaving is left.
            (true, true) => {}
            (false, _) if begun => self.reset().await,
            (false, _) => self.free(),
        }
        Err(refusal)
    }

    /// Reads the reply to a further command of an envelope; tells what it came to so far, and
    /// whether this reply was what was hoped for.
    async fn hear_also(
        &mut self,
        before: Result<(), Refusal>,
        phase: Phase,
    ) -> Result<(Result<(), Refusal>, bool), Refusal> {
        let before = match before {
            Err(refusal) if refusal.ends() => return Err(refusal),
            before => before,
        };
        let heard = self.hear(phase).await;
        let positive = heard.is_ok();
        match both(before, heard) {
            Err(refusal) if refusal.ends() => Err(refusal),
            told => Ok((told, positive)),
        }
    }

    async fn hear(&mut self, phase: Phase) -> Result<(), Refusal> {
        let limit = self.limit(phase);
        understand(phase, self.wire.reply(limit).await)
    }

    fn limit(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Data => self.deadlines.data,
            Phase::Dot => self.deadlines.dot,
            Phase::Greeting
            | Phase::Hello
            | Phase::Starttls
            | Phase::Auth
            | Phase::Mail
            | Phase::Rcpt => self.deadlines.command,
        }
    }

    /// Ends the transaction that a refused command has left open.
    async fn reset(&mut self) {
        let limit = self.deadlines.command;
        let said = self.wire.ask(b"RSET\r\n", limit).await;
        if said.is_ok_and(|said| said.code / 100 == 2) {
            self.free();
        }
    }

    /// Ends a message before its first byte. Nobody was named for it, so whatever is answered is
    /// about nothing.
    async fn say_dot_alone(&mut self) {
        let limit = self.deadlines.dot;
        let said = self.wire.ask(b".\r\n", limit).await;
        if said.is_ok_and(|said| said.code != 421 && said.code / 100 != 3) {
            self.free();
        }
    }

    /// Takes further mails, unless the server has said more than it was asked.
    fn free(&mut self) {
        if self.wire.expect_nothing_read().is_ok() {
            self.state = State::Ready;
        }
    }
}

/// What a reply to a command of the envelope, or its absence, means.
fn understand(phase: Phase, said: Result<Said<'_>, Fault>) -> Result<(), Refusal> {
    let left = if phase == Phase::Mail {
        Standing::Unheard
    } else {
        Standing::Ended
    };
    let said = said.map_err(|fault| Refusal {
        outcome: Outcome::Relay(fault.in_phase(phase)),
        standing: match fault {
            Fault::Closed | Fault::Broken(_) | Fault::Closing(_) => left,
            Fault::Deadline(_) | Fault::Malformed(_) | Fault::Unsolicited(_) => Standing::Ended,
        },
    })?;
    let class = class(phase, said.code);
    let standing = match class {
        Class::Positive => return Ok(()),
        Class::Deferred | Class::Recipient | Class::Parked => Standing::Open,
        Class::Relay(RelayFaultKind::Mail) => Standing::Open,
        Class::Relay(RelayFaultKind::Closing421) => left,
        Class::Relay(_) | Class::InDoubt => Standing::Misplaced,
    };
    Err(Refusal {
        outcome: outcome(phase, class, &said.raw()),
        standing,
    })
}

/// How long a message of this size may take.
fn body_limit(base: Duration, size: usize) -> Duration {
    let pace = u64::try_from(size).unwrap_or(u64::MAX) / SLOWEST;
    base.saturating_add(Duration::from_secs(pace))
}

fn in_doubt(fault: &Fault) -> Outcome {
    Outcome::InDoubt(clean(&format!("after the final dot: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Deadlines;

    #[test]
    fn a_message_may_take_its_base_time_and_its_size_at_the_slowest_pace() {
        let base = Deadlines::default().body;
        assert_eq!(body_limit(base, 0), Duration::from_secs(180));
        assert_eq!(body_limit(base, 50_000), Duration::from_secs(280));
    }
}
