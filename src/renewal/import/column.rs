//! The columns of a list of tokens, by the names that people and the portal give them.

use crate::domain::language::{Text, text};

/// What a column, or a key of a JSON line, says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// Its id.
    Id,
    /// Its name.
    Name,
    /// The key of its client.
    Client,
    /// Its Data Pass number.
    DatapassId,
    /// The address of its Data Pass request, whose last number is taken.
    DatapassUrl,
    /// Its `jti`.
    Jti,
    /// The SIRET of the body that holds it.
    Siret,
    /// When it was issued.
    Issued,
    /// When it expires.
    Expires,
    /// What stops when it dies.
    UsedBy,
    /// Its labels.
    Tags,
    /// The language of its mails.
    Language,
    /// Everyone to be told.
    Recipients,
    /// Addresses of the demandeur.
    Demandeur,
    /// Addresses of the business contact.
    Metier,
    /// Addresses of the technical contact.
    Technique,
    /// Its rights.
    Scopes,
    /// SHA-256 of its text.
    Fingerprint,
}

impl Column {
    /// Every column with its own name first, then its other names, folded. The order is that
    /// of an export.
    const NAMES: [(Self, &[&str]); 18] = [
        (Self::Id, &["id", "identifiant"]),
        (Self::Name, &["name", "nom", "intitule", "libelle"]),
        (Self::Client, &["client"]),
        (
            Self::DatapassId,
            &["datapass_id", "datapass", "numero_datapass", "n_datapass"],
        ),
        (Self::DatapassUrl, &["datapass_url", "lien_datapass"]),
        (Self::Jti, &["jti"]),
        (Self::Siret, &["siret"]),
        (
            Self::Issued,
            &[
                "issued",
                "issued_at",
                "iat",
                "emission",
                "date_emission",
                "date_d_emission",
                "emis_le",
            ],
        ),
        (
            Self::Expires,
            &[
                "expires",
                "expires_at",
                "exp",
                "token_expiration",
                "expiration",
                "date_expiration",
                "date_d_expiration",
                "expire_le",
            ],
        ),
        (Self::UsedBy, &["used_by", "utilise_par", "services"]),
        (Self::Tags, &["tags", "etiquettes"]),
        (Self::Language, &["language", "langue"]),
        (Self::Recipients, &["recipients", "destinataires"]),
        (Self::Demandeur, &["demandeur_email", "demandeur"]),
        (
            Self::Metier,
            &[
                "contact_metier_email",
                "contact_metier",
                "metier_email",
                "metier",
            ],
        ),
        (
            Self::Technique,
            &[
                "contact_technique_email",
                "contact_technique",
                "technique_email",
                "technique",
            ],
        ),
        (Self::Scopes, &["scopes", "roles", "droits"]),
        (Self::Fingerprint, &["fingerprint", "empreinte"]),
    ];

    /// The name by which it is written.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(column, _)| *column == self)
            .map_or("", |(_, names)| names[0])
    }

    /// The column of a name, whatever its case, accents and separators.
    pub(super) fn of(written: &str) -> Option<Self> {
        let name = folded(written);
        let found = Self::NAMES
            .iter()
            .find(|(_, names)| names.contains(&name.as_str()));
        found.map(|(column, _)| *column)
    }

    /// The own name of a column that a wrong name may have meant.
    pub(super) fn near(written: &str) -> Option<&'static str> {
        let name = folded(written);
        Self::NAMES
            .iter()
            .flat_map(|(_, names)| names.iter())
            .map(|known| (strsim::damerau_levenshtein(&name, known), *known))
            .filter(|(distance, known)| *distance <= known.len() / 4)
            .min()
            .map(|(_, known)| known)
    }

    /// A column that is not known, for people.
    pub(super) fn unknown(written: &str) -> Text {
        let shown: String = written
            .chars()
            .filter(|c| !c.is_control())
            .take(40)
            .collect();
        match Self::near(written) {
            Some(near) => text!(
                "the column {shown:?} is not read: did you mean {near:?}?",
                "la colonne {shown:?} n’est pas lue : vouliez-vous dire {near:?} ?"
            ),
            None => text!(
                "the column {shown:?} is not read",
                "la colonne {shown:?} n’est pas lue"
            ),
        }
    }
}

/// Lower case without accents; what is neither letter nor digit becomes one underscore.
pub(super) fn folded(written: &str) -> String {
    let mut name = String::with_capacity(written.len());
    for c in written.trim().chars().flat_map(char::to_lowercase) {
        match plain(c) {
            Some(letters) => name.push_str(letters),
            None if c.is_ascii_alphanumeric() => name.push(c),
            None if name.ends_with('_') || name.is_empty() => {}
            None => name.push('_'),
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    name
}

/// A Latin letter with a sign on it, as the ASCII letters that people write in its place.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'ł' | 'ľ' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' => "o",
        'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        // A combining sign of a letter that was written in two characters.
        '\u{300}'..='\u{36f}' => "",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_whatever_their_spelling() {
        for (written, column) in [
            ("datapass_id", Column::DatapassId),
            ("N° Datapass", Column::DatapassId),
            ("Intitulé", Column::Name),
            ("token_expiration", Column::Expires),
            ("Date d’expiration", Column::Expires),
            ("Demandeur (email)", Column::Demandeur),
            ("Contact métier", Column::Metier),
            ("SIRET", Column::Siret),
        ] {
            assert_eq!(Column::of(written), Some(column), "{written}");
        }
        assert_eq!(Column::of("token"), None);
        assert_eq!(Column::near("expire"), Some("expires"));
        assert_eq!(Column::near("commentaire"), None);
        for (column, names) in Column::NAMES {
            assert_eq!(names[0], column.name());
            assert!(
                names
                    .iter()
                    .all(|n| folded(n) == *n && Column::of(n) == Some(column))
            );
        }
    }
}
