//! An answer as `curl -i` prints it, or a body alone: taken apart, whatever the bytes are.

/// Lines of a head that are read; API Entreprise writes some twenty.
const MOST_LINES: usize = 200;

/// What `curl -i` prints, taken apart.
pub(super) struct Transcript<'a> {
    pub(super) status: Option<u16>,
    headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a [u8],
}

impl<'a> Transcript<'a> {
    /// The last head counts: a proxy's, and a `100 Continue`, come before it.
    pub(super) fn of(answer: &'a [u8]) -> Self {
        let mut heard = Self {
            status: None,
            headers: Vec::new(),
            body: answer,
        };
        while let Some((status, mut rest)) = status_line(heard.body) {
            let mut headers = Vec::new();
            for _ in 0..MOST_LINES {
                let (line, after) = line(rest);
                rest = after;
                match std::str::from_utf8(line) {
                    Ok("") => break,
                    Ok(line) => headers.extend(line.split_once(':').map(|(n, v)| (n, v.trim()))),
                    Err(_) => {}
                }
            }
            heard = Self {
                status: Some(status),
                headers,
                body: rest,
            };
        }
        heard
    }

    /// The first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        let mut named = self.headers.iter();
        named
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

/// `HTTP/1.1 401 Unauthorized`, and what follows it.
fn status_line(answer: &[u8]) -> Option<(u16, &[u8])> {
    let (first, rest) = line(answer);
    let first = std::str::from_utf8(first).ok()?;
    let mut words = first.strip_prefix("HTTP/")?.split_ascii_whitespace();
    let (_version, status) = (words.next()?, words.next()?);
    Some((status.parse().ok()?, rest))
}

/// The first line, without its end; and the rest.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr::memchr(b'\n', bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}
