//! The command line as its users meet it: the real program, its words, codes and documents.

mod backup;
pub(crate) mod faults;
mod import;
mod nagios;
mod permissions;
mod place;
mod promises;
mod restore;
mod room;
pub(crate) mod snapshots;
mod starts;
mod terminal;
mod town_year;
mod upgrade;
mod verbs;
mod write_config;
