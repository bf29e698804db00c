//! A prepared form: a reminder of one shape, laid out and encoded once, with gaps for the data.
//!
//! It is made from the engine's own rendering with a mark in place of each value. Lines without
//! a mark are final. In the HTML part a line with marks keeps its words encoded, and only their
//! soft breaks are set for each mail; in the text part it is wrapped and encoded for each mail.
//! What is filled in gives the bytes of the slow path, or nothing: values that wrapping or
//! trimming would change are refused.

use std::borrow::Cow;
use std::sync::Arc;

use crate::delivery::compose::plain::{self, WIDTH};
use crate::delivery::compose::quoted::{self, Escape, SOFT, Stand};
use crate::delivery::compose::{calm, message};
use crate::domain::body::{Form, Seams};

/// The first of the marks, in a plane of Unicode that has no characters.
const FIRST_MARK: u32 = 0xf_0000;

/// … and their number: to the end of that plane's private use.
const MARKS: u32 = 0xfffd;

/// Room for what a mail alone says.
const OWN: usize = 6 * 1024;

/// What stands for the value with this number while a form is made; `None`: there are too many.
pub(super) fn mark(number: usize) -> Option<char> {
    let number = u32::try_from(number).ok().filter(|n| *n <= MARKS)?;
    char::from_u32(FIRST_MARK + number)
}

fn marked(c: char) -> Option<usize> {
    let number = u32::from(c).checked_sub(FIRST_MARK)?;
    usize::try_from(number).ok().filter(|_| number <= MARKS)
}

/// A reminder of one shape, ready to be filled.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What all mails of this shape share.
    pub(super) form: Arc<Form>,
    steps: Vec<Step>,
    /// The values that stand in the text part and those of the HTML part.
    in_text: Vec<usize>,
    in_html: Vec<usize>,
    /// How often own bytes and shared ones alternate, without soft breaks.
    runs: usize,
}

/// What comes next in a mail.
#[derive(Debug)]
enum Step {
    /// So many bytes of the form.
    Shared(usize),
    /// The boundary of its parts.
    Boundary,
    /// A line of the text part with data in it.
    Text(Vec<TextPiece>),
    /// A line of the HTML part with data in it, without its CRLF.
    Html(Vec<HtmlPiece>),
}

#[derive(Debug)]
enum TextPiece {
    Words { said: String, width: usize },
    Value(usize),
}

#[derive(Debug, Clone, Copy)]
enum HtmlPiece {
    /// So many bytes of the form, but for soft breaks.
    Words(usize),
    Value(usize),
}

/// Words, or the place of a value.
enum Part<'a> {
    Words(&'a str),
    Value(usize),
}

/// The words and values of a line, in order.
fn parts(line: &str) -> Vec<Part<'_>> {
    let (mut parts, mut from) = (Vec::new(), 0);
    for (at, c) in line.char_indices() {
        let Some(number) = marked(c) else { continue };
        if from < at {
            parts.push(Part::Words(&line[from..at]));
        }
        parts.push(Part::Value(number));
        from = at + c.len_utf8();
    }
    if from < line.len() {
        parts.push(Part::Words(&line[from..]));
    }
    parts
}

#[derive(Default)]
struct Making {
    shared: Vec<u8>,
    steps: Vec<Step>,
    in_text: Vec<usize>,
    in_html: Vec<usize>,
}

impl Making {
    /// Words as they travel, or more of them.
    fn shared(&mut self, add: impl FnOnce(&mut Vec<u8>)) {
        let before = self.shared.len();
        add(&mut self.shared);
        let more = self.shared.len() - before;
        match self.steps.last_mut() {
            Some(Step::Shared(length)) => *length += more,
            Some(Step::Boundary | Step::Text(_) | Step::Html(_)) | None => {
                self.steps.push(Step::Shared(more));
            }
        }
    }

    fn text(&mut self, line: &str) {
        if !line.contains(|c| marked(c).is_some()) {
            let mut wrapped = String::new();
            plain::wrap(line, &mut wrapped);
            self.shared(|out| {
                for line in wrapped.lines() {
                    quoted::line(out, line);
                }
            });
            return;
        }
        let pieces = parts(line).into_iter().map(|part| match part {
            Part::Words(said) => TextPiece::Words {
                said: said.to_owned(),
                width: said.chars().count(),
            },
            Part::Value(number) => {
                self.in_text.push(number);
                TextPiece::Value(number)
            }
        });
        let pieces = pieces.collect();
        self.steps.push(Step::Text(pieces));
    }

    /// `None`: the line consists of values, and might be an empty one.
    fn html(&mut self, line: &str) -> Option<()> {
        let parts = parts(line);
        if let [Part::Words(said)] = parts.as_slice() {
            self.shared(|out| quoted::line(out, said));
            return Some(());
        }
        let says = |p: &Part<'_>| matches!(p, Part::Words(said) if !said.trim().is_empty());
        if !parts.iter().any(says) {
            return None;
        }
        let last = parts.len() - 1;
        let mut pieces = Vec::with_capacity(parts.len());
        for (i, part) in parts.into_iter().enumerate() {
            pieces.push(match part {
                Part::Words(said) => {
                    let mut encoded = Vec::with_capacity(said.len() * 2);
                    quoted::encode(&mut encoded, said, Escape::Nothing);
                    if i == last {
                        quoted::seal(&mut encoded);
                    }
                    self.shared.extend_from_slice(&encoded);
                    HtmlPiece::Words(encoded.len())
                }
                Part::Value(number) => {
                    self.in_html.push(number);
                    HtmlPiece::Value(number)
                }
            });
        }
        self.steps.push(Step::Html(pieces));
        self.shared(|out| out.extend_from_slice(b"\r\n"));
        Some(())
    }

    fn boundary(&mut self) {
        self.steps.push(Step::Boundary);
    }
}

/// A form from the engine's rendering of marks; `None`: this rendering cannot be one.
pub(super) fn prepare(text: &str, html: &str, lang: &str) -> Option<Prepared> {
    let mut making = Making::default();
    let [opening, plain_part, html_part, end] = message::frame(lang);
    making.shared(|out| out.extend_from_slice(opening.as_bytes()));
    making.boundary();
    making.shared(|out| out.extend_from_slice(b"\"\r\n\r\n--"));
    making.boundary();
    making.shared(|out| out.extend_from_slice(plain_part.as_bytes()));
    for line in plain::lines(text) {
        making.text(line);
    }
    making.shared(|out| out.extend_from_slice(b"\r\n--"));
    making.boundary();
    making.shared(|out| out.extend_from_slice(html_part.as_bytes()));
    for line in html.lines() {
        making.html(line)?;
    }
    making.shared(|out| out.extend_from_slice(b"\r\n--"));
    making.boundary();
    making.shared(|out| out.extend_from_slice(end.as_bytes()));
    for numbers in [&mut making.in_text, &mut making.in_html] {
        numbers.sort_unstable();
        numbers.dedup();
    }
    let pieces = |step: &Step| match step {
        Step::Html(pieces) => pieces.len(),
        Step::Shared(_) | Step::Boundary | Step::Text(_) => 1,
    };
    Some(Prepared {
        runs: making.steps.iter().map(pieces).sum(),
        form: Arc::new(Form::new(making.shared)),
        steps: making.steps,
        in_text: making.in_text,
        in_html: making.in_html,
    })
}

impl Prepared {
    /// A mail of this shape: its own headers, its boundary, and its values in place of the
    /// marks. Answers the bytes, and those of them that are its own. `None`: a value would not
    /// come through wrapping and trimming as it is.
    pub(super) fn fill(
        &self,
        headers: impl FnOnce(&mut Vec<u8>),
        boundary: &str,
        values: &[Cow<'_, str>],
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut widths = vec![0; values.len()];
        for &number in self.in_text.iter().chain(&self.in_html) {
            widths[number] = calm::width(values.get(number)?)?;
        }
        let mut encoded = Vec::with_capacity(4096);
        let mut places = vec![0..0; values.len()];
        for &number in &self.in_html {
            let from = encoded.len();
            quoted::encode(&mut encoded, &values[number], Escape::Html);
            places[number] = from..encoded.len();
        }
        let mut bytes = Vec::with_capacity(self.form.shared.len() + OWN);
        headers(&mut bytes);
        let mut filling = Filling {
            shared: &self.form.shared,
            bytes,
            seams: Seams::with_room(self.runs),
            column: 0,
            line: String::with_capacity(512),
            wrapped: String::with_capacity(512),
            encoded: Vec::with_capacity(512),
        };
        filling.seams.own(filling.bytes.len());
        for step in &self.steps {
            match step {
                Step::Shared(length) => filling.shared(*length),
                Step::Boundary => filling.own(boundary.as_bytes()),
                Step::Text(pieces) => filling.text(pieces, values, &widths),
                Step::Html(pieces) => {
                    filling.column = 0;
                    for (i, piece) in pieces.iter().enumerate() {
                        let stand = if i + 1 == pieces.len() {
                            Stand::Last
                        } else {
                            Stand::Within
                        };
                        match piece {
                            HtmlPiece::Words(length) => filling.words(*length, stand),
                            HtmlPiece::Value(number) => {
                                filling.value(&encoded[places[*number].clone()], stand);
                            }
                        }
                    }
                }
            }
        }
        let own = filling.seams.own_of(&filling.bytes);
        Some((filling.bytes, own))
    }
}

/// A mail that is being filled.
struct Filling<'a> {
    /// What is left of the form.
    shared: &'a [u8],
    bytes: Vec<u8>,
    seams: Seams,
    /// Where the line of the HTML part stands.
    column: usize,
    line: String,
    wrapped: String,
    encoded: Vec<u8>,
}

impl Filling<'_> {
    fn own(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.seams.own(bytes.len());
    }

    fn shared(&mut self, length: usize) {
        let (said, rest) = self.shared.split_at(length);
        self.bytes.extend_from_slice(said);
        self.seams.shared(length);
        self.shared = rest;
    }

    fn words(&mut self, length: usize, stand: Stand) {
        let mut left = length;
        loop {
            let fits = quoted::room(&self.shared[..left], self.column, stand);
            self.shared(fits);
            self.column += fits;
            left -= fits;
            if left == 0 {
                return;
            }
            self.own(SOFT);
            self.column = 0;
        }
    }

    fn value(&mut self, encoded: &[u8], stand: Stand) {
        let mut rest = encoded;
        loop {
            let (fits, after) = rest.split_at(quoted::room(rest, self.column, stand));
            self.own(fits);
            self.column += fits.len();
            if after.is_empty() {
                return;
            }
            self.own(SOFT);
            self.column = 0;
            rest = after;
        }
    }

    fn text(&mut self, pieces: &[TextPiece], values: &[Cow<'_, str>], widths: &[usize]) {
        self.line.clear();
        let mut width = 0;
        for piece in pieces {
            match piece {
                TextPiece::Words { said, width: w } => {
                    self.line.push_str(said);
                    width += w;
                }
                TextPiece::Value(number) => {
                    self.line.push_str(&values[*number]);
                    width += widths[*number];
                }
            }
        }
        let before = self.bytes.len();
        if width <= WIDTH {
            quoted::line_by(&mut self.bytes, &self.line, &mut self.encoded);
        } else {
            self.wrapped.clear();
            plain::wrap_long(&self.line, &mut self.wrapped);
            for line in self.wrapped.lines() {
                quoted::line_by(&mut self.bytes, line, &mut self.encoded);
            }
        }
        self.seams.own(self.bytes.len() - before);
    }
}
