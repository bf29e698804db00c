//! What a person named on the command line: a token by its id, a recipient by an address.

use crate::cli::{Exit, Failure};
use crate::config::Config;
use crate::domain::address::Address;
use crate::domain::language::{looks_like_jwt, text};
use crate::store::Store;
use crate::store::outbox::Person;
use crate::store::record::Token;

/// A token by its id.
pub(super) async fn token(store: &Store, id: &str) -> Result<Token, Failure> {
    if let Some(token) = store.token(id).await? {
        return Ok(token);
    }
    let known: Vec<String> = store.tokens().await?.into_iter().map(|t| t.id).collect();
    Err(no_such_token(id, &known, None))
}

/// A token and the people told about it, the demandeur first.
pub(super) async fn token_and_people(
    store: &Store,
    id: &str,
) -> Result<(Token, Vec<Person>), Failure> {
    let token = token(store, id).await?;
    let mut people = store.people(&[token.no]).await?;
    people.sort_by(|a, b| (a.role != "demandeur", &a.key).cmp(&(b.role != "demandeur", &b.key)));
    Ok((token, people))
}

/// Whether a person is the one whose address was written, in whatever spelling.
pub(super) fn is_at(person: &Person, written: &str) -> bool {
    match Address::parse(written) {
        Ok(address) => person.key == address.key(),
        Err(_) => person.address == written,
    }
}

/// An address that is not among the people told about a token.
pub(super) fn not_told(people: &[Person]) -> Failure {
    let known: Vec<&str> = people.iter().map(|p| p.address.as_str()).collect();
    let known = known.join(", ");
    Failure::new(
        Exit::NotFound,
        "not_found",
        text!(
            "this address is not told about this token",
            "cette adresse n’est pas prévenue pour ce jeton"
        ),
    )
    .hint(text!(
        "its recipients are {known}",
        "ses destinataires sont {known}"
    ))
}

/// A token that is not on record: with the nearest id that is, or, where the file declares it
/// since, how to have it taken over. A text that looks like a token itself is not repeated.
pub(super) fn no_such_token(id: &str, known: &[String], file: Option<&Config>) -> Failure {
    if looks_like_jwt(id) {
        return Failure::usage(text!(
            "this is the text of a token, where its id belongs",
            "c’est le texte d’un jeton, à la place de son identifiant"
        ))
        .hint(text!(
            "the command line is on show to others: `jetond list --all` shows the ids, `jetond renew ID --jwt -` reads a token from standard input",
            "la ligne de commande est visible d’autrui : `jetond list --all` affiche les identifiants, `jetond renew ID --jwt -` lit un jeton sur l’entrée standard"
        ));
    }
    if file.is_some_and(|c| c.tokens.iter().any(|t| t.id.as_str() == id)) {
        return Failure::new(
            Exit::NotFound,
            "not_found",
            text!(
                "`{id}` is in the file, and not on record yet",
                "`{id}` est dans le fichier, et pas encore enregistré"
            ),
        )
        .hint(text!(
            "have the file taken over first: `jetond reload`, or without a daemon `jetond run --once`",
            "faire d’abord relire le fichier : `jetond reload`, ou sans service `jetond run --once`"
        ));
    }
    let near = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(id, k), k))
        .filter(|(distance, k)| *distance <= 2.max(k.chars().count() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k);
    let hint = near.map_or_else(
        || {
            text!(
                "`jetond list --all` shows the ids",
                "`jetond list --all` affiche les identifiants"
            )
        },
        |near| {
            text!(
                "did you mean `{near}`?",
                "vouliez-vous dire `{near}`\u{a0}?"
            )
        },
    );
    let shown = id.escape_debug();
    Failure::new(
        Exit::NotFound,
        "not_found",
        text!(
            "there is no token `{shown}`",
            "il n’y a pas de jeton `{shown}`"
        ),
    )
    .hint(hint)
}
