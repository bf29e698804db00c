//! What every reminder must say (`docs/rules.md`, *What a mail says*), and in which order.

use jetond::delivery::compose::Templates;
use jetond::delivery::compose::letter::TokenPart;
use jetond::domain::language::Lang;
use jetond::domain::token::Role;

use super::{
    DASHBOARD, LINK, bare_token, calendar, compose, days_before, digest, envelope, letters,
    observed, reminder, token,
};

/// The text part with its lines joined, to search sentences in.
fn flowing(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[test]
fn the_points_come_in_their_order() {
    let points = [
        (
            Lang::Fr,
            [
                "CE QU’IL FAUT FAIRE",
                "CE QUI SE PASSE ENSUITE",
                "SI RIEN N’EST FAIT",
                "EN BREF",
                "DÉJÀ FAIT",
                "PAS POUR VOUS",
                "jamais votre jeton par courriel",
            ],
        ),
        (
            Lang::En,
            [
                "WHAT TO DO",
                "WHAT COMES NEXT",
                "IF NOTHING IS DONE",
                "IN SHORT",
                "ALREADY DONE",
                "NOT FOR YOU",
                "never ask for your token",
            ],
        ),
    ];
    for (lang, points) in points {
        for (name, letter, now) in letters() {
            if name == "note" {
                continue;
            }
            let mail = compose(&letter, &envelope(lang, now));
            let places: Vec<usize> = points
                .iter()
                .map(|p| mail.text.find(p).unwrap_or_else(|| panic!("{name}: {p}")))
                .collect();
            assert!(places.is_sorted(), "{name}: {places:?}");
            assert!(mail.text.contains("00103"), "{name}");
        }
    }
}

#[test]
fn only_the_demandeur_is_asked_to_file() {
    for role in Role::ALL {
        let part = TokenPart { role, ..token() };
        let mail = compose(&reminder(vec![part]), &envelope(Lang::Fr, days_before(30)));
        let text = flowing(&mail.text);
        let mine = role == Role::Demandeur;
        assert_eq!(text.contains("Déposez la demande"), mine, "{role:?}");
        let passed_on =
            text.contains("Seul le demandeur, Camille Martin (c.martin@ville.example), peut");
        assert_eq!(passed_on, !mine, "{role:?}");
        assert!(text.contains(LINK), "{role:?}");
    }
    let unknown = TokenPart {
        demandeur: None,
        ..observed(token())
    };
    let mail = compose(
        &reminder(vec![unknown]),
        &envelope(Lang::Fr, days_before(30)),
    );
    assert!(flowing(&mail.text).contains("Seul le demandeur de ce jeton peut"));
}

#[test]
fn from_20_days_left_an_answer_in_time_is_no_longer_certain() {
    for (days, said) in [(21, false), (20, true), (0, true), (-1, false)] {
        let mail = compose(
            &reminder(vec![token()]),
            &envelope(Lang::Fr, days_before(days)),
        );
        let text = flowing(&mail.text);
        assert_eq!(text.contains("n’est plus certaine"), said, "{days}");
        assert_eq!(text.contains("jusqu’à une heure"), days < 0, "{days}");
    }
}

#[test]
fn a_digest_lists_each_token_and_says_the_points_once() {
    let mail = compose(&digest(), &envelope(Lang::Fr, days_before(12)));
    let text = flowing(&mail.text);
    for said in [
        "1. Subventions",
        "accès coupé depuis 9 jours",
        "demande déposée le 28 octobre 2026, pas encore renouvelé",
        "2. Marchés publics",
        "dans 12 jours",
        "à renouveler par Camille Martin",
        "3. Aides aux entreprises (Mairie de X)",
        "à renouveler par vous",
    ] {
        assert!(text.contains(said), "{said}");
    }
    assert_eq!(mail.text.lines().filter(|l| *l == LINK).count(), 2);
    assert_eq!(mail.text.lines().filter(|l| *l == DASHBOARD).count(), 2);
    assert_eq!(text.matches("Un instructeur examine").count(), 1);
}

#[test]
fn dates_are_those_of_the_calendars_zone() {
    let letter = reminder(vec![token(), bare_token()]);
    let envelope = envelope(Lang::Fr, days_before(30));
    let mail = Templates::built_in()
        .compose(&letter, &envelope, &calendar(chrono_tz::Indian::Reunion))
        .unwrap();
    let text = flowing(&mail.text);
    assert!(text.contains("à 19 h 45 (Indian/Reunion)"));
    assert!(!text.contains("heure de Paris"));
}
