//! The scheduler's wake-ups: each minute, in UTC, on a thread of their own.
//!
//! The scheduler looks at its jobs twice a second for as long as it runs. It is let run only
//! around the next full minute: its runtime stands still in between, so that an idle daemon
//! sleeps. A wake-up is a hint and no more; without any the loops wake by themselves.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// At second 0 of each minute.
const EACH_MINUTE: &str = "0 * * * * *";

/// The scheduler sees within half a second that its time has come; what takes longer than this
/// has been missed, and is looked for anew.
const PATIENCE: Duration = Duration::from_secs(3);

/// Standing still for longer would miss a minute, for less would be running.
const STILL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The wake-ups; they end with this.
#[derive(Debug)]
pub(super) struct Wakeups {
    // Its end is what the thread waits for.
    _end: Sender<()>,
}

impl Wakeups {
    /// Wakes whoever waits for `hint`, each minute from now on; `None` where the scheduler does
    /// not start, which is logged.
    pub(super) fn start(hint: impl Fn() + Send + Sync + 'static) -> Option<Self> {
        let (end, ended) = channel::<()>();
        let started = std::thread::Builder::new()
            .name("scheduler".to_owned())
            .spawn(move || {
                if let Err(e) = run(EACH_MINUTE, hint, |still| {
                    ended.recv_timeout(still) == Err(RecvTimeoutError::Timeout)
                }) {
                    tracing::error!(error = %e, "the scheduler ended; passes come by themselves");
                }
            });
        match started {
            Ok(_) => Some(Self { _end: end }),
            Err(e) => {
                tracing::error!(error = %e, "the scheduler did not start; passes come by themselves");
                None
            }
        }
    }
}

/// Why there are no wake-ups.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Runtime(#[from] std::io::Error),
    #[error(transparent)]
    Scheduler(#[from] JobSchedulerError),
}

/// Wakes until `sleep` says that it is over.
fn run(
    when: &str,
    hint: impl Fn() + Send + Sync + 'static,
    sleep: impl Fn(Duration) -> bool,
) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let fired = Arc::new(Notify::new());
    let mut scheduler = runtime.block_on(schedule(when, hint, Arc::clone(&fired)))?;
    while sleep(until_next(&runtime, &mut scheduler)?) {
        // Missed or not: the next look says when the next one is.
        let _missed =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, fired.notified()).await });
    }
    Ok(())
}

async fn schedule(
    when: &str,
    hint: impl Fn() + Send + Sync + 'static,
    fired: Arc<Notify>,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let job = Job::new(when, move |_, _| {
        hint();
        fired.notify_one();
    })?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

/// For how long the scheduler may stand still.
fn until_next(runtime: &Runtime, scheduler: &mut JobScheduler) -> Result<Duration, Failed> {
    let next = runtime.block_on(scheduler.time_till_next_job())?;
    let (least, most) = STILL;
    Ok(next.unwrap_or(most).clamp(least, most))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_scheduler_fires_on_time_though_it_stands_still_before() {
        let count = Arc::new(AtomicUsize::new(0));
        let fired = Arc::clone(&count);
        let slept = std::cell::RefCell::new(Vec::new());
        // It sleeps for real, a second each time: that the scheduler goes by its own clock is the
        // point.
        run(
            "* * * * * *",
            move || {
                fired.fetch_add(1, Ordering::SeqCst);
            },
            |still| {
                slept.borrow_mut().push(still);
                std::thread::sleep(still);
                slept.borrow().len() < 3
            },
        )
        .unwrap();
        // Twice it was let run, and each time the second had come.
        assert!(count.load(Ordering::SeqCst) >= 2, "{slept:?}");
    }
}
