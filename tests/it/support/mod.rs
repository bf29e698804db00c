//! What tests stand on: servers that do what they are told.

pub(crate) mod postfix;
pub(crate) mod smtp_server;
pub(crate) mod town;
