//! Behaviour, through public seams: one crate, with its own support.
