//! Mail addresses: parsed once at the edge, compared by a case-insensitive key.
//!
//! The grammar is the useful part of RFC 5321 §4.1.2: a dot-atom local part (UTF-8 allowed, RFC
//! 6531) and a domain name (IDN allowed, kept as written, sent as its A-label). Quoted local
//! parts, comments and address literals are refused.

use std::fmt;

use crate::domain::language::{Invalid, is_hazardous, text};

/// One mail address, as a person wrote it, known to be well formed.
#[derive(Debug, Clone)]
pub struct Address {
    written: String,
    at: usize,
    ascii_domain: String,
}

impl Address {
    /// Reads `local@domain`.
    ///
    /// # Errors
    /// Says what is missing or which character is not allowed.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        let refuse = |why: crate::domain::language::Text| {
            let shown: String = written.chars().filter(|c| !is_hazardous(*c)).collect();
            Err(Invalid(
                text!(
                    "{shown:?} is not a mail address: {{}}",
                    "{shown:?} n’est pas une adresse de courriel : {{}}"
                )
                .with(&why),
            ))
        };
        if written.is_empty() {
            return refuse(text!("it is empty", "elle est vide"));
        }
        if let Some(c) = written.chars().find(|c| is_hazardous(*c)) {
            let code = u32::from(c);
            return refuse(text!(
                "it holds the control character U+{code:04X}",
                "elle contient le caractère de contrôle U+{code:04X}"
            ));
        }
        let Some(at) = written.rfind('@') else {
            return refuse(text!(
                "there is no @; write it as name@domain.example",
                "il manque un @ ; l’écrire nom@domaine.example"
            ));
        };
        let (local, domain) = (&written[..at], &written[at + 1..]);
        if local.is_empty() || domain.is_empty() {
            return refuse(text!(
                "a part before or after the @ is missing",
                "il manque la partie avant ou après le @"
            ));
        }
        if local.len() > 64 || written.len() > 254 {
            return refuse(text!("it is too long", "elle est trop longue"));
        }
        let atext = |c: char| {
            c.is_ascii_alphanumeric()
                || "!#$%&'*+-/=?^_`{|}~".contains(c)
                || (!c.is_ascii() && !c.is_whitespace())
        };
        if let Some(c) = local.chars().find(|c| *c != '.' && !atext(*c)) {
            return refuse(text!(
                "{c:?} cannot stand before the @",
                "{c:?} ne peut pas figurer avant le @"
            ));
        }
        if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
            return refuse(text!(
                "a dot is misplaced before the @",
                "un point est mal placé avant le @"
            ));
        }
        let Ok(ascii_domain) = idna::domain_to_ascii_strict(domain) else {
            return refuse(text!(
                "{domain:?} is not a domain name",
                "{domain:?} n’est pas un nom de domaine"
            ));
        };
        let label_ok =
            |l: &str| !l.is_empty() && l.len() <= 63 && !l.starts_with('-') && !l.ends_with('-');
        if ascii_domain.len() > 253 || !ascii_domain.split('.').all(label_ok) {
            return refuse(text!(
                "{domain:?} is not a domain name",
                "{domain:?} n’est pas un nom de domaine"
            ));
        }
        // An A-label is longer than what is written for it (RFC 5321 §4.5.3.1.3: 256 with < and >).
        if local.len() + 1 + ascii_domain.len() > 254 {
            return refuse(text!("it is too long", "elle est trop longue"));
        }
        Ok(Self {
            written: written.to_owned(),
            at,
            ascii_domain,
        })
    }

    /// The address as written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What two spellings of the same address share: lower case, the domain as its A-label.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local().to_lowercase(), self.ascii_domain)
    }

    /// The part before the @.
    pub fn local(&self) -> &str {
        &self.written[..self.at]
    }

    /// The domain as it travels: A-labels, lower case.
    pub fn ascii_domain(&self) -> &str {
        &self.ascii_domain
    }

    /// The address as it travels in an envelope and a header: the domain as its A-label.
    pub fn on_the_wire(&self) -> String {
        format!("{}@{}", self.local(), self.ascii_domain)
    }

    /// Whether the local part needs SMTPUTF8 (RFC 6531) to travel.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local().is_ascii()
    }

    /// The address for logs: the first character of the local part, and the domain.
    pub fn masked(&self) -> String {
        let first = self.local().chars().next().unwrap_or('*');
        format!("{first}***@{}", self.ascii_domain)
    }
}

/// A text with every address in it masked, as [`Address::masked`] does: for logs, where a server's
/// reply or an error may repeat one.
pub fn mask_addresses(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let before = &rest[..at];
        let local = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| !is_around_an_address(*c))
            .last();
        let followed = rest[at + 1..].starts_with(|c: char| c.is_alphanumeric() || c == '[');
        match local {
            Some((start, first)) if followed => {
                masked.push_str(&before[..start]);
                masked.push(first);
                masked.push_str("***@");
            }
            Some(_) | None => masked.push_str(&rest[..=at]),
        }
        rest = &rest[at + 1..];
    }
    masked.push_str(rest);
    masked
}

/// What stands before an address in a sentence, a reply or a log line.
fn is_around_an_address(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "<>()[]{},;:\"`«»“”‘=|/\\".contains(c)
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Address {}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// An address with the name a reader sees: `Name <local@domain>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The name shown, if any; free of control characters.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

impl Mailbox {
    /// Reads `Name <local@domain>`, `"Name" <local@domain>` or a bare address.
    ///
    /// # Errors
    /// As [`Address::parse`]; also a missing `>` and control characters in the name.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        let trimmed = written.trim();
        let Some(open) = trimmed.rfind('<') else {
            return Ok(Self {
                name: None,
                address: Address::parse(trimmed)?,
            });
        };
        let Some(inner) = trimmed[open + 1..].strip_suffix('>') else {
            return Err(Invalid(text!(
                "the closing > is missing; write it as Name <name@domain.example>",
                "il manque le > final ; l’écrire Nom <nom@domaine.example>"
            )));
        };
        let name = trimmed[..open].trim().trim_matches('"').trim();
        if let Some(c) = name.chars().find(|c| is_hazardous(*c)) {
            let code = u32::from(c);
            return Err(Invalid(text!(
                "the name holds the control character U+{code:04X}",
                "le nom contient le caractère de contrôle U+{code:04X}"
            )));
        }
        let name = (!name.is_empty()).then(|| name.to_owned());
        Ok(Self {
            name,
            address: Address::parse(inner.trim())?,
        })
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_spelling_and_compares_without_case() {
        let a = Address::parse("C.Martin@Ville.Example").unwrap();
        assert_eq!(a.as_str(), "C.Martin@Ville.Example");
        assert_eq!(a, Address::parse("c.martin@ville.example").unwrap());
        assert_eq!(a.masked(), "C***@ville.example");
    }

    #[test]
    fn an_address_that_is_too_long_once_its_domain_is_encoded_is_refused() {
        let local = "x".repeat(60);
        assert!(Address::parse(&format!("{local}@{}example", "é.".repeat(23))).is_ok());
        assert!(Address::parse(&format!("{local}@{}example", "é.".repeat(24))).is_err());
    }

    #[test]
    fn every_address_in_a_text_is_masked_and_nothing_else() {
        let cases = [
            (
                "550 5.1.1 <gone@ville.example>: no",
                "550 5.1.1 <g***@ville.example>: no",
            ),
            ("to=c.martin@a.fr,d@b.fr", "to=c***@a.fr,d***@b.fr"),
            ("élise@ville.example", "é***@ville.example"),
            ("c***@ville.example", "c***@ville.example"),
            ("at @ noon, user@ and @host", "at @ noon, user@ and @host"),
            (
                "root@[127.0.0.1] a@b@c.fr",
                "r***@[127.0.0.1] a***@b***@c.fr",
            ),
        ];
        for (text, masked) in cases {
            assert_eq!(mask_addresses(text), masked);
        }
    }

    #[test]
    fn an_idn_domain_travels_as_its_a_label() {
        let a = Address::parse("dsi@mairie-évry.fr").unwrap();
        assert_eq!(
            a.on_the_wire(),
            "dsi@xn--mairie-vry-k4a.fr".replace(
                "xn--mairie-vry-k4a",
                a.ascii_domain().trim_end_matches(".fr")
            )
        );
        assert!(a.ascii_domain().starts_with("xn--"));
        assert!(!a.needs_smtputf8());
        assert!(
            Address::parse("andré@ville.example")
                .unwrap()
                .needs_smtputf8()
        );
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for bad in [
            "",
            "ville.example",
            "@ville.example",
            "a@",
            "a b@c.fr",
            "a@b c.fr",
            "a@-b.fr",
            "a..b@c.fr",
            ".a@c.fr",
            "a@b\r\nRCPT TO:<x@y.fr>",
            "a\u{202e}@b.fr",
            "<a@b.fr>",
            "a@b.fr,c@d.fr",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_mailbox_reads_a_name() {
        let m = Mailbox::parse("Veille des jetons <jetons@ville.example>").unwrap();
        assert_eq!(m.name.as_deref(), Some("Veille des jetons"));
        assert_eq!(m.to_string(), "Veille des jetons <jetons@ville.example>");
        assert!(Mailbox::parse("Veille <jetons@ville.example").is_err());
        assert!(Mailbox::parse("A\r\nBcc: x@y.fr <jetons@ville.example>").is_err());
    }
}
