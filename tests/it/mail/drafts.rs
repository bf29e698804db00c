//! The fast way and the slow way give the same bytes, whatever a letter holds; and what mails
//! share holds nobody's data.

use std::collections::HashMap;
use std::sync::LazyLock;

use jetond::delivery::compose::Templates;
use jetond::delivery::compose::letter::{Draft, Envelope, Letter, TokenPart};
use jetond::domain::address::{Address, Mailbox};
use jetond::domain::body::Body;
use jetond::domain::language::Lang;
use jetond::domain::token::{Role, Siret, TokenId};
use proptest::prelude::*;
use proptest::sample::select;

use super::{calendar, days_before, envelope, letters, mailbox, note, paris, reminder, token};

/// One for all tests: a form must also fit the mails that it was not made from.
static TEMPLATES: LazyLock<Templates> = LazyLock::new(Templates::built_in);

/// What names, links and the like may hold.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[A-Z][a-zéèàç]{2,12}( [a-zéèàç’'-]{1,9}){0,4}",
        2 => "\\PC{0,128}",
        1 => "[ -~]{0,128}",
        1 => "[a-zA-Z\u{a0}\u{202f}é😀👩\u{200d}🚒\"'<>&=. -]{0,90}",
        1 => "([a-z]{1,9}  ?){1,12}",
        1 => proptest::collection::vec(any::<char>(), 0..20)
            .prop_map(|v| v.into_iter().collect()),
        1 => select(vec![
            "<script>alert(1)</script>",
            "a\r\nBcc: b@c.example",
            "\u{f0000}\u{f0001} {{ t.name }}",
            "- a list",
            "Échéance         aligned",
            "..",
            ".",
            "=20=\t=",
            "\u{85}\u{9f}é\u{1b}",
            "",
        ]).prop_map(str::to_owned),
        1 => ("[a-zé€😀]", 1..300_usize).prop_map(|(c, n)| c.repeat(n)),
    ]
}

fn person() -> impl Strategy<Value = Mailbox> {
    let addresses = vec![
        "c.martin@ville.example",
        "andré@évry.example",
        "a+b=c/d@x.example",
        "une.adresse.vraiment.longue.avec.beaucoup.de.points@direction-du-numerique.ville-exemple.example",
    ];
    (proptest::option::of(words()), select(addresses)).prop_map(|(name, address)| Mailbox {
        name,
        address: Address::parse(address).unwrap(),
    })
}

fn link() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "https://datapass.api.gouv.fr/demandes/[0-9]{1,6}/reopen-from-external",
        1 => "https://[a-z.é-]{1,300}/[?&=a-z0-9%#]{0,300}",
        1 => words(),
    ]
}

fn part() -> impl Strategy<Value = TokenPart> {
    use proptest::option::of;
    let known = (
        "[a-zé0-9._<>&=-]{1,40}",
        words(),
        of(words()),
        of(link()),
        of("[0-9a-z-]{1,40}"),
        of(words()),
        any::<bool>(),
    );
    let people = (
        of(person()),
        proptest::collection::vec(person(), 0..14),
        proptest::collection::vec(words(), 0..6),
        select(Role::ALL.to_vec()),
    );
    let times = (
        -500..500_i64,
        0..86_400_i64,
        of(-90..90_i64),
        of(-90..0_i64),
        of(link()),
    );
    (known, people, times).prop_filter_map("an id", |(known, people, times)| {
        let (id, name, client, link, datapass_id, jti_end, siret) = known;
        let (demandeur, others, used_by, role) = people;
        let (days, seconds, next, filed, page) = times;
        let at = |days| days_before(days) + chrono::Duration::seconds(seconds);
        let expires = if seconds % 3 == 0 {
            paris().end_of_day(paris().date(at(days)))
        } else {
            at(days)
        };
        Some(TokenPart {
            id: TokenId::parse(&id).ok()?,
            name,
            client,
            expires,
            role,
            link,
            datapass_id,
            siret: Siret::parse("13002526500013").ok().filter(|_| siret),
            jti_end,
            used_by,
            demandeur,
            others,
            next_reminder: next.map(at),
            filed: filed.map(at),
            page,
            ..token()
        })
    })
}

fn any_envelope() -> impl Strategy<Value = Envelope> {
    let frame = (words(), link(), any::<bool>(), any::<bool>());
    let people = (person(), person(), person());
    (frame, people, "[a-z0-9.]{1,90}", -40..40_i64).prop_map(
        |((organisation, dashboard, english, nameless), (from, to, contact), id, days)| {
            let lang = if english { Lang::En } else { Lang::Fr };
            Envelope {
                from,
                to,
                contact: contact.address,
                organisation: if nameless {
                    String::new()
                } else {
                    organisation
                },
                message_id: format!("{id}@ville.example"),
                dashboard,
                ..envelope(lang, days_before(days))
            }
        },
    )
}

/// The draft of a letter, held against the mail that the engine renders.
fn proven(letter: &Letter, envelope: &Envelope) -> Result<Draft, TestCaseError> {
    let calendar = calendar(chrono_tz::Europe::Paris);
    let slow = TEMPLATES.compose(letter, envelope, &calendar);
    let fast = TEMPLATES.draft(letter, envelope, &calendar);
    let (slow, fast) = match (slow, fast) {
        (Ok(slow), Ok(fast)) => (slow, fast),
        (slow, fast) => {
            prop_assert_eq!(slow.err(), fast.err());
            return Err(TestCaseError::reject("no mail"));
        }
    };
    prop_assert_eq!(
        String::from_utf8_lossy(&fast.bytes),
        String::from_utf8_lossy(&slow.bytes)
    );
    prop_assert_eq!(fast.body.bytes(), Ok(slow.bytes));
    prop_assert_eq!(&fast.subject, &slow.subject);
    Ok(fast)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("JETOND_TEST_LETTERS").map_or(60, |n| n.parse().unwrap()),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_reminder_has_the_same_bytes_both_ways(
        part in part(), envelope in any_envelope(),
    ) {
        proven(&reminder(vec![part]), &envelope)?;
    }

    #[test]
    fn a_digest_has_the_same_bytes_both_ways(
        mut parts in proptest::collection::vec(part(), 2..5), envelope in any_envelope(),
        paged in any::<bool>(),
    ) {
        for part in &mut parts {
            part.page = part.page.take().filter(|_| paged);
        }
        proven(&reminder(parts), &envelope)?;
    }
}

/// As [`token`], with every name, address, number and link its own.
fn of_one(n: usize) -> (TokenPart, Envelope) {
    let part = TokenPart {
        id: TokenId::parse(&format!("jeton-{n}")).unwrap(),
        name: format!("Nom{n}"),
        client: Some(format!("Client{n}")),
        link: Some(format!("https://datapass.example/{n}")),
        datapass_id: Some(format!("{n}")),
        jti_end: Some(format!("abc{n}")),
        used_by: vec![format!("Service{n}"), format!("Autre{n}"), "GRC".to_owned()],
        demandeur: Some(mailbox(&format!("Camille{n} <camille{n}@ville.example>"))),
        others: vec![mailbox(&format!("Autrui{n} <autrui{n}@ville.example>"))],
        page: Some(format!("https://pages.example/l/{n}")),
        filed: Some(days_before(20)),
        ..token()
    };
    let mut envelope = envelope(Lang::Fr, days_before(7));
    envelope.from = mailbox(&format!("Veille{n} <veille{n}@ville.example>"));
    envelope.to = mailbox(&format!("Lecteur{n} <lecteur{n}@ville.example>"));
    envelope.contact = Address::parse(&format!("contact{n}@ville.example")).unwrap();
    envelope.organisation = format!("Organisation{n}");
    envelope.dashboard = format!("https://tableau.example/{n}");
    (part, envelope)
}

#[test]
fn what_mails_share_holds_nobodys_data() {
    // Whoever is first, the form is the same.
    let mut digests = HashMap::new();
    for n in [71_001, 71_002] {
        let templates = Templates::built_in();
        for role in Role::ALL {
            let (part, envelope) = of_one(n);
            // Each name, address, number and link has 7100 in it.
            let data = [
                "7100", "GRC", "ville", "13002", "130=C2", "Paris", "novembre", "dimanche", "2026",
            ];
            for tokens in [vec![part.clone()], vec![part.clone(), part.clone()]] {
                let count = tokens.len();
                let tokens = tokens
                    .into_iter()
                    .map(|t| TokenPart { role, ..t })
                    .collect();
                let draft = templates
                    .draft(&reminder(tokens), &envelope, &paris())
                    .unwrap();
                let Body::Sparse { form, own } = &draft.body else {
                    panic!("a usual reminder has a form");
                };
                let shared = String::from_utf8(form.shared.clone()).unwrap();
                let shared = shared.replace("=\r\n", "");
                for said in data {
                    assert!(!shared.contains(said), "{said} is in what {count} share");
                }
                assert!(form.shared.len() > 8000 && own.len() < draft.bytes.len() / 2);
                let digest = digests.entry((role, count)).or_insert(form.digest);
                assert_eq!(*digest, form.digest);
            }
        }
    }
}

#[test]
fn every_usual_reminder_has_a_form_and_notes_and_overrides_have_none() {
    let overridden = [("style.css".to_owned(), "body { margin: 0 }".to_owned())];
    let overridden = Templates::with_overrides(overridden.into_iter()).unwrap();
    for (name, letter, now) in letters() {
        let envelope = envelope(Lang::Fr, now);
        let draft = proven(&letter, &envelope).unwrap();
        let sparse = matches!(draft.body, Body::Sparse { .. });
        assert_eq!(sparse, name != "note", "{name}");
        let theirs = overridden.draft(&letter, &envelope, &paris()).unwrap();
        assert_eq!(theirs.body, Body::Whole(theirs.bytes.clone()));
        let whole = overridden.compose(&letter, &envelope, &paris()).unwrap();
        assert_eq!(theirs.bytes, whole.bytes);
    }
}

#[test]
fn what_cannot_be_a_mail_is_refused_both_ways() {
    let mut no_id = envelope(Lang::Fr, days_before(7));
    no_id.message_id = "a b".to_owned();
    let fine = envelope(Lang::Fr, days_before(7));
    for (letter, envelope) in [(reminder(Vec::new()), &fine), (note(), &no_id)] {
        let slow = TEMPLATES.compose(&letter, envelope, &paris()).unwrap_err();
        let fast = TEMPLATES.draft(&letter, envelope, &paris()).unwrap_err();
        assert_eq!(slow, fast);
    }
}
