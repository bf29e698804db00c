//! Names are data: whatever they hold, the bytes are sound and read back.

use jetond::delivery::compose::Templates;
use jetond::delivery::compose::check::check_bytes;
use jetond::delivery::compose::letter::TokenPart;
use jetond::domain::address::Mailbox;
use jetond::domain::language::{Lang, is_hazardous};
use proptest::prelude::*;

use super::travel::assert_reads_back;
use super::{bare_token, days_before, envelope, paris, reminder, token};

const NAMES: [&str; 14] = [
    "\"Marchés\" 'publics' \\ <x@y.example>, z",
    "=?utf-8?q?=41?=",
    "=?utf-8?B?QUJD?= and more",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }} {% raw %} {# x #}",
    "👨‍👩‍👧‍👦👍🏽 é e\u{301}",
    "العربية עברית",
    "a\r\nBcc: victim@example.org\r\n\r\nbody",
    ".\r\n.\r\n",
    "\u{0}\u{7}\u{1b}[31m\u{202e}txt.exe\u{2028}x",
    "  spaces  inside  ",
    "…",
    "%s %0A &amp; ?subject=x&body=y",
    "",
];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(NAMES.to_vec()).prop_map(str::to_owned),
        "\\PC{0,80}",
        "[a-z =?_é😀\"'<>&]{0,300}",
        proptest::collection::vec(any::<char>(), 0..60).prop_map(|v| v.into_iter().collect()),
        (any::<char>(), 1..2000_usize).prop_map(|(c, n)| c.to_string().repeat(n)),
    ]
}

/// A name that the edge lets through: see `Mailbox::parse`.
pub(super) fn shown_name(name: &str) -> Option<String> {
    let kept: String = name
        .chars()
        .filter(|c| !is_hazardous(*c) && !c.is_whitespace() || *c == ' ')
        .collect();
    let words: Vec<&str> = kept.split_whitespace().collect();
    let kept = words.join(" ");
    (!kept.is_empty()).then_some(kept)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_name_gives_sound_bytes_that_read_back(
        token_name in name(),
        client in proptest::option::of(name()),
        used_by in proptest::collection::vec(name(), 0..3),
        organisation in name(),
        to in name(),
        from in name(),
        english in any::<bool>(),
        many in any::<bool>(),
        days in -400..500_i64,
    ) {
        let lang = if english { Lang::En } else { Lang::Fr };
        let mut envelope = envelope(lang, days_before(days));
        envelope.organisation = organisation;
        envelope.to.name = shown_name(&to);
        envelope.from.name = shown_name(&from);
        let part = TokenPart { name: token_name, client, used_by, ..token() };
        let tokens = if many { vec![part, bare_token()] } else { vec![part] };
        let templates = Templates::built_in();
        let letter = reminder(tokens);
        let mail = templates.compose(&letter, &envelope, &paris()).unwrap();
        prop_assert_eq!(check_bytes(&mail.bytes), Ok(()));
        prop_assert!(mail.subject.chars().count() <= 75, "{}", mail.subject);
        prop_assert!(!mail.html.contains("<script"));
        prop_assert!(!mail.text.contains(|c| is_hazardous(c) && c != '\n'));
        assert_reads_back(&mail, &envelope);
        let again = templates.compose(&letter, &envelope, &paris()).unwrap();
        prop_assert!(again == mail);
    }
}

#[test]
fn a_name_with_controls_in_a_header_is_encoded_and_adds_no_line() {
    let mut envelope = envelope(Lang::Fr, days_before(30));
    envelope.to = Mailbox {
        name: Some("a\r\nBcc: victim@example.org".to_owned()),
        address: envelope.to.address.clone(),
    };
    let mail = super::compose(&reminder(vec![token()]), &envelope);
    let headers = String::from_utf8(mail.bytes).unwrap();
    assert!(!headers.contains("\nBcc"));
}

#[test]
fn a_pasted_token_is_shown_nowhere() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTExMTExMS0yMjIyIn0.v-S5y1sROmw7a32ZsLc6s6";
    let part = TokenPart {
        name: jwt.to_owned(),
        used_by: vec![format!("x {jwt}")],
        ..token()
    };
    let mail = super::compose(&reminder(vec![part]), &envelope(Lang::Fr, days_before(30)));
    for said in [&mail.subject, &mail.text, &mail.html] {
        assert!(!said.contains("eyJ"));
    }
}
