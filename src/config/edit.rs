//! Changes the dates of one token in the files, as the record has them: comments, order and
//! every other line stay.
//!
//! The new text is loaded before it takes the old one's place: unless it says exactly these
//! dates, and nothing else changed, nothing is written. A file is replaced in one step, with its
//! mode and its owner, and only as long as it is the one that was read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::config::beside::{Beside, WriteError};
use crate::config::load::{Instead, load_as_if, read};
use crate::config::rewrite::{new_lines, rewritten};
use crate::config::{Config, Loaded, Place, Surroundings};
use crate::domain::token::{Declared, Jti};

/// The dates of a token that a file is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dates {
    /// When it was issued, if known.
    pub issued: Option<DateTime<Utc>>,
    /// The last instant at which it works.
    pub expires: DateTime<Utc>,
    /// Its `jti`, if known.
    pub jti: Option<Jti>,
}

/// Why a file cannot be changed. Nothing was written.
#[derive(Debug)]
pub enum CannotEdit {
    /// No file declares the token.
    NotDeclared,
    /// The file is another one than the one that was read.
    Changed(PathBuf),
    /// The file's owner cannot be kept.
    Owner(PathBuf),
    /// The changed text would not say these dates, or would say something else besides.
    Differs(Place),
    /// The file system.
    Io(PathBuf, io::Error),
}

/// A change of one file that says what it should.
#[derive(Debug)]
pub struct Edit {
    /// As the person named it.
    named: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
    /// Where the token's dates stand then.
    pub place: Place,
    /// The lines that are new, as they stand in the file.
    pub lines: Vec<String>,
    /// The configuration with it.
    pub config: Config,
    /// The token's number among those of the configuration.
    no: usize,
}

impl Edit {
    /// Prepares a change in memory; `None` where the files say these dates already.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn of(
        loaded: &Loaded,
        id: &str,
        dates: &Dates,
        surroundings: &Surroundings,
    ) -> Result<Option<Self>, CannotEdit> {
        let config = &loaded.config;
        let at = |config: &Config| config.tokens.iter().position(|t| t.id.as_str() == id);
        let no = at(config).ok_or(CannotEdit::NotDeclared)?;
        if says(&config.tokens[no], dates) {
            return Ok(None);
        }
        let place = loaded.date_of(no);
        let source = &loaded.sources[place.source];
        let named = PathBuf::from(source.name());
        let before = read(&named).map_err(|e| CannotEdit::Io(named.clone(), e))?;
        let mark = "\u{feff}".as_bytes();
        let (mark, text) = before
            .strip_prefix(mark)
            .map_or((&b""[..], &before[..]), |rest| (mark, rest));
        if text != source.text().as_bytes() {
            return Err(CannotEdit::Changed(named));
        }
        let differs = || CannotEdit::Differs(place.clone());
        let rewritten = rewritten(source.text(), id, dates, config).ok_or_else(differs)?;
        let lines = new_lines(source.text(), &rewritten).ok_or_else(differs)?;
        let after = [mark, rewritten.as_bytes()].concat();
        let instead = Instead {
            file: &named,
            bytes: &after,
        };
        let main = Path::new(loaded.sources[0].name());
        let reloaded = load_as_if(main, surroundings, &instead).map_err(|_| differs())?;
        let again = at(&reloaded.config).ok_or_else(differs)?;
        let others_stay = reloaded.config.tokens.len() == config.tokens.len()
            && (reloaded.config.tokens.iter())
                .zip(&config.tokens)
                .all(|(new, old)| new == old || new.id.as_str() == id);
        let only_dates = Declared {
            issued: config.tokens[no].issued,
            expires: config.tokens[no].expires,
            jti: config.tokens[no].jti.clone(),
            ..reloaded.config.tokens[again].clone()
        };
        if again != no
            || !others_stay
            || only_dates != config.tokens[no]
            || !says(&reloaded.config.tokens[no], dates)
        {
            return Err(differs());
        }
        Ok(Some(Self {
            named,
            before,
            after,
            place: reloaded.date_of(no),
            lines,
            config: reloaded.config,
            no,
        }))
    }

    /// The token as the file declares it then.
    pub fn declared(&self) -> &Declared {
        &self.config.tokens[self.no]
    }

    /// Writes the new text beside the file, whole and on the disk.
    ///
    /// # Errors
    /// When that is not possible; then nothing is left behind.
    pub fn prepare(self) -> Result<Prepared, CannotEdit> {
        let path = fs::canonicalize(&self.named).map_err(|e| self.failed(e))?;
        let beside = Beside::write(&path, &self.after).map_err(|e| self.failed_beside(e))?;
        Ok(Prepared {
            edit: self,
            path,
            beside,
        })
    }

    fn failed(&self, e: io::Error) -> CannotEdit {
        CannotEdit::Io(self.named.clone(), e)
    }

    fn failed_beside(&self, e: WriteError) -> CannotEdit {
        match e {
            WriteError::Owner => CannotEdit::Owner(self.named.clone()),
            WriteError::Io(e) => self.failed(e),
        }
    }
}

/// A change that waits beside its file.
#[derive(Debug)]
pub struct Prepared {
    edit: Edit,
    /// The file itself, links followed.
    path: PathBuf,
    beside: Beside,
}

impl Prepared {
    /// Puts it in the file's place.
    ///
    /// # Errors
    /// When the file has changed meanwhile, or cannot be replaced; then it stays as it is.
    pub fn put(mut self) -> Result<Put, CannotEdit> {
        let edit = &self.edit;
        let now = read(&self.path).map_err(|e| edit.failed(e))?;
        if now != edit.before {
            return Err(CannotEdit::Changed(edit.named.clone()));
        }
        self.beside
            .rename_to(&self.path)
            .map_err(|e| edit.failed(e))?;
        Ok(Put {
            edit: self.edit,
            path: self.path,
        })
    }
}

/// A change that was made.
#[derive(Debug)]
pub struct Put {
    /// What it says.
    pub edit: Edit,
    path: PathBuf,
}

impl Put {
    /// Puts the old text back.
    ///
    /// # Errors
    /// When that is not possible: the new text stays.
    pub fn take_back(self) -> Result<(), CannotEdit> {
        let edit = &self.edit;
        let now = read(&self.path).map_err(|e| edit.failed(e))?;
        if now != edit.after {
            return Err(CannotEdit::Changed(edit.named.clone()));
        }
        let mut beside =
            Beside::write(&self.path, &edit.before).map_err(|e| edit.failed_beside(e))?;
        beside.rename_to(&self.path).map_err(|e| edit.failed(e))
    }
}

/// Whether a declaration says these dates.
fn says(declared: &Declared, dates: &Dates) -> bool {
    declared.expires == dates.expires
        && (dates.issued.is_none() || declared.issued == dates.issued)
        && (dates.jti.is_none() || declared.jti == dates.jti)
}
