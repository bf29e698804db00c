//! Data Pass: any events in any order end in the same state, and nobody is overruled by an
//! event from before they spoke.

mod commands;
mod events;
mod fold;
mod hooks;
mod record;
mod settings;
mod web;
