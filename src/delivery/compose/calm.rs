//! Whether a value comes through trimming, joining and wrapping as it is, eight bytes at once.
//!
//! Calm is what has something in it, no control character, no blank at either end, and no two
//! blanks together. It says nothing of what a value means.

/// Each byte's highest bit.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// … and its lowest.
const LOW: u64 = 0x0101_0101_0101_0101;

/// The characters of a calm value; `None` for another.
pub(super) fn width(value: &str) -> Option<usize> {
    let bytes = value.as_bytes();
    if bytes.first().is_none_or(|b| *b == b' ') || bytes.last() == Some(&b' ') {
        return None;
    }
    let (mut odd, mut high, mut inner) = (0, 0, 0);
    let mut blank_before = 0;
    let mut look = |eight: [u8; 8]| {
        let x = u64::from_le_bytes(eight);
        let blanks = equal(x, b' ');
        odd |= blanks & ((blanks << 8) | blank_before);
        blank_before = blanks >> 56;
        // A byte below 0x20 borrows; a greater one above it may be told with it.
        odd |= x.wrapping_sub(LOW * 0x20) & !x & HIGH;
        odd |= equal(x, 0x7f);
        high |= x & HIGH;
        // The bytes 10xxxxxx belong to the character before them.
        inner += (x & (!x << 1) & HIGH).count_ones();
    };
    let (eights, rest) = bytes.as_chunks::<8>();
    eights.iter().for_each(|eight| look(*eight));
    let mut last = [b'x'; 8];
    last[..rest.len()].copy_from_slice(rest);
    look(last);
    let inner = usize::try_from(inner).ok()?;
    if odd != 0 || (high != 0 && has_c1(bytes)) {
        return None;
    }
    Some(bytes.len() - inner)
}

/// The highest bit of each byte that is this one.
fn equal(x: u64, byte: u8) -> u64 {
    let y = x ^ (LOW * u64::from(byte));
    !(((y & !HIGH) + !HIGH) | y | !HIGH)
}

/// The controls U+0080 to U+009F are C2 80 to C2 9F.
fn has_c1(bytes: &[u8]) -> bool {
    memchr::memchr_iter(0xc2, bytes).any(|at| bytes.get(at + 1).is_some_and(|b| *b < 0xa0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slowly(value: &str) -> Option<usize> {
        let calm = !value.is_empty()
            && value.trim_matches(' ') == value
            && !value.contains("  ")
            && !value.contains(char::is_control);
        calm.then(|| value.chars().count())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn eight_bytes_at_once_are_seen_as_one_by_one(
            value in prop_oneof![
                "[a-z!é\u{a0}€😀 ]{0,40}",
                "[a-zé]{0,20}[ \u{7f}\u{80}\u{9f}\u{a0}\u{1f}!\t]{0,2}[a-zé~]{0,20}",
                "\\PC{0,30}",
                proptest::collection::vec(any::<char>(), 0..12)
                    .prop_map(|v| v.into_iter().collect::<String>()),
            ],
        ) {
            prop_assert_eq!(width(&value), slowly(&value), "{:?}", value);
        }
    }
}
