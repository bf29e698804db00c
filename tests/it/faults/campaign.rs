//! What all scenarios share: their form, both processors, and a row of the table each.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::oracle::Judged;

/// How much of a scenario is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Short,
    Long,
}

impl Form {
    /// Long where `JETOND_FAULTS=long`, as `tests/faults.sh --long` says it.
    pub(super) fn asked_for() -> Self {
        match std::env::var_os("JETOND_FAULTS") {
            Some(form) if form == "long" => Self::Long,
            Some(_) | None => Self::Short,
        }
    }

    pub(super) fn of<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// As many at once as there are processors; the results are in order.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let hands = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    each_by(hands, items, work)
}

/// So many at once, for what mostly waits.
pub(super) fn each_by<T: Sync, R: Send>(
    hands: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let hand = || {
            let mut done = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(n) else {
                    return done;
                };
                done.push((n, work(item)));
            }
        };
        let hands: Vec<_> = (0..hands).map(|_| scope.spawn(hand)).collect();
        let joined = hands.into_iter().map(|h| h.join());
        // A panic of one is the panic of all.
        joined
            .flat_map(|done| done.unwrap_or_else(|why| std::panic::resume_unwind(why)))
            .collect()
    });
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Writes a scenario's row, where somebody asked for the table, and fails if a rule is broken.
pub(super) fn tell(scenario: &str, cycles: usize, judged: &Judged) {
    let verdict = if judged.broken.is_empty() {
        "held"
    } else {
        "BROKEN"
    };
    let row = format!(
        "{scenario}\t{cycles}\t{}\t{}\t{}\t{}\t{}\t{}\t{verdict}\n",
        judged.mails,
        judged.lost,
        judged.repeated,
        judged.allowed_repeats,
        judged.falsely_sent,
        judged.told,
    );
    if let Some(table) = std::env::var_os("JETOND_FAULTS_TABLE") {
        let mut table = std::fs::File::options().append(true).open(table).unwrap();
        table.write_all(row.as_bytes()).unwrap();
    }
    let broken = judged.broken.join("\n");
    assert!(judged.broken.is_empty(), "{row}{broken}");
}
