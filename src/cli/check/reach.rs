//! `check` of who can be reached, and of where it is read what came back.

use chrono::{DateTime, Utc};

use crate::cli::check::{Finding, Mark};
use crate::cli::{Exit, reach};
use crate::config::Config;
use crate::delivery::bounces::maildir;
use crate::domain::language::{counted, text};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::unreachable::Unreachable;

/// People and tokens named in a line.
const NAMED: usize = 10;

/// The people who cannot be reached; what is wrong with the store itself is told elsewhere.
pub(super) async fn people(config: &Config, now: DateTime<Utc>) -> Option<Finding> {
    let looked = async {
        let store = Store::open_to_read(&config.store).await?;
        let found = async {
            let people = reach::unreachable(&store, config, now).await?;
            let tokens = store.out_of_reach(&config.calendar, now).await?;
            Ok::<_, StoreError>((people, tokens))
        }
        .await;
        store.close().await;
        found
    };
    let (people, tokens) = looked.await.ok()?;
    if people.is_empty() {
        return None;
    }
    let who = some(people.iter().map(|u| u.address.as_str()));
    let told = reach::people(people.len());
    let (mark, said) = if tokens.is_empty() {
        (
            Mark::Doubtful,
            text!("{{}}: {who}", "{{}} : {who}").with(&told),
        )
    } else {
        let ids = some(tokens.iter().map(String::as_str));
        let alone = counted(
            tokens.len(),
            [
                "token of which nobody can be reached",
                "tokens of which nobody can be reached",
            ],
            [
                "jeton dont personne ne peut être joint",
                "jetons dont personne ne peut être joint",
            ],
        );
        (
            Mark::Wrong(Exit::NotDelivered),
            text!("{{}} ({ids}); {{}}: {who}", "{{}} ({ids}) ; {{}} : {who}")
                .with(&alone)
                .with(&told),
        )
    };
    Some(Finding {
        what: "people",
        mark,
        said,
        hint: Some(advice(&people)),
        place: None,
    })
}

fn advice(people: &[Unreachable]) -> crate::domain::language::Text {
    let ids = people
        .iter()
        .flat_map(|u| u.tokens.iter().map(String::as_str));
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let ids = some(ids.into_iter());
    text!(
        "correct these addresses in the configuration (tokens: {ids}), then reload; each reminder is tried all the same",
        "corriger ces adresses dans la configuration (jetons : {ids}), puis recharger ; chaque rappel est tenté malgré tout"
    )
}

fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.take(NAMED + 1).collect();
    if names.len() > NAMED {
        names[NAMED] = "…";
    }
    names.join(", ")
}

/// Whether what comes back can be read.
pub(super) fn bounces(config: &Config) -> Option<Finding> {
    let path = config.mail.bounces.as_ref()?;
    let shown = path.display();
    Some(match maildir::inspect(path) {
        Ok(()) => Finding::well(
            "bounces",
            text!(
                "what comes back is read in {shown}",
                "ce qui revient est lu dans {shown}"
            ),
        ),
        Err(hindrance) => Finding {
            what: "bounces",
            mark: Mark::Wrong(Exit::NotDelivered),
            said: text!("{shown}: {{}}", "{shown} : {{}}").with(&hindrance.said()),
            hint: Some(hindrance.advice()),
            place: None,
        },
    })
}
