//! What is kept of a password: its argon2id hash, in the form that other programs know (a PHC
//! string). Pure: the salt is an argument.
//!
//! A hash that is too cheap to make is refused, since it would be found; one that is too dear
//! is refused as well, since whoever may ask for the login page can have it made.

use std::fmt;

use argon2::password_hash::{Ident, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};

use crate::domain::language::{Invalid, text};

/// Characters of a password at least.
pub const SHORTEST: usize = 12;

/// Bytes of a password at most.
pub const LONGEST: usize = 1024;

/// Bytes of a salt.
pub const SALT: usize = 16;

/// What costs at least as much as one of these is dear enough: memory in KiB, passes (OWASP
/// Password Storage Cheat Sheet).
const CHEAPEST: [(u32, u32); 5] = [
    (47_104, 1),
    (19_456, 2),
    (12_288, 3),
    (9_216, 4),
    (7_168, 5),
];

/// What a hash may cost at most: memory in KiB, passes, lanes.
const DEAREST: (u32, u32, u32) = (131_072, 16, 16);

/// What a new hash costs, on one lane.
const NEW: (u32, u32) = (19_456, 2);

/// Bytes of salt and result that a hash must have.
const LEAST_SALT: usize = 8;
const LEAST_RESULT: usize = 16;

/// The argon2id hash of a password, checked. It is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl PasswordHash {
    /// Reads a PHC string of argon2id, as `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
    ///
    /// # Errors
    /// Another form, another algorithm, or a cost that is too low or too high. What was written
    /// is never repeated: it may be the password.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        let written = written.trim();
        let no_hash = || {
            Invalid(text!(
                "this is not an argon2id hash: write the line that `jetond hash-password` prints, which begins with $argon2id$",
                "ceci n’est pas une empreinte argon2id : écrire la ligne que donne `jetond hash-password`, qui commence par $argon2id$"
            ))
        };
        let hash = Phc::new(written).map_err(|_| no_hash())?;
        if hash.algorithm != Ident::new_unwrap("argon2id") {
            return Err(no_hash());
        }
        if hash.version != Some(Version::V0x13.into()) {
            return Err(Invalid(text!(
                "this hash is of an old version of argon2id: make it anew with `jetond hash-password`",
                "cette empreinte est d’une ancienne version d’argon2id : la refaire avec `jetond hash-password`"
            )));
        }
        let cost = Params::try_from(&hash).map_err(|_| no_hash())?;
        let salt = hash.salt.map_or(0, |s| {
            let mut bytes = [0; Salt::MAX_LENGTH];
            s.decode_b64(&mut bytes).map_or(0, <[u8]>::len)
        });
        let result = hash.hash.map_or(0, |h| h.len());
        if salt < LEAST_SALT || result < LEAST_RESULT {
            return Err(no_hash());
        }
        let (memory, passes, lanes) = (cost.m_cost(), cost.t_cost(), cost.p_cost());
        if !CHEAPEST.iter().any(|(m, t)| memory >= *m && passes >= *t) {
            return Err(Invalid(text!(
                "this hash is too cheap to try passwords against (m={memory},t={passes}): make it anew with `jetond hash-password`, or with m=19456,t=2 at least",
                "cette empreinte est trop peu coûteuse à attaquer (m={memory},t={passes}) : la refaire avec `jetond hash-password`, ou avec m=19456,t=2 au moins"
            )));
        }
        let (most_memory, most_passes, most_lanes) = DEAREST;
        if memory > most_memory || passes > most_passes || lanes > most_lanes {
            return Err(Invalid(text!(
                "this hash costs too much at each login (m={memory},t={passes},p={lanes}): m={most_memory},t={most_passes},p={most_lanes} at most",
                "cette empreinte coûte trop cher à chaque connexion (m={memory},t={passes},p={lanes}) : m={most_memory},t={most_passes},p={most_lanes} au plus"
            )));
        }
        Ok(Self(written.to_owned()))
    }

    /// The hash of a password that is long enough.
    ///
    /// # Errors
    /// A password that is shorter than [`SHORTEST`] characters or longer than [`LONGEST`] bytes.
    pub fn make(password: &str, salt: [u8; SALT]) -> Result<Self, Invalid> {
        let (characters, longest, shortest) = (password.chars().count(), LONGEST, SHORTEST);
        if password.trim().is_empty() {
            return Err(Invalid(text!(
                "the password is empty",
                "le mot de passe est vide"
            )));
        }
        if characters < shortest {
            return Err(Invalid(text!(
                "a password has {shortest} characters at least; this one has {characters}",
                "un mot de passe a au moins {shortest} caractères ; celui-ci en a {characters}"
            )));
        }
        if password.len() > longest {
            return Err(Invalid(text!(
                "a password has {longest} bytes at most",
                "un mot de passe a au plus {longest} octets"
            )));
        }
        let (memory, passes) = NEW;
        let cost = Params::new(memory, passes, 1, None).expect("within the bounds of argon2");
        let salt = argon2::password_hash::SaltString::encode_b64(&salt).expect("16 bytes fit");
        let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost)
            .hash_password(password.as_bytes(), &salt)
            .expect("password and salt are within the bounds of argon2");
        Ok(Self(hash.to_string()))
    }

    /// Whether this is the hash of `password`. It takes the time and the memory that the hash
    /// says, whatever the answer.
    pub fn fits(&self, password: &[u8]) -> bool {
        let hash = Phc::new(&self.0).expect("it was checked");
        password.len() <= LONGEST && Argon2::default().verify_password(password, &hash).is_ok()
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery staple";

    /// Made by the reference program: `printf %s "$PASSWORD" | argon2 saltsaltsaltsalt -id -t 2 -k
    /// 19456 -p 1 -l 32 -e`, and with `-t 3 -k 12288 -p 4`.
    const REFERENCE: [&str; 2] = [
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$QKHrg5tayLGcN+Y0HVPNaBqykOVLUxlMkZycXE1uWRM",
        "$argon2id$v=19$m=12288,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$aMAKlIUzJuHyoiYLpnDdV4hW3GUfGnO9IyG9DZF0Vgk",
    ];

    #[test]
    fn a_made_hash_fits_its_password_alone_and_is_read_back() {
        let hash = PasswordHash::make(PASSWORD, [7; SALT]).unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(PasswordHash::parse(hash.as_str()).unwrap(), hash);
        assert!(hash.fits(PASSWORD.as_bytes()));
        assert!(!hash.fits(b"correct horse battery staplE"));
        assert!(!hash.fits(b""));
        assert_ne!(hash, PasswordHash::make(PASSWORD, [8; SALT]).unwrap());
        assert!(!format!("{hash:?}").contains("argon2"));
    }

    #[test]
    fn a_hash_of_the_reference_program_is_believed() {
        let made = PasswordHash::make(PASSWORD, *b"saltsaltsaltsalt").unwrap();
        assert_eq!(made.as_str(), REFERENCE[0]);
        for reference in REFERENCE {
            let hash = PasswordHash::parse(&format!(" {reference}\n")).unwrap();
            assert!(hash.fits(PASSWORD.as_bytes()) && !hash.fits(b"something else"));
        }
    }

    #[test]
    fn what_is_no_hash_too_cheap_or_too_dear_is_refused_and_never_repeated() {
        let of = |cost: &str| REFERENCE[0].replace("m=19456,t=2,p=1", cost);
        for (written, words) in [
            (String::new(), "jetond hash-password"),
            ("hunter2".to_owned(), "jetond hash-password"),
            (
                "$2y$10$wHhFZ2t0nDpuQ0AyB6eT5e".to_owned(),
                "jetond hash-password",
            ),
            (
                REFERENCE[0].replace("argon2id", "argon2i"),
                "jetond hash-password",
            ),
            (REFERENCE[0].replace("v=19", "v=16"), "old version"),
            (REFERENCE[0].replace("v=19$", ""), "old version"),
            (REFERENCE[0][..40].to_owned(), "jetond hash-password"),
            (of("m=19456,t=1,p=1"), "m=19456,t=1"),
            (of("m=8,t=1,p=1"), "too cheap"),
            (of("m=7167,t=16,p=1"), "too cheap"),
            (of("m=131073,t=2,p=1"), "m=131072,t=16,p=16 at most"),
            (of("m=4294967295,t=2,p=1"), "costs too much"),
            (of("m=19456,t=17,p=1"), "costs too much"),
            (of("m=19456,t=2,p=17"), "costs too much"),
            (of("m=19456,t=4294967296,p=1"), "jetond hash-password"),
            (
                REFERENCE[0].replace("$c2FsdHNhbHRzYWx0c2FsdA", "$c2FsdA"),
                "jetond hash-password",
            ),
        ] {
            let said = PasswordHash::parse(&written).unwrap_err().0;
            assert!(said.en.contains(words), "{written}: {}", said.en);
            assert!(!said.fr.contains("hunter2") && !said.en.contains("hunter2"));
        }
        for cost in ["m=47104,t=1,p=1", "m=7168,t=5,p=1", "m=131072,t=16,p=16"] {
            assert!(PasswordHash::parse(&of(cost)).is_ok(), "{cost}");
        }
    }

    #[test]
    fn a_password_has_a_length() {
        for (password, words) in [
            ("", "empty"),
            ("            ", "empty"),
            ("elevenchars", "this one has 11"),
            (&"x".repeat(1025), "1024 bytes"),
        ] {
            let said = PasswordHash::make(password, [1; SALT]).unwrap_err().0;
            assert!(said.en.contains(words), "{}", said.en);
        }
        assert!(PasswordHash::make("douzelettrés", [1; SALT]).is_ok());
        assert!(
            !PasswordHash::parse(REFERENCE[0])
                .unwrap()
                .fits(&[b'x'; 1025])
        );
    }
}
