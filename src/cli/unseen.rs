//! A line that is typed at the terminal and not shown. However the command ends, the terminal is
//! put back to what it was.
//!
//! What is typed never stands in a buffer of somebody else's: it is read byte by byte.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

/// Bytes of a line at most; what is typed beyond is not taken.
const LONGEST: usize = 4_096;

/// A terminal that shows nothing of what is typed.
pub(super) struct Unseen {
    terminal: File,
    before: Termios,
}

/// What was typed.
pub(super) enum Typed {
    /// A line, without its end.
    Line(Zeroizing<String>),
    /// Ctrl-C or Ctrl-D: nothing.
    LeftOff,
}

impl Unseen {
    /// From now on nothing is shown; what was typed before is thrown away.
    pub(super) fn begin() -> io::Result<Self> {
        let terminal = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        // Signals come as bytes: one that ends the process would leave the terminal silent.
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }

    /// The next line.
    pub(super) fn line(&mut self) -> io::Result<Typed> {
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
        loop {
            let mut byte = [0];
            if self.terminal.read(&mut byte)? == 0 {
                return Ok(Typed::LeftOff);
            }
            match byte[0] {
                b'\r' | b'\n' => break,
                // Ctrl-C, Ctrl-D, Ctrl-\.
                0x03 | 0x04 | 0x1c => return Ok(Typed::LeftOff),
                // Backspace takes a whole character back.
                0x08 | 0x7f => while line.pop().is_some_and(|b| b & 0xc0 == 0x80) {},
                // Ctrl-U.
                0x15 => line.clear(),
                0x00..0x20 => {}
                byte if line.len() < LONGEST => line.push(byte),
                _ => {}
            }
        }
        let text = std::str::from_utf8(&line).map_err(io::Error::other)?;
        Ok(Typed::Line(Zeroizing::new(text.to_owned())))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _as_it_was = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
