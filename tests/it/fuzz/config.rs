//! Config files: refused or taken, never a panic, and every error says where it is.

use jetond::config::{self, Colour};
use jetond::domain::language::Lang;

use super::engine::Target;
use crate::config::Place;

const WORDS: &[&[u8]] = &[
    b"[[token]]\n",
    b"[token]\n",
    b"[mail]\n",
    b"[mail.smtp]\n",
    b"[schedule]\n",
    b"[clients.x]\n",
    b"[groups.x]\n",
    b" = ",
    b"= [",
    b"]",
    b"{ email = \"a@b.example\", name = \"",
    b"{ group = \"dsi\", from_stage = 15 }",
    b"\"\"\"",
    b"'''",
    b"\\u",
    b"\\U0010FFFF",
    b"#",
    b"issued = 2025-06-15\n",
    b"expires = 9999-12-31T23:59:60+24:00\n",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"1e400",
    b"nan",
    b"0x",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\r",
    b"\t",
    b"\xff",
    b"00:00-24:00",
    b"23:00-01:00",
    b"10.0.0.0/8",
    b"::/0",
    "é".as_bytes(),
    "\u{202e}".as_bytes(),
    JWT.as_bytes(),
];

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTExMTExMS0yMjIyIn0.v-S5y1sROmw7a32ZsLc6s6";

#[test]
fn config_files() {
    let target = Target {
        name: "config",
        words: WORDS,
        cases: 200,
        longest: 60_000,
    };
    let place = Place::with("");
    target.run(|bytes| {
        std::fs::write(place.main(), bytes).unwrap();
        let _asked = config::language_of(&place.main());
        let lines = bytes.iter().filter(|b| **b == b'\n').count() + 1;
        let (found, sources) = match place.load() {
            Ok(loaded) => (loaded.warnings, loaded.sources),
            Err(rejected) => {
                assert!(!rejected.errors.is_empty(), "a refusal has a reason");
                for error in &rejected.errors {
                    let at = error.at.as_ref().expect("an error has a place");
                    assert!((1..=lines).contains(&at.line), "{at} of {lines} lines");
                    assert!(at.column >= 1);
                }
                (rejected.errors, rejected.sources)
            }
        };
        for lang in [Lang::En, Lang::Fr] {
            let drawn = config::draw(&found, &sources, lang, Colour::None);
            assert!(!drawn.contains(JWT), "no token is shown: {drawn}");
            for one in &found {
                let said = one.plain(lang);
                assert!(!said.contains(JWT), "no token is told: {said}");
            }
        }
    });
}
