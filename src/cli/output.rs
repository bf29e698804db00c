//! What commands print: tables and words for people, JSON for programs.
//!
//! Every write can meet a closed stream, which is an error like another and no panic.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use serde_json::{Value, json};

use crate::cli::failure::{Exit, Failure};
use crate::cli::layout;
use crate::cli::nagios::{self, Service};
use crate::config::{Colour, Diagnostic, Source, draw};
use crate::domain::address::mask_addresses;
use crate::domain::language::{Lang, Text, without_jwts};
use crate::systemd;

/// The width of a terminal that does not tell its own.
const USUAL: usize = 80;

/// Lines are never laid out for less.
const NARROWEST: usize = 40;

/// The output of one command.
pub(super) struct Out {
    pub(super) json: bool,
    pub(super) lang: Lang,
    stdout: BufWriter<Stdout>,
}

impl Out {
    pub(super) fn new(json: bool, lang: Lang) -> Self {
        Self {
            json,
            lang,
            stdout: BufWriter::new(io::stdout()),
        }
    }

    /// Picks the wording of the output's language.
    pub(super) fn pick<'a>(&self, text: &'a Text) -> &'a str {
        text.in_lang(self.lang)
    }

    /// A line of data.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.stdout, "{line}")
    }

    /// A line of data in the output's language.
    pub(super) fn say(&mut self, text: &Text) -> io::Result<()> {
        let line = self.pick(text).to_owned();
        self.line(&line)
    }

    /// Bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    /// What has been written so far becomes visible.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Rows under a head; nothing when there are no rows. Where stdout is a terminal, the text
    /// of the column `wraps` is broken to keep within its width; elsewhere a row is a line.
    pub(super) fn table(
        &mut self,
        head: &[&str],
        rows: &[Vec<String>],
        wraps: usize,
    ) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.lines(&layout::columns(head, rows, wraps, width()))
    }

    /// A text, indented, within the width of a terminal.
    pub(super) fn indented(&mut self, indent: usize, text: &str) -> io::Result<()> {
        let width = width().map(|w| w.saturating_sub(indent));
        for line in layout::wrap(text, width) {
            writeln!(self.stdout, "{:indent$}{line}", "")?;
        }
        Ok(())
    }

    /// Labels with their values.
    pub(super) fn facts(&mut self, facts: &[(&str, String)]) -> io::Result<()> {
        self.lines(&layout::labelled(facts))
    }

    fn lines(&mut self, lines: &[String]) -> io::Result<()> {
        for line in lines {
            writeln!(self.stdout, "{line}")?;
        }
        Ok(())
    }

    /// All data of a command as JSON.
    pub(super) fn data(&mut self, command: &str, data: Vec<Value>) -> io::Result<()> {
        let document = json!({"schema": format!("jetond.{command}/1"), "data": data});
        serde_json::to_writer(&mut self.stdout, &document)?;
        writeln!(self.stdout)
    }

    /// The beginning of a JSON document whose rows come one after the other.
    pub(super) fn open_data(&mut self, command: &str) -> io::Result<()> {
        write!(
            self.stdout,
            "{{\"schema\":\"jetond.{command}/1\",\"data\":["
        )
    }

    /// One row of it.
    pub(super) fn row(&mut self, first: bool, row: &Value) -> io::Result<()> {
        if !first {
            self.stdout.write_all(b",")?;
        }
        self.stdout.write_all(b"\n")?;
        serde_json::to_writer(&mut self.stdout, row)?;
        Ok(())
    }

    /// Its end.
    pub(super) fn close_data(&mut self) -> io::Result<()> {
        writeln!(self.stdout, "\n]}}")
    }

    /// Words for people, on stderr. A closed stderr is nobody listening.
    pub(super) fn note(&self, text: &Text) {
        let _ = writeln!(anstream::stderr(), "{}", without_jwts(self.pick(text)));
    }

    /// A question for the person at the terminal; the answer follows on its line.
    pub(super) fn ask(&self, question: &Text) {
        let mut stderr = anstream::stderr();
        let _ = write!(stderr, "{}", self.pick(question));
        let _ = stderr.flush();
    }

    /// Diagnostics of the config: drawn on a terminal, a line each elsewhere.
    pub(super) fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &[Source]) {
        if diagnostics.is_empty() {
            return;
        }
        let mut stderr = anstream::stderr();
        if io::stderr().is_terminal() {
            let _ = writeln!(
                stderr,
                "{}\n",
                without_jwts(&draw(diagnostics, sources, self.lang, Colour::Ansi))
            );
        } else {
            let journal = systemd::stderr_is_the_journal();
            for d in diagnostics {
                let plain = without_jwts(&d.plain(self.lang));
                // The file and the line say where; the journal is kept, and read by others.
                let plain = if journal {
                    mask_addresses(&plain)
                } else {
                    plain
                };
                let _ = writeln!(stderr, "{plain}");
            }
        }
    }

    /// A failure: words on stderr, and with `--json` the error on stdout.
    pub(super) fn fail(&mut self, failure: &Failure) {
        let mut stderr = anstream::stderr();
        let message = failure.message.in_lang(self.lang);
        let bold = anstyle::AnsiColor::Red.on_default().bold();
        let colon = self.lang.pick(":", "\u{a0}:");
        let word = self.lang.pick("error", "erreur");
        let _ = writeln!(stderr, "{bold}{word}{bold:#}{colon} {message}");
        if let Some(hint) = &failure.hint {
            let word = self.lang.pick("help", "aide");
            let _ = writeln!(stderr, "  {word}{colon} {}", hint.in_lang(self.lang));
        }
        if self.json {
            let mut error = json!({
                "code": failure.code,
                "message": message,
                "hint": failure.hint.as_ref().map(|h| h.in_lang(self.lang)),
            });
            if let Some(details) = &failure.details {
                error["details"] = Value::clone(details);
            }
            let document = json!({"schema": "jetond.error/1", "error": error});
            let _ = serde_json::to_writer(&mut self.stdout, &document);
            let _ = writeln!(self.stdout);
            let _ = self.stdout.flush();
        }
    }

    /// A failure, to a monitor: the state cannot be found out.
    pub(super) fn unknown(&mut self, failure: &Failure) -> Exit {
        // Nobody listens where the stream is closed.
        let _ = self
            .stdout
            .write_all(nagios::unknown(failure, self.lang).as_bytes());
        let _ = self.stdout.flush();
        Exit::Monitor(Service::Unknown)
    }

    /// Everything is written.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

/// The width of lines: `$COLUMNS` when it is set, else that of the terminal; none elsewhere.
fn width() -> Option<usize> {
    let set = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let terminal = || {
        let stdout = console::Term::stdout();
        let said = stdout.size_checked().map(|(_, columns)| columns.into());
        stdout.is_term().then(|| said.unwrap_or(USUAL))
    };
    set.or_else(terminal).map(|w| w.max(NARROWEST))
}
