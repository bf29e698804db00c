//! What a channel's reply means: for the post, for the channel, and for the contact.
//!
//! The figures are those of mails. The channel that failed is never told of it: the contact is,
//! by a note, once a day for each kind of trouble.

use chrono::{DateTime, Duration, Utc};

use super::LineState;
use super::channel::Reply;
use crate::delivery::desk::Desk;
use crate::delivery::jitter;
use crate::delivery::notes::Draft;
use crate::domain::language::{Text, text};
use crate::domain::retry::{self, AfterDeferral, Outage, Patience};
use crate::store::outbox::Claimed;
use crate::store::settle::Settlement;

/// What the contact is told of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It refuses posts.
    Refused,
    /// Nobody knows whether a post arrived, once too often.
    Unsure,
    /// It has put a post off for a day.
    Deferred,
    /// … for five days.
    Failed,
}

impl LineState {
    /// Judges a reply to a post.
    pub(super) fn judge(
        &mut self,
        reply: &Reply,
        mail: &Claimed,
        subject: &str,
        now: DateTime<Utc>,
    ) -> (Settlement, Option<Trouble>) {
        match reply {
            Reply::Taken(_) => {
                self.circuit.close();
                self.not_before = None;
                let subject = subject.to_owned();
                (
                    Settlement::Sent {
                        subject,
                        body: None,
                    },
                    None,
                )
            }
            Reply::Never(_) => {
                self.circuit.close();
                (Settlement::Parked, Some(Trouble::Refused))
            }
            Reply::Later(why, asked) => {
                match asked {
                    Some(patience) => self.not_before = Some(now + *patience),
                    None => {
                        self.circuit.fail(Outage::Unreachable, why, now);
                    }
                }
                later(mail, *asked, now)
            }
            Reply::Lost(why) => {
                self.circuit.fail(Outage::Unreachable, why, now);
                match retry::after_doubt(mail.doubts + 1, now) {
                    Some(next_at) => (Settlement::InDoubt { next_at }, None),
                    None => (Settlement::StuckInDoubt, Some(Trouble::Unsure)),
                }
            }
        }
    }
}

fn later(
    mail: &Claimed,
    asked: Option<Duration>,
    now: DateTime<Utc>,
) -> (Settlement, Option<Trouble>) {
    let since = mail.deferred_since.unwrap_or(now);
    let spread = jitter(mail.no, mail.fence);
    match retry::after_deferral(mail.deferrals + 1, since, now, spread) {
        AfterDeferral::Again(at, patience) => {
            let next_at = asked.map_or(at, |asked| now + asked);
            let trouble = match patience {
                Patience::Normal => None,
                Patience::Exhausted => Some(Trouble::Deferred),
            };
            (Settlement::Deferred { next_at }, trouble)
        }
        AfterDeferral::GiveUp => (Settlement::Failed, Some(Trouble::Failed)),
    }
}

impl Trouble {
    fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unsure => "unsure",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
        }
    }

    /// The note to the contact about a channel, `#name`.
    pub(super) fn note(self, channel: &str, said: &str, desk: &Desk, now: DateTime<Utc>) -> Draft {
        let day = desk.calendar.date(now);
        let what = match self {
            Self::Refused => text!(
                "The channel {channel} refuses what it is told. That post is put aside and not tried again by itself.",
                "Le canal {channel} refuse ce qui lui est envoyé. Ce message est mis de côté et n’est pas retenté de lui-même."
            ),
            Self::Unsure => text!(
                "Three times the channel {channel} did not answer to a post, and may have taken it each time. It is put aside.",
                "Trois fois, le canal {channel} n’a pas répondu à un message, et a pu le prendre à chaque fois. Il est mis de côté."
            ),
            Self::Deferred => text!(
                "For 24 hours the channel {channel} has not taken a post. It is still being tried.",
                "Depuis 24 heures, le canal {channel} ne prend pas un message. Les essais continuent."
            ),
            Self::Failed => text!(
                "For five days the channel {channel} did not take a post. It is given up; the next one will be tried again.",
                "Pendant cinq jours, le canal {channel} n’a pas pris un message. Il est abandonné ; le prochain sera tenté de nouveau."
            ),
        };
        Draft {
            kind: "note_channel",
            cause: format!("channel:{channel}:{}:{day}", self.word()),
            subject: text!(
                "The channel {channel} takes no posts",
                "Le canal {channel} ne prend pas les messages"
            ),
            body: [Some(what), answered(said), Some(act(channel))]
                .into_iter()
                .flatten()
                .collect(),
        }
    }
}

fn answered(said: &str) -> Option<Text> {
    (!said.is_empty()).then(|| text!("It was said: {said}", "Réponse : {said}"))
}

fn act(channel: &str) -> Text {
    text!(
        "Mails are not concerned: every reminder goes on leaving by mail. `jetond check --online` and `jetond send-test '{channel}'` show what is wrong; `jetond outbox retry` posts again.",
        "Les courriels ne sont pas concernés : chaque rappel continue de partir par courriel. `jetond check --online` et `jetond send-test '{channel}'` montrent ce qui ne va pas ; `jetond outbox retry` publie de nouveau."
    )
}
