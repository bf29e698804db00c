//! The fault campaign: the real program as a black box, one fault after another, and after each
//! the oracle, which reads the record and the server's log together.
//!
//! Each scenario has a short form, which the tests run, and a long one, by `tests/faults.sh`.
//! It needs a clock that goes on (libfaketime), so all of it is left out without
//! `JETOND_TEST_REAL=1`. What a scenario expects is in [`oracle::Allowed`]; a broken rule fails
//! the test and shows in the table.

pub(crate) mod campaign;
mod clock;
mod corrupt;
mod disk;
mod io;
mod kill;
mod locked;
mod oracle;
mod phases;
mod poison;
mod replaced;
mod site;
mod stop;
mod storm;
mod streams;
pub(crate) mod syscalls;
