//! Behaviour, through public seams: one crate, with its own support.

mod calendar_exhaustive;
mod oracle;
mod mail;
mod config;
mod config_refused;
