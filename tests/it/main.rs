//! Behaviour, through public seams: one crate, with its own support.

mod calendar_exhaustive;
mod config;
mod config_refused;
mod mail;
mod oracle;
mod smtp;
mod support;
