//! `jetond` watches over API Entreprise tokens.

pub mod config;
pub mod delivery;
pub mod domain;
