//! Nobody reads what the program says: stdout and stderr closed, full, or a pipe without a
//! reader, with a log that is told to be verbose.
//!
//! Mails leave all the same, and no word of the log ends up in a file of the store.

use super::campaign::{each, tell};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, Site, ended_in};
use crate::support::smtp_server::Script;

const MAILS: usize = 10;

/// How a shell starts the program, and what a run may end in: where the answer itself cannot be
/// written, the run says so.
const STREAMS: [(&str, &[i32]); 9] = [
    ("exec \"$@\" >&-", &[0, 1]),
    ("exec \"$@\" 2>&-", &[0]),
    ("exec \"$@\" >&- 2>&-", &[0, 1]),
    ("exec \"$@\" <&- >&- 2>&-", &[0, 1]),
    ("exec \"$@\" >/dev/full", &[0, 1]),
    ("exec \"$@\" 2>/dev/full", &[0]),
    ("exec \"$@\" >/dev/full 2>/dev/full", &[0, 1]),
    (
        "{ \"$@\"; echo $? >code; } | true; exit $(cat code)",
        &[0, 1],
    ),
    (
        "{ \"$@\" 2>&1 >/dev/null; echo $? >code; } | true; exit $(cat code)",
        &[0],
    ),
];

fn unheard(stream: usize) -> Option<Judged> {
    let (shell, codes) = STREAMS[stream];
    let lanes = Lanes::ALL[stream % Lanes::ALL.len()];
    let mut site = Site::new(Script::new(), MAILS, lanes)?;
    site.run_through(&["env", "RUST_LOG=trace", "sh", "-c", shell, "sh"]);
    let ended = ended_in(&site.once(), codes);
    let left = site.server.count();
    site.run_through(&[]);
    let settled = site.settle();
    let mut judged = oracle::judge(&site, Allowed::default())
        .and(ended)
        .and(settled);
    if left != MAILS {
        judged
            .broken
            .push(format!("{left} of {MAILS} left while nobody listened"));
    }
    Some(judged.at(shell))
}

#[test]
fn nobody_reads_what_it_says() {
    let cases: Vec<usize> = (0..STREAMS.len()).collect();
    let done = each(&cases, |stream| unheard(*stream));
    let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    tell("streams", cases.len(), &Judged::sum(done));
}
