//! The message builder: whatever the names in a letter hold, an independent parser reads back
//! what was put in, from 7-bit lines of at most 998 bytes.

use super::engine::Target;
use crate::mail::mangled;

const WORDS: &[&[u8]] = &[
    b"\xff",
    b"=?utf-8?q?=41?=",
    b"=?",
    b"?=",
    b"\r\nBcc: x@y.example\r\n\r\n",
    b"\r\n.\r\n",
    b"{{ 7 * 7 }}",
    b"{% raw %}",
    b"<script>",
    b"&lt;",
    b"]]>",
    b"=3D=",
    b"--=_",
    "\u{202e}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{a0}".as_bytes(),
    "e\u{301}".as_bytes(),
    "👨‍👩‍👧‍👦".as_bytes(),
    "العربية".as_bytes(),
];

#[test]
fn messages() {
    let target = Target {
        name: "messages",
        words: WORDS,
        cases: 150,
        longest: 4_000,
    };
    target.run(mangled::reads_back);
}
