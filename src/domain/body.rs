//! The body of a mail as it is kept: whole, or as what it alone says within what many say.
//!
//! Mails of one kind differ in a few lines. A [`Form`] holds what they share, word for word and
//! nobody's data; a mail's `own` bytes say what stands between its stretches. Reading is total:
//! whatever the bytes are, the answer is a body or [`DamagedBody`], never more than both
//! together hold. What a form is made from is not known here.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// What many mails share, word for word; it holds no data of anyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// SHA-256 of `shared`: the name under which it is kept.
    pub digest: [u8; 32],
    /// The stretches, end to end, in the order in which a mail uses them.
    pub shared: Vec<u8>,
}

impl Form {
    /// A form of these stretches.
    pub fn new(shared: Vec<u8>) -> Self {
        Self {
            digest: Sha256::digest(&shared).into(),
            shared,
        }
    }
}

/// The bytes of a mail, as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// All of them.
    Whole(Vec<u8>),
    /// Only what others do not share.
    Sparse {
        /// What is shared.
        form: Arc<Form>,
        /// `[length][bytes][length of the next stretch of shared]…`, the lengths as in LEB128:
        /// seven bits a byte, the lowest first, the eighth says that more follow.
        own: Vec<u8>,
    },
}

impl Body {
    /// The bytes of the mail.
    ///
    /// # Errors
    /// When `own` does not fit the form.
    pub fn bytes(&self) -> Result<Vec<u8>, DamagedBody> {
        match self {
            Self::Whole(bytes) => Ok(bytes.clone()),
            Self::Sparse { form, own } => fill(&form.shared, own),
        }
    }
}

/// Why kept bytes are not those of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DamagedBody {
    /// A length that is cut short, or greater than any.
    #[error("a length in a kept body is damaged")]
    Length,
    /// A length that says more than is there.
    #[error("a kept body ends before its own text does")]
    Own,
    /// A stretch that the form does not have.
    #[error("a kept body needs more than its form holds")]
    Shared,
    /// What is left of the form: another one belongs to these bytes.
    #[error("a kept body leaves {0} bytes of its form unused")]
    Unused(usize),
}

/// Puts a mail's own bytes between the stretches of its form.
///
/// # Errors
/// When they do not fit each other.
pub fn fill(shared: &[u8], own: &[u8]) -> Result<Vec<u8>, DamagedBody> {
    let (mut shared, mut own) = (shared, own);
    // Each byte of the result is a byte of one of the two.
    let mut bytes = Vec::with_capacity(shared.len() + own.len());
    while !own.is_empty() {
        let length = read_length(&mut own)?;
        let (said, after) = own.split_at_checked(length).ok_or(DamagedBody::Own)?;
        bytes.extend_from_slice(said);
        own = after;
        if own.is_empty() {
            break;
        }
        let length = read_length(&mut own)?;
        let (said, after) = shared.split_at_checked(length).ok_or(DamagedBody::Shared)?;
        bytes.extend_from_slice(said);
        shared = after;
    }
    if shared.is_empty() {
        Ok(bytes)
    } else {
        Err(DamagedBody::Unused(shared.len()))
    }
}

/// Where in a mail its own bytes stand and where those of its form, written down as the mail is.
#[derive(Debug, Default)]
pub struct Seams {
    /// Own bytes, and the stretch of the form behind them.
    runs: Vec<(usize, usize)>,
}

impl Seams {
    /// With room for so many changes between own bytes and shared ones.
    pub fn with_room(runs: usize) -> Self {
        Self {
            runs: Vec::with_capacity(runs),
        }
    }

    /// The next `length` bytes are the mail's own.
    pub fn own(&mut self, length: usize) {
        match self.runs.last_mut() {
            Some((own, 0)) => *own += length,
            Some(_) | None => self.runs.push((length, 0)),
        }
    }

    /// The next `length` bytes are the next ones of the form.
    pub fn shared(&mut self, length: usize) {
        match self.runs.last_mut() {
            Some((_, shared)) => *shared += length,
            None => self.runs.push((0, length)),
        }
    }

    /// What is kept of these bytes besides the form.
    pub fn own_of(&self, bytes: &[u8]) -> Vec<u8> {
        let own: usize = self.runs.iter().map(|(own, _)| own).sum();
        let mut kept = Vec::with_capacity(own + 4 * self.runs.len());
        let mut rest = bytes;
        for &(own, shared) in &self.runs {
            let (said, after) = rest.split_at(own);
            push_length(&mut kept, own);
            kept.extend_from_slice(said);
            if shared > 0 {
                push_length(&mut kept, shared);
            }
            rest = &after[shared..];
        }
        kept
    }
}

fn push_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(low_bits(length) | 0x80);
        length >>= 7;
    }
    out.push(low_bits(length));
}

fn low_bits(n: usize) -> u8 {
    u8::try_from(n & 0x7f).expect("seven bits are a byte")
}

fn read_length(from: &mut &[u8]) -> Result<usize, DamagedBody> {
    let mut length = 0_u64;
    // Five groups of seven bits: no body is nearly as long.
    for (at, byte) in from.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *from = &from[at + 1..];
            return usize::try_from(length).map_err(|_| DamagedBody::Length);
        }
    }
    Err(DamagedBody::Length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretches() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
        let bytes = prop::collection::vec(any::<u8>(), 0..300);
        prop::collection::vec((bytes, any::<bool>()), 0..20)
    }

    /// The body that consists of these stretches, the marked ones shared, and the whole of it.
    fn sewn(stretches: &[(Vec<u8>, bool)]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let (mut whole, mut shared, mut seams) = (Vec::new(), Vec::new(), Seams::default());
        for (bytes, is_shared) in stretches {
            whole.extend_from_slice(bytes);
            if *is_shared {
                shared.extend_from_slice(bytes);
                seams.shared(bytes.len());
            } else {
                seams.own(bytes.len());
            }
        }
        let own = seams.own_of(&whole);
        (whole, shared, own)
    }

    proptest! {
        #[test]
        fn what_is_kept_gives_the_same_bytes_back(stretches in stretches()) {
            let (whole, shared, own) = sewn(&stretches);
            let all = Body::Whole(whole.clone());
            prop_assert_eq!(all.bytes(), Ok(whole.clone()));
            let form = Arc::new(Form::new(shared));
            prop_assert_eq!(Body::Sparse { form, own }.bytes(), Ok(whole));
        }

        #[test]
        fn any_garbage_gives_an_answer_no_longer_than_what_was_given(
            shared in prop::collection::vec(any::<u8>(), 0..200),
            own in prop::collection::vec(prop_oneof![any::<u8>(), 0..40_u8], 0..200),
        ) {
            if let Ok(bytes) = fill(&shared, &own) {
                prop_assert!(bytes.len() <= shared.len() + own.len());
            }
        }

        #[test]
        fn a_body_that_was_cut_or_has_another_form_is_never_taken_for_a_longer_one(
            stretches in stretches(), cut in any::<prop::sample::Index>(), more in 1..9_usize,
        ) {
            let (whole, shared, own) = sewn(&stretches);
            let short = &own[..cut.index(own.len() + 1)];
            if let Ok(bytes) = fill(&shared, short) {
                prop_assert!(whole.starts_with(&bytes));
            }
            let mut longer = shared.clone();
            longer.resize(shared.len() + more, b'x');
            prop_assert_eq!(fill(&longer, &own), Err(DamagedBody::Unused(more)));
        }
    }

    #[test]
    fn each_damage_is_told() {
        assert_eq!(fill(b"", b""), Ok(Vec::new()));
        assert_eq!(fill(b"bc", &[1, b'a', 2, 1, b'd']), Ok(b"abcd".to_vec()));
        assert_eq!(fill(b"", &[0x80]), Err(DamagedBody::Length));
        assert_eq!(fill(b"", &[0xff; 9]), Err(DamagedBody::Length));
        assert_eq!(
            fill(b"", &[0xff, 0xff, 0xff, 0xff, 0x7f, b'a']),
            Err(DamagedBody::Own)
        );
        assert_eq!(fill(b"b", &[1, b'a', 2]), Err(DamagedBody::Shared));
        assert_eq!(fill(b"bc", &[1, b'a', 1]), Err(DamagedBody::Unused(1)));
    }
}
