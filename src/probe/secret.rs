//! A token's own text: read when it is needed, held against the record, and kept by nobody.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::SecretSource;
use crate::domain::language::{Text, text};
use crate::renewal::jwt;

/// A run of so many bytes of a token is taken for a part of it; a shorter one may be any word.
const PART: usize = 16;

/// Reads the text of a token from where it is.
///
/// # Errors
/// Why the token cannot be asked about, without a part of its text.
pub(super) fn of(source: &SecretSource, jti: Option<&str>) -> Result<SecretString, Text> {
    let written = source.resolve().map_err(|e| e.0)?;
    let claims = jwt::read(written.expose_secret()).map_err(|e| e.said())?;
    let Some(expected) = jti else {
        // The text of the token before this one would be called dead, and rightly.
        return Err(text!(
            "its jti is not on record, so another token’s text would not be noticed: `jetond check` shows the jti to write in its [[token]]",
            "son jti n’est pas au registre, et le texte d’un autre jeton passerait inaperçu : `jetond check` montre le jti à écrire dans son [[token]]"
        ));
    };
    if !expected.eq_ignore_ascii_case(claims.jti.as_str()) {
        // A jti is an identifier, no secret: shown whole, two that end alike are told apart.
        let found = claims.jti.as_str();
        return Err(text!(
            "the secret is that of another token: its jti is {found}, that on record {expected}",
            "le secret est celui d’un autre jeton : son jti est {found}, celui du registre {expected}"
        ));
    }
    Ok(SecretString::from(
        jwt::bare(written.expose_secret()).to_owned(),
    ))
}

/// Hides every part of these tokens, whole or cut, in capitals or in small letters: another case
/// hides little of it. It keeps no part itself.
pub(super) struct Mask {
    parts: HashSet<u64>,
    keys: RandomState,
}

impl Mask {
    pub(super) fn of(tokens: &[&str]) -> Self {
        let keys = RandomState::new();
        let parts = tokens.iter().flat_map(|t| t.as_bytes().windows(PART));
        Self {
            parts: parts.map(|part| keys.hash_one(small(part))).collect(),
            keys,
        }
    }

    /// What was said, with `…` for each part of a token in it.
    pub(super) fn hide(&self, said: &str) -> String {
        let mut hidden = vec![false; said.len()];
        for (at, part) in said.as_bytes().windows(PART).enumerate() {
            if self.parts.contains(&self.keys.hash_one(small(part))) {
                hidden[at..at + PART].fill(true);
            }
        }
        let mut out = String::with_capacity(said.len());
        let mut was_hidden = false;
        for (at, c) in said.char_indices() {
            match (hidden[at], was_hidden) {
                (false, _) => out.push(c),
                (true, false) => out.push('…'),
                (true, true) => {}
            }
            was_hidden = hidden[at];
        }
        out
    }
}

/// A part in small letters.
fn small(part: &[u8]) -> [u8; PART] {
    let mut small = [0; PART];
    for (to, from) in small.iter_mut().zip(part) {
        *to = from.to_ascii_lowercase();
    }
    small
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_token_is_masked_wherever_it_was_cut() {
        let mask = Mask::of(&["eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiIxMTExIn0.c2lnbmF0dXJl"]);
        for (said, expected) in [
            (
                "no such token eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOi",
                "no such token …",
            ),
            ("é:JqdGkiOiIxMTExIn0.c2lnbm:é", "é:…:é"),
            (
                "NO SUCH TOKEN: EYJQDGKIOIIXMTEXIN0.C2LNBMF0DXJL",
                "NO SUCH TOKEN: …",
            ),
            ("eyJhbGciOi is short", "eyJhbGciOi is short"),
            ("", ""),
        ] {
            assert_eq!(mask.hide(said), expected);
        }
    }
}
