//! The tickets in the links of mails: who was written to, about which period of which token,
//! under a signature (HMAC-SHA256, RFC 2104).
//!
//! A ticket names nobody in clear: the recipient stands in it as a keyed tag. A genuine one is
//! told from a forged one without looking anything up, and in the same time whatever is wrong.
//! It is no more than a claim; whether its period still runs and its recipient is still told is
//! for the record to say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The first byte: another layout would have another number.
const FORM: u8 = 1;

/// Bytes before the signature: form, token (4), period (4), tag (8).
const SIGNED: usize = 17;

const TAG: usize = 8;

/// Bytes of the signature; 128 bits are far beyond guessing over a network.
const SIGNATURE: usize = 16;

/// The length of a key in bytes.
pub const KEY: usize = 32;

/// The keys in force: the first signs, each is believed.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<Zeroizing<[u8; KEY]>>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

/// What a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder<'a> {
    /// The token's row.
    pub token: i64,
    /// The token's id: in a restored store another one may have the row.
    pub id: &'a str,
    /// The number of its period.
    pub period: i64,
    /// When that period was opened.
    pub opened_at: DateTime<Utc>,
    /// The recipient's key.
    pub recipient: &'a str,
}

/// A ticket that this program signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The token's row.
    pub token: i64,
    /// The number of the period.
    pub period: i64,
    tag: [u8; TAG],
    /// The key that signed it.
    key: usize,
}

/// The pages that a ticket opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// What can be said, and what was said.
    Overview,
    /// "I have filed the request."
    Filed,
    /// "It is renewed."
    Renewed,
    /// "Not for me."
    NotForMe,
}

impl Page {
    /// Every page.
    pub const ALL: [Self; 4] = [Self::Overview, Self::Filed, Self::Renewed, Self::NotForMe];

    /// What follows the ticket in the path.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Filed => "/filed",
            Self::Renewed => "/renewed",
            Self::NotForMe => "/not-for-me",
        }
    }

    /// The path of the page for a ticket.
    pub fn path(self, ticket: &str) -> String {
        format!("/l/{ticket}{}", self.suffix())
    }
}

impl Keyring {
    /// A ring of at least one key, the one that signs first.
    pub fn new(first: Zeroizing<[u8; KEY]>, others: Vec<Zeroizing<[u8; KEY]>>) -> Self {
        let mut keys = vec![first];
        keys.extend(others);
        Self { keys }
    }

    /// Signs a ticket: 44 characters that may stand in a path as they are. `None` past four
    /// billion tokens or periods.
    pub fn sign(&self, holder: &Holder<'_>) -> Option<String> {
        let key = &self.keys[0];
        let mut bytes = Vec::with_capacity(SIGNED + SIGNATURE);
        bytes.push(FORM);
        bytes.extend(u32::try_from(holder.token).ok()?.to_be_bytes());
        bytes.extend(u32::try_from(holder.period).ok()?.to_be_bytes());
        bytes.extend(tag(key, holder));
        let signature = mac(key, b"link", &[&bytes]).finalize().into_bytes();
        bytes.extend(&signature[..SIGNATURE]);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a ticket that one of these keys signed.
    pub fn read(&self, written: &str) -> Option<Ticket> {
        let mut bytes = [0; SIGNED + SIGNATURE];
        let length = URL_SAFE_NO_PAD.decode_slice(written, &mut bytes).ok()?;
        let (signed, signature) = bytes.split_at(SIGNED);
        // Every key is tried, also after one that fits: the time tells nothing.
        let key = self
            .keys
            .iter()
            .enumerate()
            .fold(None, |found, (at, key)| {
                let fits = mac(key, b"link", &[signed])
                    .verify_truncated_left(signature)
                    .is_ok();
                found.or(fits.then_some(at))
            })?;
        let number = |at: usize| {
            let four = signed[at..at + 4]
                .try_into()
                .expect("four bytes are four bytes");
            i64::from(u32::from_be_bytes(four))
        };
        let tag = signed[9..].try_into().expect("a tag is what is left");
        (length == bytes.len() && signed[0] == FORM).then_some(Ticket {
            token: number(1),
            period: number(5),
            tag,
            key,
        })
    }
}

impl Ticket {
    /// Whether it was signed for this holder.
    pub fn is_for(&self, ring: &Keyring, holder: &Holder<'_>) -> bool {
        (self.token, self.period) == (holder.token, holder.period)
            && ring
                .keys
                .get(self.key)
                .is_some_and(|key| tag(key, holder) == self.tag)
    }
}

/// The holder, as only the owner of the key can name them.
fn tag(key: &[u8; KEY], holder: &Holder<'_>) -> [u8; TAG] {
    let opened_at = holder.opened_at.timestamp().to_be_bytes();
    let period = holder.period.to_be_bytes();
    let parts = [
        holder.id.as_bytes(),
        &period,
        &opened_at,
        holder.recipient.as_bytes(),
    ];
    let whole = mac(key, b"holder", &parts).finalize().into_bytes();
    let mut tag = [0; TAG];
    tag.copy_from_slice(&whole[..TAG]);
    tag
}

/// Lengths go in too, so that no two sets of parts are signed alike.
fn mac(key: &[u8; KEY], purpose: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in [b"jetond".as_slice(), purpose].iter().chain(parts) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Zeroizing<[u8; KEY]> {
        Zeroizing::new([byte; KEY])
    }

    fn holder() -> Holder<'static> {
        Holder {
            token: 7,
            id: "marches-publics",
            period: 2,
            opened_at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            recipient: "c.martin@ville.example",
        }
    }

    #[test]
    fn a_ticket_is_read_back_and_is_for_its_holder_alone() {
        let ring = Keyring::new(key(1), vec![key(2)]);
        let written = ring.sign(&holder()).unwrap();
        assert_eq!(written.len(), 44);
        assert!(
            written
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        let ticket = ring.read(&written).unwrap();
        assert_eq!((ticket.token, ticket.period), (7, 2));
        assert!(ticket.is_for(&ring, &holder()));
        let another_day = DateTime::from_timestamp(1_700_000_001, 0).unwrap();
        for other in [
            Holder {
                token: 8,
                ..holder()
            },
            Holder {
                id: "marches",
                ..holder()
            },
            Holder {
                period: 3,
                ..holder()
            },
            Holder {
                opened_at: another_day,
                ..holder()
            },
            Holder {
                recipient: "d.petit@ville.example",
                ..holder()
            },
        ] {
            assert!(!ticket.is_for(&ring, &other), "{other:?}");
        }
    }

    #[test]
    fn a_signature_is_hmac_sha256_as_another_program_computes_it() {
        // Computed with Python's hmac and base64 from the layout above.
        let ring = Keyring::new(key(1), Vec::new());
        assert_eq!(
            ring.sign(&holder()).unwrap(),
            "AQAAAAcAAAAC4Z-W2mxtHw7DkjmYfelWTLGvYludSbry"
        );
    }

    #[test]
    fn the_former_key_is_believed_until_it_is_gone() {
        let before = Keyring::new(key(1), vec![key(2)]);
        let written = before.sign(&holder()).unwrap();
        let rotated = Keyring::new(key(3), vec![key(1)]);
        let ticket = rotated.read(&written).unwrap();
        assert!(ticket.is_for(&rotated, &holder()));
        assert_ne!(rotated.sign(&holder()).unwrap(), written);
        let again = Keyring::new(key(4), vec![key(3)]);
        assert_eq!(again.read(&written), None);
    }

    #[test]
    fn nothing_that_was_changed_is_read() {
        let ring = Keyring::new(key(1), vec![key(2)]);
        let written = ring.sign(&holder()).unwrap();
        for at in 0..written.len() {
            for c in ['A', 'x', '-', '=', '%', 'é'] {
                let mut chars: Vec<char> = written.chars().collect();
                if chars[at] != c {
                    chars[at] = c;
                    let changed: String = chars.into_iter().collect();
                    assert_eq!(ring.read(&changed), None, "{changed}");
                }
            }
        }
        for bad in [
            "",
            "preview",
            &written[1..],
            &format!("{written}A"),
            &format!("{written}="),
        ] {
            assert_eq!(ring.read(bad), None, "{bad}");
        }
        assert_eq!(ring.read(&"A".repeat(44)), None);
    }
}
