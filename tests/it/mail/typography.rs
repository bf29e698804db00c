//! French typography (`docs/rules.md`, *What a mail says*), over every French mail, and the width of every subject.

use jetond::delivery::compose::letter::TokenPart;
use jetond::delivery::compose::subject;
use jetond::domain::language::Lang;
use jetond::domain::token::TokenId;

use super::{compose, days_before, envelope, letters, paris, reminder, token};

const NBSP: char = '\u{a0}';

/// The text of a page without its tags and style sheet.
pub(crate) fn visible(html: &str) -> String {
    let (_, body) = html.split_once("<body>").unwrap();
    let mut text = String::new();
    let mut in_tag = false;
    for c in body.chars() {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                text.push(' ');
            }
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    text.replace("&#39;", "'").replace("&quot;", "\"")
}

/// The faults of French typography in a text; links are not prose.
pub(crate) fn faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for word in text.split([' ', '\n']).filter(|w| !w.contains("://")) {
        let chars: Vec<char> = word.chars().collect();
        for (i, c) in chars.iter().enumerate() {
            let before = i.checked_sub(1).map(|i| chars[i]);
            let after = chars.get(i + 1).copied();
            let bad = match c {
                '\'' | '"' => true,
                ';' | '!' | '?' | ':' | '»' => before != Some(NBSP),
                '«' => after != Some(NBSP),
                '/' => {
                    before.is_some_and(|c| c.is_ascii_digit())
                        && after.is_some_and(|c| c.is_ascii_digit())
                }
                _ => false,
            };
            if bad {
                faults.push(word.to_owned());
            }
        }
    }
    let words: Vec<&str> = text.split([' ', '\n']).filter(|w| !w.is_empty()).collect();
    for pair in words.windows(2) {
        let number = pair[0].chars().all(|c| c.is_ascii_digit());
        let unit = [
            "jour",
            "jours",
            "h",
            "mois",
            "jeton",
            "jetons",
            "caractères",
        ];
        if number && unit.contains(&pair[1].trim_matches(['.', ','])) {
            faults.push(pair.join(" "));
        }
        if pair[0] == "1" && pair[1].starts_with("novembre") {
            faults.push(pair.join(" "));
        }
    }
    faults
}

#[test]
fn the_test_sees_faults() {
    for bad in [
        "l'accès",
        "Urgent: x",
        "Urgent : x",
        "« x »",
        "15 jours",
        "le 22/11/2026",
    ] {
        assert!(!faults(bad).is_empty(), "{bad}");
    }
    assert_eq!(
        faults("à 16\u{a0}h\u{a0}45 : https://a.example/?b:c").len(),
        1
    );
}

#[test]
fn every_french_mail_is_well_set() {
    for (name, letter, now) in letters() {
        let mail = compose(&letter, &envelope(Lang::Fr, now));
        for said in [&mail.subject, &mail.text, &visible(&mail.html)] {
            assert_eq!(faults(said), Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn every_english_mail_is_well_set() {
    for (name, letter, now) in letters() {
        let mail = compose(&letter, &envelope(Lang::En, now));
        for said in [&mail.subject, &mail.text, &visible(&mail.html)] {
            assert!(!said.contains(['\'', '"']), "{name}: {said}");
        }
    }
}

#[test]
fn subjects_say_the_fact_first() {
    let subject_at = |days| {
        let letter = reminder(vec![token()]);
        subject(&letter, &envelope(Lang::Fr, days_before(days)), &paris()).replace(NBSP, " ")
    };
    let said: Vec<String> = [90, 31, 30, 15, 2, 1, 0, -1].map(subject_at).to_vec();
    assert_eq!(
        said,
        [
            "Jeton « Marchés publics » : à renouveler avant le 22 novembre 2026",
            "Jeton « Marchés publics » : à renouveler avant le 22 novembre 2026",
            "Jeton « Marchés publics » : à renouveler, il expire dans 30 jours",
            "Urgent : le jeton « Marchés publics » expire dans 15 jours",
            "Urgent : le jeton « Marchés publics » expire dans 2 jours",
            "Demain : coupure de l’accès « Marchés publics »",
            "Aujourd’hui à 16 h 45 : coupure de l’accès « Marchés publics »",
            "Accès coupé : le jeton « Marchés publics » a expiré le 22 novembre 2026",
        ]
    );
    let many = reminder(vec![token(), token(), token()]);
    let said = subject(&many, &envelope(Lang::Fr, days_before(15)), &paris());
    assert_eq!(
        said.replace(NBSP, " "),
        "3 jetons à renouveler, le premier expire dans 15 jours"
    );
}

#[test]
fn the_days_are_those_left_at_sending_and_not_the_stage() {
    let letter = reminder(vec![token()]);
    let mail = compose(&letter, &envelope(Lang::Fr, days_before(28)));
    assert!(mail.subject.contains("28\u{a0}jours"));
    for part in [&mail.text, &mail.html] {
        assert!(part.contains("28\u{a0}jours") && !part.contains("30\u{a0}jours"));
    }
}

#[test]
fn a_subject_keeps_its_fact_and_its_width_whatever_the_name() {
    let long = TokenPart {
        id: TokenId::parse("x").unwrap(),
        name: "Instruction des demandes d’aide à la rénovation énergétique".to_owned(),
        client: Some("Communauté de communes du Pays d’Exemple".to_owned()),
        ..token()
    };
    for lang in [Lang::Fr, Lang::En] {
        for days in [400, 90, 60, 30, 15, 2, 1, 0, -1, -400] {
            let letter = reminder(vec![long.clone()]);
            let said = subject(&letter, &envelope(lang, days_before(days)), &paris());
            assert!(said.chars().count() <= 75, "{said}");
            assert!(said.contains("Instruction") && said.contains('…'), "{said}");
            assert!(
                days > 0 || said.contains("2026") || said.contains("45"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_client_is_named_in_a_subject_that_has_room() {
    let part = TokenPart {
        name: "Aides".to_owned(),
        client: Some("Mairie de X".to_owned()),
        ..token()
    };
    let said = subject(
        &reminder(vec![part]),
        &envelope(Lang::En, days_before(15)),
        &paris(),
    );
    assert_eq!(
        said,
        "Urgent: token “Aides” (Mairie de X) expires in 15\u{a0}days"
    );
}
