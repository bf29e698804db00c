//! What is on record, in the words of both languages: commands and pages say it alike.
//!
//! Nothing here decides or reads anything: a token, a notice, a mail, an event goes in, a text
//! comes out.

pub(crate) mod count;
pub(crate) mod event;
pub(crate) mod fate;
pub(crate) mod heard;
pub(crate) mod mail;
pub(crate) mod reach;
pub(crate) mod state;
pub(crate) mod when;
