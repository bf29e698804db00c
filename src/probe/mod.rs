//! Asks API Entreprise about the tokens whose secrets an admin has given, and reads its answers.

pub mod knock;
pub mod read;
