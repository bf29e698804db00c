//! Delivery status notifications: anything may come back to the mailbox that is read.

use jetond::delivery::bounces::dsn::Dsn;
use jetond::domain::language::is_hazardous;

use super::engine::Target;

const WORDS: &[&[u8]] = &[
    b"\n\n",
    b"\r\n\r\n",
    b"Status: 5.1.1\n",
    b"Action: failed\n",
    b"Action: delayed\n",
    b"Final-Recipient: rfc822; ",
    b"Original-Recipient: rfc822;",
    b"Diagnostic-Code: smtp; 550 5.1.1 no",
    b"Original-Envelope-Id: a+2Bb+",
    b"Message-ID: <",
    b"References: <a@b> <c@d>",
    b"Content-Type: message/delivery-status\n",
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=\"",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Transfer-Encoding: quoted-printable\n",
    b"utf-8; ",
    b"=?utf-8?B?w6k=?=",
    b"+2B",
    b"+ZZ",
    b"--",
    "é".as_bytes(),
    "\u{202e}".as_bytes(),
];

#[test]
fn notifications() {
    let target = Target {
        name: "notifications",
        words: WORDS,
        cases: 3_000,
        longest: 40_000,
    };
    target.run(|bytes| {
        let Some(dsn) = Dsn::read(bytes) else { return };
        assert!((1..=32).contains(&dsn.message_ids.len()));
        for (n, id) in dsn.message_ids.iter().enumerate() {
            assert!((1..=998).contains(&id.len()));
            assert!(!dsn.message_ids[..n].contains(id), "each once");
        }
        assert!((1..=256).contains(&dsn.recipients.len()));
        for fate in &dsn.recipients {
            assert!(fate.said.chars().count() <= 501);
            assert!(!fate.said.contains(is_hazardous), "{:?}", fate.said);
            assert!(!fate.keys.is_empty(), "it is about someone");
            for key in &fate.keys {
                assert!(dsn.fate_of(key).is_some());
            }
        }
        assert_eq!(Dsn::read(bytes), Some(dsn), "the same bytes say the same");
    });
}
