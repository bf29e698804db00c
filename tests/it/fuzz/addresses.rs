//! Addresses: what is taken reads back as itself and cannot break out of a command or a header.

use jetond::domain::address::{Address, Mailbox, mask_addresses};
use jetond::domain::language::is_hazardous;

use super::engine::Target;

const WORDS: &[&[u8]] = &[
    b"@",
    b"..",
    b"<",
    b">",
    b"\"",
    b"\r\nRCPT TO:<x@y.example>\r\n",
    b"xn--",
    b"xn--mairie-vry-ffb",
    "é".as_bytes(),
    "\u{ff0e}".as_bytes(),
    "\u{3002}".as_bytes(),
    "\u{ad}".as_bytes(),
    "\u{200d}".as_bytes(),
    "ß".as_bytes(),
    "İ".as_bytes(),
    "ﬃ".as_bytes(),
    "\u{ff20}".as_bytes(),
    "\u{ff1e}".as_bytes(),
    "\u{a0}".as_bytes(),
    "ville.example".as_bytes(),
];

/// An address that was taken.
fn holds(address: &Address) {
    let wire = address.on_the_wire();
    let unfit = |c: char| is_hazardous(c) || c.is_whitespace() || "<>()[]\\,;:\"".contains(c);
    assert!(!wire.contains(unfit), "{wire:?}");
    assert_eq!(wire.matches('@').count(), 1, "{wire:?}");
    assert!(wire.len() <= 254, "{wire:?} is too long for a path");
    let domain = address.ascii_domain();
    assert!(domain.is_ascii(), "{domain:?}");
    let fits = |l: &str| {
        let inner = l
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        inner && (1..=63).contains(&l.len()) && !l.starts_with('-') && !l.ends_with('-')
    };
    assert!(domain.split('.').all(fits), "{domain:?}");
    assert_eq!(wire.is_ascii(), !address.needs_smtputf8());

    let again = Address::parse(&wire).expect("what travels is an address");
    assert_eq!(again.on_the_wire(), wire);
    assert_eq!(&again, address, "and the same one");
    assert_eq!(again.key(), address.key());
    let written = Address::parse(address.as_str()).expect("as written too");
    assert_eq!(written.key(), address.key());
    let masked = address.masked();
    assert!(masked.ends_with(&format!("***@{domain}")), "{masked}");
}

#[test]
fn addresses() {
    let target = Target {
        name: "addresses",
        words: WORDS,
        cases: 5_000,
        longest: 600,
    };
    target.run(|bytes| {
        let written = String::from_utf8_lossy(bytes);
        if let Ok(address) = Address::parse(&written) {
            assert_eq!(address.as_str(), written);
            holds(&address);
        }
        if let Ok(mailbox) = Mailbox::parse(&written) {
            holds(&mailbox.address);
            if let Some(name) = &mailbox.name {
                assert!(!name.contains(is_hazardous), "{name:?}");
            }
            let shown = mailbox.to_string();
            let again = Mailbox::parse(&shown).expect("what is shown reads back");
            assert_eq!(again.address, mailbox.address, "{shown:?}");
        }
        let masked = mask_addresses(&written);
        assert_eq!(
            mask_addresses(&masked),
            masked,
            "masking twice adds nothing"
        );
    });
}
