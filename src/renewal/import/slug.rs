//! Ids made from names: stable, so that history can hang on them, and unique.

use std::collections::HashSet;

use crate::domain::token::{DatapassId, Jti, TokenId};
use crate::renewal::import::column::folded;

/// The longest id that is made.
const LONGEST: usize = 60;

/// A name as an id: `Marchés publics` gives `marches-publics`. Empty when it has no letter.
pub(super) fn slug(name: &str) -> String {
    let slug = folded(name).replace('_', "-");
    match slug.char_indices().nth(LONGEST) {
        None => slug,
        Some((end, _)) => {
            let cut = &slug[..end];
            let word = cut.rfind('-').filter(|at| *at > LONGEST / 2);
            cut[..word.unwrap_or(end)].trim_matches('-').to_owned()
        }
    }
}

/// An id that no other token has: the name's, else with the Data Pass number or the end of the
/// `jti` after it, which stay the same whatever the order of the rows; a number at last.
pub(super) fn unique(
    name: &str,
    datapass_id: Option<&DatapassId>,
    jti: Option<&Jti>,
    taken: &HashSet<String>,
) -> TokenId {
    let base = match slug(name) {
        slug if slug.is_empty() => "jeton".to_owned(),
        slug => slug,
    };
    let ends = [
        datapass_id.map(|d| d.as_str().to_lowercase()),
        jti.map(|j| j.end().to_owned()),
    ];
    let with_ends = ends
        .into_iter()
        .flatten()
        .map(|end| format!("{base}-{end}"));
    let numbered = (2_u32..).map(|n| format!("{base}-{n}"));
    std::iter::once(base.clone())
        .chain(with_ends)
        .chain(numbered)
        .filter(|id| !taken.contains(id))
        .find_map(|id| TokenId::parse(&id).ok())
        .expect("numbers do not end, and letters, digits and dashes make an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ids() {
        for (name, id) in [
            ("Marchés publics", "marches-publics"),
            ("Aides sociales à l’enfance", "aides-sociales-a-l-enfance"),
            ("Œuvres d'art — été 2026 !", "oeuvres-d-art-ete-2026"),
            ("日本", ""),
            ("--", ""),
        ] {
            assert_eq!(slug(name), id);
        }
        let long = slug(&"instruction des demandes ".repeat(10));
        assert!(long.len() <= 60 && long.ends_with("des"), "{long}");
        assert_eq!(slug(&"x".repeat(200)).len(), 60);
    }

    #[test]
    fn two_tokens_of_one_name_are_told_apart_by_what_stays() {
        let number = DatapassId::parse("11244").unwrap();
        let jti = Jti::parse("8c089a39-c02f-40b3-984b-bd8843f245a5").unwrap();
        let mut taken = HashSet::new();
        for expected in ["demo", "demo-11244", "demo-f245a5", "demo-2", "demo-3"] {
            let id = unique("Démo", Some(&number), Some(&jti), &taken);
            assert_eq!(id.as_str(), expected);
            taken.insert(expected.to_owned());
        }
        assert_eq!(unique("…", None, None, &taken).as_str(), "jeton");
    }
}
