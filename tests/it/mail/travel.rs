//! What leaves, read back by a parser that shares no code with what wrote it.

use jetond::delivery::compose::letter::{Composed, Envelope};
use jetond::delivery::compose::{ComposeError, Templates};
use jetond::domain::address::Address;
use jetond::domain::language::Lang;
use mail_parser::{MessageParser, MimeHeaders};

use super::{
    DASHBOARD, LINK, bare_token, compose, days_before, envelope, letters, mailbox, observed, paris,
    reminder, token,
};

/// Reads `mail` with the parser and compares everything with what was put in.
pub(super) fn assert_reads_back(mail: &Composed, envelope: &Envelope) {
    let parsed = MessageParser::default().parse(&mail.bytes).unwrap();
    let one = |address: Option<&mail_parser::Address<'_>>| {
        let list = address.unwrap().as_list().unwrap();
        assert_eq!(list.len(), 1);
        let name = list[0].name.as_ref().map(ToString::to_string);
        (name, list[0].address.as_ref().unwrap().to_string())
    };
    let sent = |m: &jetond::domain::address::Mailbox| (m.name.clone(), m.address.on_the_wire());
    assert_eq!(one(parsed.from()), sent(&envelope.from));
    assert_eq!(one(parsed.to()), sent(&envelope.to));
    assert_eq!(
        one(parsed.reply_to()),
        (None, envelope.contact.on_the_wire())
    );
    assert_eq!(parsed.subject(), Some(mail.subject.as_str()));
    assert_eq!(parsed.message_id(), Some(envelope.message_id.as_str()));
    assert_eq!(
        parsed.date().unwrap().to_timestamp(),
        envelope.now.timestamp()
    );
    assert_eq!(parsed.parts.len(), 3);
    let lf = |s: &str| s.replace("\r\n", "\n");
    assert_eq!(lf(&parsed.body_text(0).unwrap()), mail.text);
    assert_eq!(lf(&parsed.body_html(0).unwrap()), mail.html);
    let subtype = |i: usize| parsed.parts[i].content_type().unwrap().subtype();
    assert_eq!(
        [subtype(0), subtype(1), subtype(2)],
        [Some("alternative"), Some("plain"), Some("html")]
    );
}

fn header<'a>(mail: &'a Composed, name: &str) -> Option<&'a str> {
    let headers = std::str::from_utf8(&mail.bytes).unwrap();
    let (headers, _) = headers.split_once("\r\n\r\n").unwrap();
    headers
        .split("\r\n")
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn every_mail_reads_back_as_it_was_composed() {
    for lang in [Lang::Fr, Lang::En] {
        for (_, letter, now) in letters() {
            let envelope = envelope(lang, now);
            assert_reads_back(&compose(&letter, &envelope), &envelope);
        }
    }
}

#[test]
fn the_same_letter_gives_the_same_bytes() {
    for (_, letter, now) in letters() {
        let envelope = envelope(Lang::Fr, now);
        assert_eq!(compose(&letter, &envelope), compose(&letter, &envelope));
    }
}

#[test]
fn a_link_stands_whole_on_a_line_of_its_own() {
    for part in [token(), observed(token())] {
        let mail = compose(&reminder(vec![part]), &envelope(Lang::Fr, days_before(30)));
        assert!(mail.text.lines().any(|l| l == LINK));
        assert!(mail.text.lines().any(|l| l == DASHBOARD));
        assert!(mail.html.contains(&format!("href=\"{LINK}\"")));
        assert!(mail.html.contains(&format!(">{LINK}</a>")));
    }
}

#[test]
fn without_a_data_pass_number_the_dashboard_stands_in() {
    let mail = compose(
        &reminder(vec![bare_token()]),
        &envelope(Lang::Fr, days_before(30)),
    );
    assert!(!mail.text.contains("datapass.api.gouv.fr"));
    assert!(mail.text.lines().any(|l| l == DASHBOARD));
    assert!(mail.text.contains("pas au formulaire"));
}

#[test]
fn the_headers_say_that_a_machine_wrote_it() {
    for (_, letter, now) in letters() {
        let mail = compose(&letter, &envelope(Lang::Fr, now));
        assert_eq!(header(&mail, "Auto-Submitted"), Some("auto-generated"));
        assert_eq!(
            header(&mail, "X-Auto-Response-Suppress"),
            Some("OOF, AutoReply")
        );
        assert_eq!(header(&mail, "Content-Language"), Some("fr"));
        assert_eq!(header(&mail, "MIME-Version"), Some("1.0"));
        assert_eq!(
            header(&mail, "Message-ID"),
            Some("<m42.1a2b3c@ville.example>")
        );
        for absent in ["List-Unsubscribe", "User-Agent", "X-Mailer", "Bcc", "Cc"] {
            assert_eq!(header(&mail, absent), None);
        }
        assert!(mail.bytes.is_ascii() && !mail.needs_smtputf8);
    }
}

#[test]
fn the_date_header_is_local() {
    let (_, letter, _) = letters().swap_remove(0);
    let mail = compose(&letter, &envelope(Lang::Fr, days_before(0)));
    assert_eq!(
        header(&mail, "Date"),
        Some("Sun, 22 Nov 2026 09:00:00 +0100")
    );
}

#[test]
fn an_idn_domain_travels_as_its_a_label_and_a_utf8_local_part_asks_for_smtputf8() {
    let (_, letter, now) = letters().swap_remove(0);
    let mut envelope = envelope(Lang::Fr, now);
    envelope.to = mailbox("Zoé <zoe@mairie-évry.example>");
    let mail = compose(&letter, &envelope);
    assert!(mail.bytes.is_ascii() && !mail.needs_smtputf8);
    assert_reads_back(&mail, &envelope);

    envelope.to = mailbox("Zoé <zoé@mairie-évry.example>");
    let mail = compose(&letter, &envelope);
    assert!(mail.needs_smtputf8);
    assert!(header(&mail, "To").unwrap().contains("<zoé@xn--"));
    assert_reads_back(&mail, &envelope);
}

#[test]
fn what_cannot_become_a_mail_is_an_error() {
    let (_, letter, now) = letters().swap_remove(0);
    let mut envelope = envelope(Lang::Fr, now);
    let templates = Templates::built_in();
    assert_eq!(
        templates
            .compose(&reminder(Vec::new()), &envelope, &paris())
            .unwrap_err(),
        ComposeError::NoToken
    );
    envelope.message_id = "a@b>\r\nBcc: c@d.example\r\nX: <".to_owned();
    assert!(matches!(
        templates.compose(&letter, &envelope, &paris()),
        Err(ComposeError::MessageId(_))
    ));
}

#[test]
fn a_reply_with_a_ready_subject_goes_to_the_contact() {
    let mut envelope = envelope(Lang::Fr, days_before(30));
    envelope.contact = Address::parse("dsi+jetons@ville.example").unwrap();
    let mail = compose(&reminder(vec![token()]), &envelope);
    assert!(
        mail.text
            .lines()
            .any(|l| l == "Déjà déposé\u{a0}: marches-publics")
    );
    assert!(mail.html.contains(
        "href=\"mailto:dsi%2Bjetons@ville.example?subject=D%C3%A9j%C3%A0%20d%C3%A9pos%C3%A9%C2%A0%3A%20marches-publics\""
    ), "{}", mail.html);
}
