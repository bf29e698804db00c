//! A letter made of any bytes, for the fuzzing of the message builder.

use std::sync::LazyLock;

use jetond::delivery::compose::Templates;
use jetond::delivery::compose::check::check_bytes;
use jetond::delivery::compose::letter::TokenPart;
use jetond::domain::language::Lang;

use super::hostile::shown_name;
use super::travel::assert_reads_back;
use super::{bare_token, days_before, envelope, note, observed, paged, paris, reminder, token};

static TEMPLATES: LazyLock<Templates> = LazyLock::new(Templates::built_in);

/// Composes a letter whose form and names are in `bytes`, and holds what leaves against it.
///
/// The first byte says which form, the second how long before the expiry; then come the names,
/// each ended by 0xff, which stands in no UTF-8.
pub(crate) fn reads_back(bytes: &[u8]) {
    let (form, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let (days, rest) = rest.split_first().unwrap_or((&30, &[]));
    let mut names = rest.split(|b| *b == 0xff).map(String::from_utf8_lossy);
    let mut name = || names.next().unwrap_or_default().into_owned();
    let is = |bit: u8| form & bit != 0;

    let lang = if is(1) { Lang::En } else { Lang::Fr };
    let mut envelope = envelope(lang, days_before(i64::from(*days) - 100));
    envelope.to.name = shown_name(&name());
    envelope.from.name = shown_name(&name());
    envelope.organisation = name();
    let mut part = TokenPart {
        name: name(),
        client: is(2).then(&mut name),
        used_by: if is(4) {
            vec![name(), name()]
        } else {
            Vec::new()
        },
        ..token()
    };
    if is(8) {
        part = observed(part);
    }
    if is(16) {
        part = paged(part);
    }
    let letter = if is(32) {
        note()
    } else if is(64) {
        reminder(vec![part, bare_token()])
    } else {
        reminder(vec![part])
    };
    let mail = TEMPLATES.compose(&letter, &envelope, &paris()).unwrap();
    assert_eq!(check_bytes(&mail.bytes), Ok(()));
    for line in mail.bytes.split(|b| *b == b'\n') {
        assert!(line.len() <= 999 && line.is_ascii() && !line.contains(&0));
        assert!(line.is_empty() || line.ends_with(b"\r"));
    }
    assert_reads_back(&mail, &envelope);
}
