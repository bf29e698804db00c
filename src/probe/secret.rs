//! A token's own text: read when it is needed, held against the record, and kept by nobody.

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::config::SecretSource;
use crate::domain::language::{Text, text};
use crate::renewal::jwt;

/// A run of so many characters of a token is taken for a part of it.
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
        let end: String = expected.chars().rev().take(6).collect();
        let end: String = end.chars().rev().collect();
        let found = claims.jti.end();
        return Err(text!(
            "the secret is that of another token: its jti ends in {found}, that on record in {end}",
            "le secret est celui d’un autre jeton : son jti finit par {found}, celui du registre par {end}"
        ));
    }
    Ok(SecretString::from(
        jwt::bare(written.expose_secret()).to_owned(),
    ))
}

/// What a server said, without any part of a token that it repeats, whole or cut.
pub(super) fn masked(said: &str, token: &SecretString) -> String {
    let token = token.expose_secret();
    let chars: Vec<char> = said.chars().collect();
    let mut hidden = vec![false; chars.len()];
    for at in 0..chars.len().saturating_sub(PART - 1) {
        let part: Zeroizing<String> = Zeroizing::new(chars[at..at + PART].iter().collect());
        if token.contains(part.as_str()) {
            hidden[at..at + PART].fill(true);
        }
    }
    let mut out = String::with_capacity(said.len());
    for (at, c) in chars.iter().enumerate() {
        match (hidden[at], at > 0 && hidden[at - 1]) {
            (false, _) => out.push(*c),
            (true, false) => out.push('…'),
            (true, true) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_token_is_masked_wherever_it_was_cut() {
        let token = SecretString::from("eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiIxMTExIn0.c2lnbmF0dXJl");
        for (said, expected) in [
            (
                "no such token eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOi",
                "no such token …",
            ),
            ("é:JqdGkiOiIxMTExIn0.c2lnbm:é", "é:…:é"),
            ("eyJhbGciOi is short", "eyJhbGciOi is short"),
            ("", ""),
        ] {
            assert_eq!(masked(said, &token), expected);
        }
    }
}
