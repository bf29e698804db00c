//! The dashboard, from outside: its acts over HTTP, and every page in a real browser.

mod acts;
mod browser;
mod catalogue;
mod house;
mod large;
mod mails;
pub(crate) mod markup;
mod operator;
