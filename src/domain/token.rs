//! A token as it is declared, and the newtypes of its parts.
//!
//! A token is known by its id, its dates and the people to be told; the JWT itself never
//! enters the program's types.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::domain::address::Address;
use crate::domain::language::{Invalid, Lang, is_hazardous, looks_like_jwt, text};

/// The stable name of a token in config, store and command line; history hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(String);

impl TokenId {
    /// Reads an id: 1 to 100 characters without spaces, controls, quotes or a leading dash.
    ///
    /// # Errors
    /// Says which of these it breaks; a JWT is refused without being repeated.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        if looks_like_jwt(written) {
            return Err(no_jwt());
        }
        if written.is_empty() {
            return Err(Invalid(text!(
                "a token’s id cannot be empty",
                "l’identifiant d’un jeton ne peut pas être vide"
            )));
        }
        let bad =
            |c: char| c.is_whitespace() || is_hazardous(c) || matches!(c, '"' | '\'' | '\\' | '`');
        if written.starts_with('-') || written.chars().any(bad) || written.chars().count() > 100 {
            let shown: String = written
                .chars()
                .filter(|c| !is_hazardous(*c))
                .take(100)
                .collect();
            return Err(Invalid(text!(
                "{shown:?} cannot be an id: use up to 100 letters, digits, dots, dashes or underscores, as in \"marches-publics\"",
                "{shown:?} ne peut pas être un identifiant : au plus 100 lettres, chiffres, points, tirets ou soulignés, comme \"marches-publics\""
            )));
        }
        Ok(Self(written.to_owned()))
    }

    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The refusal of a pasted token. It never repeats the text.
pub fn no_jwt() -> Invalid {
    Invalid(text!(
        "this looks like a token itself (a JWT): it is a secret and must not be written here; give its `jti` and its dates instead, and have the token replaced if this file was shared",
        "ceci ressemble au jeton lui-même (un JWT) : c’est un secret, il n’a pas sa place ici ; donner son `jti` et ses dates, et faire remplacer le jeton si ce fichier a été partagé"
    ))
}

/// The number of a Data Pass request, as it stands in the renewal link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DatapassId(String);

impl DatapassId {
    /// Reads a number: letters, digits and dashes, at most 40.
    ///
    /// # Errors
    /// Any other character; it goes into a link.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        let ok = !written.is_empty()
            && written.len() <= 40
            && written
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !ok {
            return Err(Invalid(text!(
                "a Data Pass number has only digits, as in \"11244\"",
                "un numéro Data Pass n’a que des chiffres, comme \"11244\""
            )));
        }
        Ok(Self(written.to_owned()))
    }

    /// The number as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The identifier inside a token (its `jti` claim), which is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Jti(String);

impl Jti {
    /// Reads a `jti`: letters, digits and dashes, 4 to 64; kept in lower case.
    ///
    /// # Errors
    /// Another form; a JWT is refused without being repeated.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        if looks_like_jwt(written) {
            return Err(no_jwt());
        }
        let ok = (4..=64).contains(&written.len())
            && written
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !ok {
            return Err(Invalid(text!(
                "a jti is written as \"8c089a39-c02f-40b3-984b-bd8843f245a5\"",
                "un jti s’écrit \"8c089a39-c02f-40b3-984b-bd8843f245a5\""
            )));
        }
        Ok(Self(written.to_ascii_lowercase()))
    }

    /// The whole identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its last six characters: enough to tell tokens apart in a mail.
    pub fn end(&self) -> &str {
        &self.0[self.0.len().saturating_sub(6)..]
    }
}

/// A SIRET: 14 digits with a Luhn checksum (La Poste's own: the sum of digits is a multiple of 5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Siret(String);

impl Siret {
    /// Reads a SIRET; spaces between groups are allowed and dropped.
    ///
    /// # Errors
    /// Not 14 digits, or a checksum that does not hold.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        let digits: String = written.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() != 14 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Invalid(text!(
                "a SIRET has 14 digits, as in \"13002526500013\"",
                "un SIRET a 14 chiffres, comme \"13002526500013\""
            )));
        }
        let values = || digits.bytes().rev().map(|b| u32::from(b - b'0'));
        let luhn: u32 = values()
            .enumerate()
            .map(|(i, d)| {
                if i % 2 == 0 {
                    d
                } else if d < 5 {
                    2 * d
                } else {
                    2 * d - 9
                }
            })
            .sum();
        let la_poste = digits.starts_with("356000000") && values().sum::<u32>() % 5 == 0;
        if !luhn.is_multiple_of(10) && !la_poste {
            return Err(Invalid(text!(
                "the checksum of the SIRET {digits} does not hold: a digit is wrong",
                "la clé du SIRET {digits} est fausse : un chiffre est erroné"
            )));
        }
        Ok(Self(digits))
    }

    /// The 14 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a recipient is to the token; decides what the mail asks of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// The one person who can file the renewal.
    Demandeur,
    /// The business contact (*contact métier*).
    Metier,
    /// The technical contact (*contact technique*).
    Technique,
    /// Anyone else who is to know.
    #[default]
    Observer,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [
        Self::Demandeur,
        Self::Metier,
        Self::Technique,
        Self::Observer,
    ];

    /// Reads a role in French or English; case, accents and a leading "contact" do not matter.
    ///
    /// # Errors
    /// An unknown word, with those that exist.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        let folded = written
            .trim()
            .to_lowercase()
            .replace('é', "e")
            .replace(['_', '-'], " ");
        match folded
            .strip_prefix("contact ")
            .unwrap_or(&folded)
            .trim_start_matches("responsable ")
        {
            "demandeur" | "demandeuse" | "applicant" => Ok(Self::Demandeur),
            "metier" | "business" => Ok(Self::Metier),
            "technique" | "technical" | "tech" => Ok(Self::Technique),
            "observateur" | "observatrice" | "observer" | "copie" => Ok(Self::Observer),
            _ => Err(Invalid(text!(
                "unknown role {written:?}: write \"demandeur\", \"metier\", \"technique\" or \"observer\"",
                "rôle inconnu {written:?} : écrire \"demandeur\", \"metier\", \"technique\" ou \"observer\""
            ))),
        }
    }

    /// The word of config, store and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Demandeur => "demandeur",
            Self::Metier => "metier",
            Self::Technique => "technique",
            Self::Observer => "observer",
        }
    }
}

/// One address to be told about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Where the mail goes; its key identifies the recipient.
    pub address: Address,
    /// The person's name.
    pub name: Option<String>,
    /// What they are to the token.
    pub role: Role,
    /// The language of their mails.
    pub language: Lang,
    /// They are told from this many days before expiry on; `None`: from the first stage.
    pub from_stage: Option<u32>,
}

/// A client of an editor, as a token refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRef {
    /// Its key in the config: `[clients.KEY]`.
    pub key: String,
    /// Its name for people.
    pub name: String,
}

/// One token as the config declares it, groups and clients resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its stable id.
    pub id: TokenId,
    /// Its name for people.
    pub name: String,
    /// When it was issued, if said.
    pub issued: Option<DateTime<Utc>>,
    /// The last instant at which it works.
    pub expires: DateTime<Utc>,
    /// Its Data Pass number.
    pub datapass_id: Option<DatapassId>,
    /// Its `jti`.
    pub jti: Option<Jti>,
    /// The SIRET of the body that holds it.
    pub siret: Option<Siret>,
    /// The services that stop when it dies.
    pub used_by: Vec<String>,
    /// Free labels, for lists and filters.
    pub tags: Vec<String>,
    /// The client it is held for.
    pub client: Option<ClientRef>,
    /// Who answers questions about it and is told of alarms.
    pub contact: Address,
    /// The language of its mails where a recipient has none of their own.
    pub language: Lang,
    /// The people to be told; each address once, none only when the contact stands in.
    pub recipients: Vec<Recipient>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_siret_is_checked_by_its_key() {
        assert!(Siret::parse("130 025 265 00013").is_ok());
        assert!(Siret::parse("13002526500014").is_err());
        assert!(Siret::parse("35600000000048").is_ok());
        assert!(Siret::parse("1300252650001").is_err());
    }

    #[test]
    fn a_pasted_jwt_is_refused_without_being_repeated() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTExMTExMS0yMjIyIn0.v-S5y1sROmw7a32ZsLc6s6";
        let said = TokenId::parse(jwt).unwrap_err().to_string();
        assert!(!said.contains("eyJ"));
        assert!(!Jti::parse(jwt).unwrap_err().to_string().contains("eyJ"));
    }

    #[test]
    fn roles_are_read_in_the_words_people_use() {
        assert_eq!(Role::parse("Contact métier").unwrap(), Role::Metier);
        assert_eq!(Role::parse("contact_technique").unwrap(), Role::Technique);
        assert_eq!(
            Role::parse("responsable_technique").unwrap(),
            Role::Technique
        );
        assert!(Role::parse("demanduer").is_err());
    }
}
