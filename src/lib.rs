//! `jetond` watches over API Entreprise tokens and mails every renewal reminder that is owed.
//!
//! This is the map. The modules stand in reading order; each may import those named behind it,
//! and `tests/it/layout.rs` holds that.
//!
//! - [`domain`]: what a token is, when its reminders are due, what an event does to them. Pure:
//!   no clock, no file, no socket. *(nothing of ours)*
//! - [`clock`]: the one place where the present is read. *(domain)*
//! - [`config`]: the files, checked whole, every error with its line. *(domain)*
//! - [`store`]: every SQL statement; rows in, domain types out. *(domain)*
//! - [`renewal`]: what the file, a person, a link, an import or Data Pass says happened to a token.
//!   *(domain, store)*
//! - [`words`]: what is on record, in the words of both languages. *(domain, renewal, store)*
//! - [`tick`]: due stages become notices and mails, in one transaction. *(domain, store)*
//! - [`tidy`]: retention, once a day. *(domain, store)*
//! - [`http`]: one bounded request to where the operator's file says. *(domain)*
//! - [`meter`]: what delivery and the daemon measure, in memory. *(domain, store)*
//! - [`delivery`]: claim a mail, compose it, send it, record what became of it. *(config, domain,
//!   meter, store; its part `compose`, which only turns facts into bytes: domain)*
//! - [`health`]: whether the watch is well, by promise 1. *(domain, meter, store)*
//! - [`systemd`]: what the service manager is told. *(nothing)*
//! - [`heartbeat`]: tells a monitor elsewhere after each pass. *(config, health, http, meter)*
//! - [`simulate`]: the future, through the same functions. *(delivery, store, tick)*
//! - [`tell`]: what the watch tells by itself: alarms, the weekly report. *(delivery, domain,
//!   health, simulate, store, tick)*
//! - [`posts`]: chat rooms and hooks that are told besides mail. *(config, delivery, domain,
//!   health, http, store)*
//! - [`probe`]: asks API Entreprise what it says of a token. *(config, delivery, domain, http,
//!   renewal, store)*
//! - [`agenda`]: the tokens as a calendar for other programs. *(delivery, domain, store)*
//! - [`web`]: what is answered over HTTP: the shell that bounds every request, the dashboard, the
//!   pages behind the links of mails, Data Pass's webhooks, the calendars, monitoring. *(agenda,
//!   config, delivery, domain, health, meter, renewal, simulate, store, tick, words)*
//! - [`app`]: from a configuration to working parts; the gate and the brake that hold mails
//!   while the clock, or a storm of late mails, needs an answer. *(config, delivery, domain,
//!   health, meter, posts, probe, renewal, store, tell, tick, tidy, web)*
//! - [`daemon`]: the loops, the signals, the reload. *(app, clock, config, delivery, domain,
//!   health, heartbeat, meter, renewal, store, systemd, web)*
//! - [`cli`]: one file per command group. *(all of the above)*
//!
//! Where to start: [`domain::schedule`] decides what is due, [`tick::Planner::tick`] writes it
//! down, [`delivery::sender::Sender::step`] lets it leave. Tick and delivery meet in the store
//! only, and each takes `now`; the rest asks them, shows what they did, or prepares them.
//!
//! # What holds today
//!
//! 1. Nothing owed is forgotten: every due notice has a terminal record or an open mail with a
//!    next time; [`store::coverage`] counts what has neither, and the count must be 0.
//! 2. Sent means accepted: a mail server has answered 250 to that message.
//! 3. At least once, almost exactly once: a crash loses nothing and repeats at most the mails in
//!    flight, with the same Message-ID and the same bytes. One sender per store.
//! 4. No burst: after an outage a recipient gets one mail with the most urgent stage of each
//!    token.
//! 5. No nagging: what was renewed, superseded, revoked or archived is looked at again at the
//!    moment of sending.
//! 6. One reminder mail a day for a recipient; stages 1 and 0 may add a second.
//! 7. On the day, and true when read: dates and days left are computed at sending.
//! 8. No secret travels: passwords are resolved only when used, and never shown.
//! 9. No clogging: every mail that is taken up leaves the queue or gets a later time.
//! 10. A bad file changes nothing: it is refused whole, and a running daemon keeps the old one.
//! 11. Cost follows the work: a tick reads what is due, not what is stored.
//! 12. It says when it is ill: health, metrics and heartbeat depend on promise 1, not on the
//!     process being alive.

pub mod domain;

pub mod clock;

pub mod config;

pub mod store;

pub mod renewal;

pub mod words;

pub mod tick;

pub mod tidy;

pub mod http;

pub mod meter;

pub mod delivery;

pub mod health;

pub mod systemd;

pub mod heartbeat;

pub mod simulate;

pub mod tell;

pub mod posts;

pub mod probe;

pub mod agenda;

pub mod web;

pub mod app;

pub mod daemon;

pub mod cli;
