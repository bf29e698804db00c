//! `jetond` watches over API Entreprise tokens.

pub mod config;
pub mod delivery;
pub mod domain;
pub mod renewal;
pub mod store;
pub mod tick;
