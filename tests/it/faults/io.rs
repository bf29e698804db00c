//! Input and output that fails at random, with libfiu: reads, writes, truncations and syncs of
//! the store's files, none of the sockets.
//!
//! A run may end with 8, or get through; what it could not commit did not leave.

use super::campaign::{Form, each, tell};
use super::oracle::{self, Allowed, Judged};
use super::site::{Lanes, PATIENCE, Site, ended_in};
use crate::support::debian;
use crate::support::smtp_server::Script;

const MAILS: usize = 20;

/// What fails, and with which error: EIO, ENOSPC, EDQUOT.
const FAULTS: [(&str, u32); 8] = [
    ("posix/io/rw/pwrite", 5),
    ("posix/io/rw/pwrite", 28),
    ("posix/io/rw/pwrite", 122),
    ("posix/io/sync/fsync", 5),
    ("posix/io/sync/fdatasync", 5),
    ("posix/io/rw/pread", 5),
    ("posix/io/rw/ftruncate", 5),
    ("posix/io/rw/pwrite/reduce", 0),
];

/// In how many cases of a thousand.
const OFTEN: [u32; 5] = [5, 20, 80, 300, 1000];

fn failing(cycle: usize) -> Option<Judged> {
    let (point, error) = FAULTS[cycle % FAULTS.len()];
    let often = OFTEN[cycle % OFTEN.len()];
    let lanes = Lanes::ALL[cycle % Lanes::ALL.len()];
    let mut site = Site::new(Script::new(), MAILS, lanes)?;
    let root = debian::unpacked(&["libfiu0", "libfaketime"])?;
    let faketime = debian::find(&root.join("usr/lib"), "libfaketimeMT.so.1");
    let fiu = root.join("usr/lib/fiu");
    let preload = format!(
        "LD_PRELOAD={0}/fiu_run_preload.so:{0}/fiu_posix_preload.so:{1}",
        fiu.display(),
        faketime.display()
    );
    let libraries = format!("LD_LIBRARY_PATH={}", root.join("usr/lib").display());
    let enable = format!(
        "FIU_ENABLE=enable_random name={point},probability={},failinfo={error}",
        f64::from(often) / 1000.0
    );
    let (mut broken, mut failed) = (Vec::new(), 0);
    for _ in 0..3 {
        site.run_through(&["env", &preload, &libraries, &enable]);
        let output = site.once();
        failed += usize::from(output.status.code() == Some(8));
        // A disk that never writes a byte may be told as full, damaged or read-only.
        broken.extend(ended_in(&output, &[0, 6, 8]).err());
        site.run_through(&[]);
        site.now += chrono::Duration::minutes(1);
    }
    if often == 1000 && point.ends_with("pwrite") && failed == 0 {
        broken.push("no fault was met".to_owned());
    }
    site.now += PATIENCE;
    let settled = site.settle();
    let allowed = Allowed {
        repeats: 3 * lanes.in_flight(),
        ..Allowed::default()
    };
    let mut judged = oracle::judge(&site, allowed).and(settled);
    judged.broken.extend(broken);
    Some(judged.at(&format!("{point} {error} at {often} ‰, {lanes:?}")))
}

#[test]
fn input_and_output_that_fails_at_random() {
    let cycles: Vec<usize> = (0..Form::asked_for().of(10, 400)).collect();
    let done = each(&cycles, |cycle| failing(*cycle));
    let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    tell("io", 3 * cycles.len(), &Judged::sum(done));
}
