//! `jetond` watches over API Entreprise tokens.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod delivery;
pub mod domain;
pub mod renewal;
pub mod simulate;
pub mod store;
pub mod tick;
