//! The loops: one plans, one delivers, one posts, one asks API Entreprise.
//!
//! Each iteration is one public step of the [`Gate`](crate::app::gate::Gate), which looks at the
//! clock and has the [`Rig`](crate::app::Rig) do it; a loop only waits, logs and stops. What
//! fails is tried again at the next wake-up.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::app::Rig;
use crate::clock;
use crate::daemon::{Shared, status};
use crate::health::Checkup;
use crate::heartbeat::Pulse;
use crate::meter::Ended;
use crate::store::error::StoreError;
use crate::systemd;

/// Without a hint for this long, the tick comes by itself.
pub(super) const WITHOUT_A_HINT: Duration = Duration::from_secs(90);

/// Mails with a time of their own (a retry, a probe) are looked at this often.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// Whether a token is to be asked about is looked up this often.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Where more are due, the next few are asked about after this.
const ASK_SOON: Duration = Duration::from_secs(1);

pub(super) async fn tick_loop(shared: Arc<Shared>) {
    while !shared.stopping.is_cancelled() {
        // Asked before the rig: a pass counts for a reload only if it began after it.
        let generation = shared.generation();
        let rig = shared.rig();
        let passed = shared.gate.tick(&rig, clock::reading()).await;
        let (now, ticked) = (passed.at, passed.done);
        shared.watch.clock(passed.hold);
        let said = ticked.as_ref().map(drop).map_err(ToString::to_string);
        let is_good = ticked.is_ok();
        shared.showing.meter.passed(now, Ended::of(&ticked));
        shared.watch.pass(said, now);
        match ticked {
            Ok(done) => {
                if done.owed > 0 || done.absorbed > 0 {
                    tracing::info!(owed = done.owed, absorbed = done.absorbed, "planned");
                }
                // A date that is not believed is nothing to report by.
                if passed.hold.is_none()
                    && let Err(e) = tell(&shared, &rig, now).await
                {
                    shared.watch.no_room(&e, now);
                    tracing::error!(error = %e, "a note could not be queued; it is tried again");
                }
                shared.mail_hint.notify_one();
            }
            Err(e) => {
                shared.watch.no_room(&e, now);
                tracing::error!(error = %e, "a tick failed; it is tried again");
            }
        }
        let found = shared.watch.look(&rig, now).await;
        if let Some(heartbeat) = &rig.heartbeat
            && (is_good || !found.ills.is_empty())
        {
            let pulse = Pulse::of(&found.ills, now);
            shared.beats.leave(heartbeat, pulse, now);
        }
        if let Err(e) = rig.herald.alarm(&found.ills, now).await {
            shared.watch.no_room(&e, now);
            tracing::error!(error = %e, "channels could not be told what is wrong; it is tried again");
        }
        shared.post_hint.notify_one();
        let uncovered = found.vitals.as_ref().map(|v| v.uncovered.len());
        tracing::debug!(ills = found.ills.len(), uncovered, "a pass");
        let desk = &rig.sender.clerk().desk;
        let reloaded = shared.reloaded();
        systemd::status(&status::line(
            &found,
            reloaded.as_ref(),
            &desk.calendar,
            desk.language,
            now,
        ));
        shared.showing.bulletin.put(Checkup {
            at: now,
            vitals: found.vitals,
            ills: found.ills,
        });
        shared.passed.send_replace(generation);
        let pause = shared.watch.look_again_in().unwrap_or(WITHOUT_A_HINT);
        tokio::select! {
            () = shared.tick_hint.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = shared.stopping.cancelled() => {}
        }
    }
}

/// What the watch tells of itself, after a pass that was written.
async fn tell(shared: &Shared, rig: &Rig, now: DateTime<Utc>) -> Result<(), StoreError> {
    rig.tell(now).await?;
    if let Some(since) = shared.watch.full_since() {
        let store = &rig.sender.clerk().store;
        rig.teller.disk(store, since, now).await?;
        shared.watch.room_again();
    }
    Ok(())
}

/// Posts leave beside the mails, and never before them.
pub(super) async fn post_loop(shared: Arc<Shared>) {
    while !shared.stopping.is_cancelled() {
        let rig = shared.rig();
        if !rig.herald.is_empty() {
            let passed = shared.gate.post(&rig, clock::reading()).await;
            if let Err(e) = passed.done {
                shared.watch.no_room(&e, passed.at);
                tracing::error!(error = %e, "posting failed; it is tried again");
            }
        }
        // A pass comes each minute at least, and hints.
        let again = async {
            if rig.herald.is_empty() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        tokio::select! {
            () = shared.post_hint.notified() => {}
            () = again => {}
            () = shared.stopping.cancelled() => {}
        }
    }
}

/// API Entreprise is asked beside all that: neither a pass nor a mail waits for its answers. What
/// is due is looked up anew each minute, so that a renewal or another clock counts at once.
pub(super) async fn probe_loop(shared: Arc<Shared>) {
    while !shared.stopping.is_cancelled() {
        let rig = shared.rig();
        let mut pause = ASK_AGAIN;
        if !rig.asker.is_empty() {
            let passed = shared.gate.ask(&rig, clock::reading()).await;
            match passed.done {
                Ok(asked) => {
                    if asked.calls > 0 {
                        // What follows may be told by a note.
                        shared.mail_hint.notify_one();
                    }
                    if let Some(next) = asked.next {
                        let until = (next - passed.at).to_std().unwrap_or_default();
                        pause = until.clamp(ASK_SOON, ASK_AGAIN);
                    }
                }
                Err(e) => {
                    shared.watch.no_room(&e, passed.at);
                    tracing::error!(error = %e, "API Entreprise could not be asked; it is tried again");
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.stopping.cancelled() => {}
        }
    }
}

pub(super) async fn delivery_loop(shared: Arc<Shared>) {
    while !shared.stopping.is_cancelled() {
        let rig = shared.rig();
        let passed = shared.gate.deliver(&rig, clock::reading()).await;
        let (now, stepped) = (passed.at, passed.done);
        let said = stepped.as_ref().map(drop).map_err(ToString::to_string);
        shared.watch.delivery(said, now);
        match stepped {
            // There may be more: look again at once, at the time that it is then.
            Ok(step) if step.claimed > 0 => {
                shared.showing.meter.delivered(now);
                // What waited for one of these mails is taken up by a tick.
                shared.tick_hint.notify_one();
                continue;
            }
            Ok(_) => shared.showing.meter.delivered(now),
            Err(e) => {
                shared.watch.no_room(&e, now);
                tracing::error!(error = %e, "a delivery failed; it is tried again");
            }
        }
        // A quota by the second leaves room sooner.
        let pause = rig
            .sender
            .shortest_quota()
            .map_or(LOOK_AGAIN, |span| span.min(LOOK_AGAIN));
        tokio::select! {
            () = shared.mail_hint.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = shared.stopping.cancelled() => {}
        }
    }
}
