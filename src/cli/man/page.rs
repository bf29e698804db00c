//! A manual page: its place, and the few forms of roff that ours consist of.

use std::path::PathBuf;

use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::domain::language::Lang;

/// One page.
pub(super) struct Page {
    /// Without section, as `jetond-list`.
    pub(super) name: String,
    pub(super) section: u8,
    pub(super) lang: Lang,
    /// The roff.
    pub(super) text: String,
}

impl Page {
    /// The file's name, as `jetond-list.1`.
    pub(super) fn file(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }

    /// Where man(1) looks for it below a directory of pages.
    pub(super) fn path(&self) -> PathBuf {
        let section = format!("man{}", self.section);
        let directory = match self.lang {
            Lang::En => PathBuf::from(section),
            Lang::Fr => PathBuf::from("fr").join(section),
        };
        directory.join(self.file())
    }

    /// What a person writes to see it.
    pub(super) fn short(&self) -> &str {
        match self.section {
            5 => "config",
            _ => self.name.strip_prefix("jetond-").unwrap_or(&self.name),
        }
    }

    /// Whether a person means this page. `config` is the file, not the command of that name.
    pub(super) fn is_called(&self, wanted: &str) -> bool {
        let wanted = wanted
            .strip_suffix(&format!(".{}", self.section))
            .unwrap_or(wanted);
        wanted == self.name || (wanted == self.short() && (self.section == 5 || wanted != "config"))
    }
}

/// A page's head line.
pub(super) fn head(roff: &mut Roff, name: &str, section: &str, date: &str, manual: &str) {
    let version = format!("jetond {}", env!("CARGO_PKG_VERSION"));
    let date = if date.is_empty() { "\"\"" } else { date };
    roff.control(
        "TH",
        [&name.to_uppercase(), section, date, &version, manual],
    );
}

/// A part of the page under its heading.
pub(super) fn part(roff: &mut Roff, heading: &str) {
    roff.control("SH", [heading]);
}

/// A paragraph; what stands between backquotes is shown in bold.
pub(super) fn paragraph(roff: &mut Roff, text: &str) {
    roff.control("PP", []);
    roff.text(marked(text));
}

/// A term and what it is.
pub(super) fn entry(roff: &mut Roff, term: Vec<Inline>, text: &str) {
    roff.control("TP", []);
    roff.text(term);
    roff.text(marked(text));
}

/// Lines as they are.
pub(super) fn lines(roff: &mut Roff, text: &str) {
    roff.control("PP", []);
    roff.control("EX", []);
    for line in text.lines() {
        if line.is_empty() {
            // An empty line of the source is a fault to linters.
            roff.control("sp", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    roff.control("EE", []);
}

/// Other pages, as `jetond(1)`.
pub(super) fn see_also(roff: &mut Roff, heading: &str, pages: &[(String, u8)]) {
    part(roff, heading);
    let last = pages.len().saturating_sub(1);
    for (at, (name, section)) in pages.iter().enumerate() {
        let comma = if at < last { "," } else { "" };
        roff.control("BR", [name.as_str(), &format!("({section}){comma}")]);
    }
}

/// One page of parts rendered one by one: the definitions that each brings stand once, at the
/// head, and there are no paragraphs without text.
pub(super) fn tidy(parts: &str) -> String {
    let mut page: Vec<&str> = Vec::new();
    let mut defined = [false; 2];
    for line in parts.lines() {
        let before = page.last().copied().unwrap_or_default();
        let is_heading = before.starts_with(".SH ") || before.starts_with(".SS ");
        let (ends_nothing, repeats) = match line {
            ".PP" => (is_heading, false),
            "" => (true, false),
            ".br" => (before == ".br" || before == ".sp", false),
            _ if line.starts_with(".ie ") => (false, std::mem::replace(&mut defined[0], true)),
            _ if line.starts_with(".el ") => (false, std::mem::replace(&mut defined[1], true)),
            _ => (false, false),
        };
        if line.is_empty() && before == ".br" {
            // An empty line between two breaks is meant to stay one.
            page.pop();
            page.push(".sp");
        }
        if !ends_nothing && !repeats {
            page.push(line);
        }
    }
    page.iter().map(|l| format!("{l}\n")).collect()
}

/// Text with its words between backquotes in bold.
pub(super) fn marked(text: &str) -> Vec<Inline> {
    text.split('`')
        .enumerate()
        .filter(|(_, words)| !words.is_empty())
        .map(|(at, words)| {
            if at % 2 == 1 {
                bold(words)
            } else {
                roman(words)
            }
        })
        .collect()
}
