//! Delivery status notifications in the forms of the servers that write them: the samples are
//! made after the manuals and the sources of each.

use jetond::delivery::bounces::dsn::{Action, Dsn};

const KEY: &str = "c.martin@ville.example";
const ID: &str = "20261122.0a1b2c3d4e5f60718293@ville.example";

/// As Postfix's bounce(8) writes them.
const POSTFIX: &str = include_str!("samples/postfix.eml");
/// Postfix, `delay_warning_time`: the header of the message only.
const POSTFIX_DELAYED: &str = include_str!("samples/postfix_delayed.eml");
/// Postfix, `maximal_queue_lifetime`.
const POSTFIX_EXPIRED: &str = include_str!("samples/postfix_expired.eml");
/// As Exim writes them: no original recipient, the status always 5.0.0.
const EXIM: &str = include_str!("samples/exim.eml");
/// As Exchange writes them: the report's text is a multipart of its own.
const EXCHANGE: &str = include_str!("samples/exchange.eml");
/// As sendmail writes them, and with the header only.
const SENDMAIL: &str = include_str!("samples/sendmail.eml");

fn read(message: &str) -> Dsn {
    Dsn::read(message.replace('\n', "\r\n").as_bytes()).expect("it is a notification")
}

fn fate(message: &str) -> (Action, String) {
    let dsn = read(message);
    assert!(dsn.message_ids.iter().any(|id| id == ID), "{dsn:?}");
    let fate = dsn.fate_of(KEY).expect("it is about them");
    (fate.action, fate.said.clone())
}

#[test]
fn a_refusal_is_read_in_the_form_of_each_server() {
    for (sample, said) in [
        (
            POSTFIX,
            "550 5.1.1 <c.martin@ville.example>: Recipient address rejected: User unknown in local recipient table",
        ),
        (
            EXIM,
            "5.0.0 550 5.1.1 <c.martin@ville.example>: Recipient address rejected: User unknown",
        ),
        (
            EXCHANGE,
            "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient c.martin@ville.example not found by SMTP address lookup",
        ),
        (
            SENDMAIL,
            "550 5.1.1 <c.martin@ville.example>... User unknown",
        ),
    ] {
        let (action, words) = fate(sample);
        assert_eq!(action, Action::Refused, "{sample}");
        assert_eq!(words, said);
    }
}

#[test]
fn what_is_late_and_what_took_too_long_are_no_refusals() {
    let (action, said) = fate(POSTFIX_DELAYED);
    assert_eq!(action, Action::Delayed);
    assert!(said.starts_with("4.4.1 connect to"), "{said}");
    assert_eq!(fate(POSTFIX_EXPIRED).0, Action::Expired);
    // A success says nothing of a fault, whatever it is called.
    let odd = POSTFIX.replace("Status: 5.1.1", "Status: 2.1.5");
    assert_eq!(fate(&odd).0, Action::Other);
    for action in ["delivered", "relayed", "expanded", "other"] {
        let told = POSTFIX.replace("Action: failed", &format!("Action: {action}"));
        assert_eq!(fate(&told).0, Action::Other);
    }
}

#[test]
fn line_ends_of_unix_are_read_like_those_of_the_wire() {
    assert_eq!(Dsn::read(POSTFIX.as_bytes()), Some(read(POSTFIX)));
}

#[test]
fn without_a_status_the_reply_counts() {
    let bare = POSTFIX.replace("Status: 5.1.1\n", "");
    assert_eq!(fate(&bare).0, Action::Refused);
    let late = bare.replace("smtp; 550 5.1.1", "smtp; 451 4.3.0");
    assert_eq!(fate(&late).0, Action::Expired);
}

#[test]
fn the_message_is_known_by_what_the_server_gives_back_of_it() {
    let anonymous = |extra: &str| {
        POSTFIX
            .replace(&format!("Message-ID: <{ID}>\n"), "")
            .replace("Reporting-MTA:", &format!("{extra}Reporting-MTA:"))
    };
    assert_eq!(
        Dsn::read(anonymous("").as_bytes()),
        None,
        "nothing names it"
    );
    for field in [
        format!("Original-Envelope-Id: {ID}\n"),
        format!("Original-Envelope-Id: <{ID}>\n"),
        format!("Original-Envelope-Id: {}\n", ID.replace('@', "+40")),
        format!("X-Original-Message-ID: <{ID}>\n"),
    ] {
        assert_eq!(fate(&anonymous(&field)).0, Action::Refused, "{field}");
    }
    for header in ["In-Reply-To", "References", "X-Original-Message-ID"] {
        let told = format!("{header}: <{ID}>\n{}", anonymous(""));
        assert_eq!(fate(&told).0, Action::Refused, "{header}");
    }
    // A message may come back as text, or as RFC 6533 has it.
    for kind in [
        "text/rfc822-headers",
        "message/global-headers",
        "message/global",
    ] {
        let told = POSTFIX.replace(
            "Content-Type: message/rfc822",
            &format!("Content-Type: {kind}"),
        );
        assert_eq!(fate(&told).0, Action::Refused, "{kind}");
    }
}

#[test]
fn either_address_counts_and_another_one_does_not() {
    let moved = POSTFIX.replace(
        "Final-Recipient: rfc822; c.martin@ville.example",
        "Final-Recipient: rfc822; cmartin@boxes.ville.example",
    );
    assert_eq!(fate(&moved).0, Action::Refused, "the original one is left");
    let other = moved.replace(
        "Original-Recipient: rfc822;c.martin@ville.example",
        "Original-Recipient: rfc822;n.diallo@ville.example",
    );
    assert_eq!(read(&other).fate_of(KEY), None);
    for spelling in [
        "RFC822;C.Martin@VILLE.example",
        "rfc822; <c.martin@ville.example>",
        "utf-8; c.martin@ville.example",
        "rfc822; c.martin+40ville.example",
    ] {
        let told = other.replace("rfc822; cmartin@boxes.ville.example", spelling);
        assert_eq!(fate(&told).0, Action::Refused, "{spelling}");
    }
    let x400 = other.replace(
        "rfc822; cmartin@boxes.ville.example",
        "x400; c.martin@ville.example",
    );
    assert_eq!(read(&x400).fate_of(KEY), None);
}

#[test]
fn of_several_recipients_the_worst_that_is_said_of_ours_counts() {
    let ours = "Final-Recipient: rfc822; c.martin@ville.example\n";
    let more = format!(
        "Final-Recipient: rfc822; other@ville.example\nAction: delivered\nStatus: 2.0.0\n\n\
         {ours}Action: delayed\nStatus: 4.0.0\n\n{ours}"
    );
    let told = POSTFIX.replace(ours, &more);
    assert_eq!(read(&told).recipients.len(), 3);
    assert_eq!(fate(&told).0, Action::Refused);
}

#[test]
fn whatever_else_arrives_is_no_notification() {
    for no in [
        "",
        "\r\n",
        "Subject: Absent\n\nJe suis absente jusqu’au 3.\n",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=a\n\n--a\n\n--a--\n",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=a\n\n--a\n\n--a--\n",
        "Content-Type: multipart/report; report-type=delivery-status\n\nno part\n",
        "Content-Type: message/delivery-status\n\nAction: failed\n",
    ] {
        assert_eq!(Dsn::read(no.as_bytes()), None, "{no}");
    }
    let mixed = POSTFIX.replace("multipart/report", "multipart/mixed");
    assert_eq!(Dsn::read(mixed.as_bytes()), None);
}

#[test]
fn a_notification_cut_anywhere_is_read_or_refused_without_harm() {
    for sample in [POSTFIX, EXIM, EXCHANGE, SENDMAIL] {
        for end in 0..sample.len() {
            if let Some(dsn) = Dsn::read(&sample.as_bytes()[..end]) {
                assert!(dsn.recipients.len() <= 1 && !dsn.message_ids.is_empty());
            }
        }
    }
}

#[test]
fn what_a_server_said_is_one_clean_bounded_line() {
    let long = POSTFIX.replace(
        "User unknown",
        &format!("User\u{202e} {}", "x".repeat(5000)),
    );
    let (_, said) = fate(&long);
    assert!(
        said.chars().count() <= 501 && !said.contains('\u{202e}'),
        "{said}"
    );
}
