//! Behaviour, through public seams: one crate, with its own support.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails by panicking"
)]

mod agenda;
mod any_history;
mod board;
mod bodies;
mod bounces;
mod calendar_exhaustive;
mod claims;
mod cli;
mod clock;
mod config;
mod config_refused;
mod coverage;
mod datapass;
mod deliverability;
mod delivery;
mod demo;
mod documents;
mod doubts;
mod endurance;
mod faults;
mod flights;
mod fuzz;
mod heartbeat;
mod hold_notes;
mod in_flight;
mod jwt;
mod kill;
mod layout;
mod mail;
mod oracle;
mod package;
mod pages;
mod plans;
mod posts;
mod privacy;
mod probe;
mod real_postfix;
mod real_servers;
mod restored;
mod smtp;
mod storm;
mod support;
mod systemd;
mod tells;
mod verbs;
mod ways_out;
mod web;
mod whole_life;
mod year_of_mornings;
