//! Changes the dates of one token in the files, as the record has them: comments, order and
//! every other line stay.
//!
//! The new text is loaded before it takes the old one's place: unless it says exactly these
//! dates, and nothing else changed, nothing is written. A file is replaced in one step, with its
//! mode and its owner, and only as long as it is the one that was read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use rustix::fs::{Gid, Uid, fchown};
use toml_edit::{DocumentMut, Item, Key, TableLike, Value};

use crate::config::load::{Instead, load_as_if, read};
use crate::config::{Config, Loaded, Place, Surroundings};
use crate::domain::calendar::Calendar;
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

/// A file beside another one that is to take its place; gone if it does not.
#[derive(Debug)]
struct Beside(Option<PathBuf>);

enum WriteError {
    Owner,
    Io(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl Beside {
    fn write(path: &Path, bytes: &[u8]) -> Result<Self, WriteError> {
        let like = fs::metadata(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Hidden, and not *.toml: no reading of conf.d takes it for a file of its own.
        let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        let this = Self(Some(beside.clone()));
        file.write_all(bytes)?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
            let (uid, gid) = (Uid::from_raw(like.uid()), Gid::from_raw(like.gid()));
            fchown(&file, Some(uid), Some(gid)).map_err(|_| WriteError::Owner)?;
        }
        file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
        file.sync_all()?;
        if read(&beside)? != bytes {
            return Err(io::Error::other("what was written does not read back").into());
        }
        Ok(this)
    }

    fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        if let Some(beside) = &self.0 {
            fs::rename(beside, path)?;
        }
        self.0 = None;
        let directory = path.parent().unwrap_or(Path::new("/"));
        // The new name holds without it as long as the machine does.
        let _unsynced = File::open(directory).and_then(|d| d.sync_all());
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(beside) = &self.0 {
            // It holds nothing that the file does not.
            let _left = fs::remove_file(beside);
        }
    }
}

/// Whether a declaration says these dates.
fn says(declared: &Declared, dates: &Dates) -> bool {
    declared.expires == dates.expires
        && (dates.issued.is_none() || declared.issued == dates.issued)
        && (dates.jti.is_none() || declared.jti == dates.jti)
}

/// The text with these dates; `None` where the token is not found in it.
fn rewritten(text: &str, id: &str, dates: &Dates, config: &Config) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let is_it = |t: &dyn TableLike| {
        t.get("id")
            .and_then(Item::as_str)
            .is_some_and(|i| i.trim() == id)
    };
    match document.get_mut("token")? {
        Item::ArrayOfTables(tables) => {
            let table = tables.iter_mut().find(|t| is_it(*t))?;
            let keys: Vec<String> = table.iter().map(|(k, _)| k.to_owned()).collect();
            write_dates(table, dates, config);
            for added in ["issued", "expires", "jti"] {
                if table.contains_key(added) && !keys.iter().any(|k| k == added) {
                    move_up(table, added);
                }
            }
        }
        Item::Value(Value::Array(tables)) => {
            let table = tables
                .iter_mut()
                .filter_map(Value::as_inline_table_mut)
                .find(|t| is_it(*t))?;
            write_dates(table, dates, config);
        }
        Item::None | Item::Value(_) | Item::Table(_) => return None,
    }
    let written = document.to_string();
    // The writer ends every line in its own way; ends of both kinds cannot be told apart again.
    let ends = text.matches('\n').count();
    match text.matches("\r\n").count() {
        0 => Some(written),
        windows if windows == ends => Some(written.replace('\n', "\r\n")),
        _ => None,
    }
}

/// By the date of issue alone where the expiry follows from it, else by the expiry.
fn write_dates(table: &mut dyn TableLike, dates: &Dates, config: &Config) {
    let calendar = &config.calendar;
    let reckoned = |issued| calendar.add_months(issued, config.validity_months);
    match dates.issued {
        Some(issued) if reckoned(issued) == dates.expires => {
            put(table, "issued", date(issued, calendar));
            drop_expires(table);
        }
        Some(issued) => {
            put(table, "issued", date(issued, calendar));
            put(table, "expires", date(dates.expires, calendar));
        }
        None => put(table, "expires", date(dates.expires, calendar)),
    }
    if let Some(jti) = &dates.jti {
        let written = table.get("jti").and_then(Item::as_str);
        if written.and_then(|w| Jti::parse(w).ok()).as_ref() != Some(jti) {
            put(table, "jti", Value::from(jti.as_str()));
        }
    }
}

/// A bare date where the instant ends that local day, else the instant with its offset.
fn date(at: DateTime<Utc>, calendar: &Calendar) -> Value {
    let day = calendar.date(at);
    let written = if calendar.end_of_day(day) == at {
        day.to_string()
    } else {
        at.with_timezone(&calendar.tz)
            .to_rfc3339_opts(SecondsFormat::Secs, false)
    };
    let read: toml_edit::Datetime = written.parse().expect("a date in TOML's own form");
    Value::from(read)
}

/// Sets a value in place, its spaces and its comment kept; a new key stands under its neighbour's
/// equals sign.
fn put(table: &mut dyn TableLike, key: &str, mut value: Value) {
    if let Some(Item::Value(old)) = table.get_mut(key) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
        return;
    }
    let width = ["issued", "expires", "name", "id"]
        .into_iter()
        .find_map(|neighbour| {
            let spaces = table.key(neighbour)?.leaf_decor().suffix()?.as_str()?;
            Some(neighbour.len() + spaces.len())
        });
    table.insert(key, Item::Value(value));
    if let (Some(width), Some(mut key)) = (width, table.key_mut(key)) {
        let spaces = width.saturating_sub(key.get().len()).max(1);
        key.leaf_decor_mut().set_suffix(" ".repeat(spaces));
    }
}

/// Takes `expires` out; a comment of its own stays above `issued`.
fn drop_expires(table: &mut dyn TableLike) {
    let text = |raw: Option<&toml_edit::RawString>| {
        raw.and_then(toml_edit::RawString::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let above = table
        .key("expires")
        .map(|k| text(k.leaf_decor().prefix()))
        .unwrap_or_default();
    let Some(removed) = table.remove("expires") else {
        return;
    };
    let behind = removed
        .as_value()
        .map(|v| text(v.decor().suffix()))
        .unwrap_or_default();
    let mut kept = String::new();
    if above.contains('#') {
        kept.push_str(&above);
    }
    if behind.contains('#') {
        kept.push_str(behind.trim());
        kept.push('\n');
    }
    if kept.is_empty() {
        return;
    }
    if let Some(mut issued) = table.key_mut("issued") {
        let before = text(issued.leaf_decor().prefix());
        issued.leaf_decor_mut().set_prefix(before + &kept);
    }
}

/// Moves a key that was added behind the one that it belongs to.
fn move_up(table: &mut toml_edit::Table, added: &str) {
    let keys: Vec<String> = table.iter().map(|(k, _)| k.to_owned()).collect();
    let neighbours = match added {
        "jti" => ["datapass_id", "expires", "issued"],
        _ => ["issued", "name", "id"],
    };
    let Some(behind) = neighbours
        .iter()
        .find_map(|n| keys.iter().position(|k| k == n))
    else {
        return;
    };
    let place = |key: &Key| {
        if key.get() == added {
            return (behind, 1);
        }
        let own = keys.iter().position(|known| known == key.get());
        (own.unwrap_or(keys.len()), 0)
    };
    table.sort_values_by(|a, _, b, _| place(a).cmp(&place(b)));
}

/// The lines that are new, between those that begin and those that end both texts alike; `None`
/// where more changed than three values and the comments of one of them.
fn new_lines(before: &str, after: &str) -> Option<Vec<String>> {
    const MOST: usize = 3;
    const MOST_COMMENTS: usize = 20;
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split('\n').collect(), after.split('\n').collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = (old.iter().rev())
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let besides = |these: &[&str], others: &[&str]| -> Vec<String> {
        let lines = these.iter().filter(|line| !others.contains(line));
        lines
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect()
    };
    let (gone, come) = (besides(old, new), besides(new, old));
    let (comments, values): (Vec<&String>, Vec<&String>) = come
        .iter()
        .partition(|line| line.trim_start().starts_with('#'));
    let fits = gone.len() <= MOST && values.len() <= MOST && comments.len() <= MOST_COMMENTS;
    fits.then_some(come)
}
