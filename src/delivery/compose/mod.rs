//! Composition: from what a mail is about to its final bytes. Pure: no clock, no file, no
//! store; the same letter gives the same bytes.

pub mod letter;
