//! What stands in a cell that holds several things: people, and lists of words.
//!
//! The same grammar is read and written, so that what is exported is imported unchanged.

use crate::domain::address::Address;
use crate::domain::language::{Lang, Text, is_hazardous, looks_like_jwt, text};
use crate::domain::people::Person;
use crate::domain::token::{Recipient, Role, no_jwt};

/// The longest name of a token or a person, and the longest label.
const LONGEST: usize = 300;

/// A text that may be shown and kept.
pub(super) fn words(written: &str) -> Result<String, Text> {
    let words = written.trim();
    if looks_like_jwt(words) {
        return Err(no_jwt().0);
    }
    if let Some(c) = words.chars().find(|c| is_hazardous(*c)) {
        let code = u32::from(c);
        return Err(text!(
            "this text holds the control character U+{code:04X}: write it again by hand",
            "ce texte contient le caractère de contrôle U+{code:04X} : le retaper à la main"
        ));
    }
    if words.chars().count() > LONGEST {
        return Err(text!(
            "this text has more than {LONGEST} characters",
            "ce texte dépasse {LONGEST} caractères"
        ));
    }
    Ok(words.to_owned())
}

/// The items between commas, semicolons or line ends; what stands between quotes, angle or
/// round brackets is not parted.
fn items(cell: &str) -> Vec<&str> {
    let (mut found, mut from, mut quoted, mut depth) = (Vec::new(), 0, false, 0_i32);
    let mut escaped = false;
    for (at, c) in cell.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' | '(' if !quoted => depth += 1,
            '>' | ')' if !quoted => depth -= 1,
            ',' | ';' | '\n' if !quoted && depth <= 0 => {
                found.push(&cell[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&cell[from..]);
    let trimmed = found.into_iter().map(str::trim);
    trimmed.filter(|item| !item.is_empty()).collect()
}

/// Takes the quotes off.
fn unquoted(written: &str) -> String {
    let written = written.trim();
    let inner = written
        .strip_prefix('"')
        .and_then(|w| w.strip_suffix('"'))
        .filter(|_| written.len() > 1);
    let Some(inner) = inner else {
        return written.to_owned();
    };
    let (mut text, mut escaped) = (String::with_capacity(inner.len()), false);
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(c);
            escaped = false;
        }
    }
    text
}

/// Puts quotes on where the text would be read as something else.
fn quoted(text: &str) -> String {
    let plain =
        !text.contains([',', ';', '"', '<', '>', '(', ')', '\\', '\n']) && text.trim() == text;
    if plain {
        return text.to_owned();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// A list of words, each once.
pub(super) fn list(cell: &str) -> Result<Vec<String>, Text> {
    let mut words_of = Vec::new();
    for item in items(cell) {
        let item = words(&unquoted(item))?;
        if !words_of.contains(&item) {
            words_of.push(item);
        }
    }
    Ok(words_of)
}

/// A list of words, as `list` reads it.
pub fn write_list(words: &[String]) -> String {
    words
        .iter()
        .map(|w| quoted(w))
        .collect::<Vec<_>>()
        .join(", ")
}

/// People: `c.martin@ville.example`, `Camille Martin <c.martin@ville.example>`, each with
/// `(demandeur, 15, en)` after it if more is to be said: the role, the stage from which they
/// are told, the language.
pub fn people(cell: &str) -> Result<Vec<Person>, Text> {
    items(cell).into_iter().map(person).collect()
}

fn person(entry: &str) -> Result<Person, Text> {
    if looks_like_jwt(entry) {
        return Err(no_jwt().0);
    }
    let (mailbox, more) = match entry.strip_suffix(')').and_then(|e| e.rsplit_once('(')) {
        Some((mailbox, more)) => (mailbox.trim(), more),
        None => (entry, ""),
    };
    let (name, address) = match mailbox.rsplit_once('<') {
        None => (String::new(), unquoted(mailbox)),
        Some((name, rest)) => {
            let inner = rest.trim().strip_suffix('>').ok_or_else(|| {
                text!(
                    "the closing > is missing; write it as Name <name@domain.example>",
                    "il manque le > final ; l’écrire Nom <nom@domaine.example>"
                )
            })?;
            (unquoted(name), inner.trim().to_owned())
        }
    };
    let name = words(&name)?;
    let mut person = Person {
        address: Address::parse(&address).map_err(|e| e.0)?,
        name: (!name.is_empty()).then_some(name),
        role: None,
        language: None,
        from_stage: None,
    };
    for word in more
        .split([',', ';'])
        .map(str::trim)
        .filter(|w| !w.is_empty())
    {
        if let Ok(language) = Lang::parse(word) {
            person.language = Some(language);
        } else if word.bytes().all(|b| b.is_ascii_digit()) {
            person.from_stage = Some(stage(word)?);
        } else {
            person.role = Some(Role::parse(word).map_err(|e| e.0)?);
        }
    }
    Ok(person)
}

/// A stage from which a person is told.
pub(super) fn stage(written: &str) -> Result<u32, Text> {
    written.parse().ok().filter(|n| *n <= 3650).ok_or_else(|| {
        text!(
            "the stage from which a person is told goes from 0 to 3650 days",
            "le palier à partir duquel une personne est prévenue va de 0 à 3650 jours"
        )
    })
}

/// People, as [`people`] reads them; the language is written where it is not the token's.
pub fn write_people(people: &[Recipient], language: Lang) -> String {
    let written = people.iter().map(|p| {
        let address = p.address.as_str();
        let mailbox = match &p.name {
            Some(name) => format!("{} <{address}>", quoted(name)),
            // What a local part may hold would part the list.
            None if address.contains(['(', ')', ',', ';']) => format!("<{address}>"),
            None => address.to_owned(),
        };
        let more: Vec<String> = [
            (p.role != Role::Observer).then(|| p.role.word().to_owned()),
            p.from_stage.map(|n| n.to_string()),
            (p.language != language).then(|| p.language.code().to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect();
        match more.is_empty() {
            true => mailbox,
            false => format!("{mailbox} ({})", more.join(", ")),
        }
    });
    written.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_read_as_they_are_written() {
        let cell = "Camille Martin <c.martin@ville.example> (demandeur); dsi@ville.example (15, en), \
                    \"Dupont, Jean (DSI)\" <j@ville.example> (contact technique, 30)";
        let read = people(cell).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].name.as_deref(), Some("Camille Martin"));
        assert_eq!(read[0].role, Some(Role::Demandeur));
        assert_eq!(
            (read[1].from_stage, read[1].language),
            (Some(15), Some(Lang::En))
        );
        assert_eq!(read[2].name.as_deref(), Some("Dupont, Jean (DSI)"));
        assert_eq!(
            (read[2].role, read[2].from_stage),
            (Some(Role::Technique), Some(30))
        );
        for bad in [
            "c.martin",
            "a <b@c.fr",
            "a@b.fr (maire)",
            "a@b.fr (9999)",
            "a@b.fr b@c.fr",
        ] {
            assert!(people(bad).is_err(), "{bad}");
        }
        assert_eq!(people(" ; ,\n").unwrap(), []);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for name in [
            "Camille",
            "a, b",
            "\"x\" \\ y",
            "(z)",
            "<q>",
            "a;b",
            "l’été",
        ] {
            let recipient = Recipient {
                address: Address::parse("o'brien+x@ville.example").unwrap(),
                name: Some(name.to_owned()),
                role: Role::Metier,
                language: Lang::En,
                from_stage: Some(7),
            };
            let cell = write_people(&[recipient.clone(), recipient.clone()], Lang::Fr);
            let read = people(&cell).unwrap();
            assert_eq!(read.len(), 2, "{cell}");
            assert_eq!(read[0].name.as_deref(), Some(name), "{cell}");
            assert_eq!(read[0].address, recipient.address);
            let tags = vec![name.to_owned(), "b".to_owned()];
            assert_eq!(list(&write_list(&tags)).unwrap(), tags);
        }
    }
}
