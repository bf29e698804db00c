//! Asks API Entreprise about the tokens whose secrets an admin has given, and reads its answers.
//!
//! One public step asks what is due. Each call is written down before it leaves, so that nothing
//! asks a token twice in a local day: no restart, no reload, no other process. A token's own text
//! is read for the call alone, goes to the API's host only, and is kept nowhere.

mod asker;
pub mod knock;
pub mod read;
mod secret;
mod service;
mod wire;

pub use self::asker::{Asked, Asker, Heard, Told};
