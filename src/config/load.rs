//! From files to a checked config, or to everything that is wrong with them.
//!
//! The main file and the `conf.d/*.toml` beside it are read, parsed and checked as one. No
//! clock is read here: what depends on today takes it from [`Surroundings`].

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use toml::de::DeTable;

use crate::config::Config;
use crate::config::diagnostic::{Diagnostic, Place, Report, Span};
use crate::config::effective::{self, Effective};
use crate::config::people::People;
use crate::config::probe;
use crate::config::reader::{File, Table};
use crate::config::scalar::is_safe;
use crate::config::settings::{self, Settings};
use crate::config::source::Source;
use crate::config::syntax::{self, Tree};
use crate::config::tokens::{self, Written};
use crate::domain::language::{Lang, text};
use crate::domain::people::Clients;
use crate::domain::token::Declared;

/// Where the config is looked for when nobody names it, in this order.
pub const DEFAULT_FILES: [&str; 2] = ["config.toml", "/etc/jetond/config.toml"];

/// A file of 100,000 tokens has about 40 MB; what is larger is not a config.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// What a load depends on besides the files.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// The present, for warnings about dates that are past.
    pub now: DateTime<Utc>,
}

/// Files that were taken.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// Where each of its tokens stands.
    pub(super) written: Vec<Written>,
    /// What the person should look at, in the order of the files.
    pub warnings: Vec<Diagnostic>,
    /// Each key with its value and origin.
    pub effective: Vec<Effective>,
    /// The files, for drawing the warnings.
    pub sources: Vec<Source>,
}

/// Files that were refused; nothing of them holds.
#[derive(Debug)]
pub struct Rejected {
    /// All errors, in the order of the files; never empty.
    pub errors: Vec<Diagnostic>,
    /// The warnings.
    pub warnings: Vec<Diagnostic>,
    /// The files, for drawing.
    pub sources: Vec<Source>,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.errors.iter().map(|e| e.plain(Lang::En)).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Rejected {}

/// The first of [`DEFAULT_FILES`] that exists.
pub fn default_file() -> Option<PathBuf> {
    DEFAULT_FILES
        .iter()
        .map(PathBuf::from)
        .find(|file| file.exists())
}

/// The language that a file asks for, as far as it can be read: for speaking about a file that
/// is broken.
pub fn language_of(file: &Path) -> Option<Lang> {
    let bytes = read(file).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (root, _) = DeTable::parse_recoverable(text);
    let written = root.get_ref().get("language")?.get_ref().as_str()?;
    Lang::parse(written).ok()
}

/// Reads `file` and the `conf.d/*.toml` beside it.
///
/// # Errors
/// Every error of every file, each with its place and what to write instead.
pub fn load(file: &Path, surroundings: &Surroundings) -> Result<Loaded, Rejected> {
    load_files(file, surroundings, None)
}

/// What one of the files would hold.
#[derive(Debug)]
pub(super) struct Instead<'a> {
    /// The file, as the loading names it.
    pub(super) file: &'a Path,
    pub(super) bytes: &'a [u8],
}

/// As [`load`], as if one of the files held other bytes.
pub(super) fn load_as_if(
    file: &Path,
    surroundings: &Surroundings,
    instead: &Instead<'_>,
) -> Result<Loaded, Rejected> {
    load_files(file, surroundings, Some(instead))
}

fn load_files(
    file: &Path,
    surroundings: &Surroundings,
    instead: Option<&Instead<'_>>,
) -> Result<Loaded, Rejected> {
    let mut report = Report::default();
    let mut files = Files {
        instead,
        sources: Vec::new(),
        digest: Sha256::default(),
    };
    let mut taken = None;
    // Without the main file the others would only repeat that all is missing.
    if files.read(file, &mut report) {
        for path in drop_ins(file, &mut report) {
            files.read(&path, &mut report);
        }
        let digest = hex(&files.digest.finalize());
        taken = Some(check(
            file,
            digest,
            &files.sources,
            surroundings,
            &mut report,
        ));
    }
    let mut sources = files.sources;
    let (errors, warnings) = report.finish(&mut sources);
    match taken {
        Some((config, written, effective)) if errors.is_empty() => Ok(Loaded {
            config,
            written,
            warnings,
            effective,
            sources,
        }),
        _ => Err(Rejected {
            errors,
            warnings,
            sources,
        }),
    }
}

impl Loaded {
    /// Where the token of this number among the config's is declared.
    pub fn place_of(&self, no: usize) -> Place {
        Place::of(&self.written[no].table, &self.sources)
    }

    /// Where its date stands that decides when it expires.
    pub fn date_of(&self, no: usize) -> Place {
        Place::of(&self.written[no].date, &self.sources)
    }
}

/// The files read so far.
struct Files<'a> {
    instead: Option<&'a Instead<'a>>,
    sources: Vec<Source>,
    digest: Sha256,
}

impl Files<'_> {
    /// Takes a file in, or reports why it cannot be read and says `false`.
    fn read(&mut self, path: &Path, report: &mut Report) -> bool {
        let bytes = match self.instead {
            Some(instead) if instead.file == path => Ok(instead.bytes.to_owned()),
            Some(_) | None => read(path),
        };
        match bytes {
            Ok(bytes) => {
                digest_one(&mut self.digest, path, &bytes);
                self.sources
                    .push(decode(path, bytes, self.sources.len(), report));
                true
            }
            Err(error) => {
                report_unreadable(path, &error, report);
                false
            }
        }
    }
}

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(bytes)
}

/// The `conf.d/*.toml` beside the main file, by name; hidden files are an editor's.
pub(super) fn drop_ins(file: &Path, report: &mut Report) -> Vec<PathBuf> {
    let directory = file.parent().unwrap_or(Path::new("")).join("conf.d");
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                report_unreadable(&directory, &error, report);
            }
            return Vec::new();
        }
    };
    // A directory that can be read in part only would make tokens vanish: it is refused whole.
    let names: io::Result<Vec<_>> = entries.map(|e| e.map(|e| e.file_name())).collect();
    let names = names.unwrap_or_else(|error| {
        report_unreadable(&directory, &error, report);
        Vec::new()
    });
    let mut files: Vec<PathBuf> = names
        .iter()
        .map(|name| directory.join(name))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default();
            !name.as_encoded_bytes().starts_with(b".")
        })
        .collect();
    files.sort();
    files
}

fn report_unreadable(path: &Path, error: &io::Error, report: &mut Report) {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => report
            .unreadable(text!(
                "{shown}: there is no such file",
                "{shown} : ce fichier n’existe pas"
            ))
            .help(text!(
                "`jetond init` writes one to start from, -c names another",
                "`jetond init` en écrit un pour commencer, -c en désigne un autre"
            )),
        io::ErrorKind::PermissionDenied => report
            .unreadable(text!(
                "{shown}: reading it is not permitted",
                "{shown} : sa lecture n’est pas permise"
            ))
            .help(text!(
                "give the user of the daemon the right to read it, and nobody else: chgrp jetond {shown}; chmod g+rX,o= {shown}",
                "donner à l’utilisateur du service le droit de le lire, et à personne d’autre : chgrp jetond {shown} ; chmod g+rX,o= {shown}"
            )),
        io::ErrorKind::NotADirectory => report.unreadable(text!(
            "{shown}: this is a file, not a directory of files",
            "{shown} : c’est un fichier, pas un répertoire de fichiers"
        )),
        io::ErrorKind::IsADirectory => report.unreadable(text!(
            "{shown}: this is a directory, not a file",
            "{shown} : c’est un répertoire, pas un fichier"
        )),
        io::ErrorKind::FileTooLarge => report.unreadable(text!(
            "{shown}: this file is larger than 256 MiB",
            "{shown} : ce fichier dépasse 256 Mio"
        )),
        _ => report.unreadable(text!(
            "{shown}: it cannot be read ({error})",
            "{shown} : lecture impossible ({error})"
        )),
    };
}

/// Lengths go in too, so that no two sets of files share a digest by shifting a boundary.
fn digest_one(digest: &mut Sha256, path: &Path, bytes: &[u8]) {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    for part in [name, bytes] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    })
}

/// The text of a file. Where it is not UTF-8 that is reported, and the rest is read all the
/// same, so that its other errors are told too.
fn decode(path: &Path, bytes: Vec<u8>, index: usize, report: &mut Report) -> Source {
    let (text, first_bad) = match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let lossy = String::from_utf8_lossy(error.as_bytes()).into_owned();
            (lossy, Some(valid))
        }
    };
    let mark = '\u{feff}';
    let (text, skipped) = match text.strip_prefix(mark) {
        Some(rest) => (rest.to_owned(), mark.len_utf8()),
        None => (text, 0),
    };
    if let Some(at) = first_bad.map(|at| at.saturating_sub(skipped)) {
        let span = Span {
            source: index,
            range: at..at + char::REPLACEMENT_CHARACTER.len_utf8(),
        };
        report
            .syntax(
                &span,
                text!(
                    "this is not UTF-8 from here on",
                    "ceci n’est plus de l’UTF-8 à partir d’ici"
                ),
            )
            .help(text!(
                "save the file as UTF-8 (it may be Latin-1 or Windows-1252)",
                "enregistrer le fichier en UTF-8 (il est peut-être en Latin-1 ou Windows-1252)"
            ));
    }
    Source::new(path.display().to_string(), text)
}

/// Parses and checks all files, the main one first.
fn check(
    file: &Path,
    digest: String,
    sources: &[Source],
    surroundings: &Surroundings,
    report: &mut Report,
) -> (Config, Vec<Written>, Vec<Effective>) {
    for (index, source) in sources.iter().enumerate() {
        for range in source.jwts() {
            report.jwt(&Span {
                source: index,
                range: range.clone(),
            });
        }
    }
    let prepared: Vec<_> = sources
        .iter()
        .enumerate()
        .map(|(index, source)| syntax::prepare(source, index, report))
        .collect();
    let trees: Vec<Tree<'_>> = prepared
        .iter()
        .zip(sources)
        .enumerate()
        .map(|(index, (p, source))| syntax::parse(p, source, index, report))
        .collect();
    let roots: Vec<Table<'_>> = trees
        .iter()
        .zip(sources)
        .enumerate()
        .map(|(source, (tree, s))| {
            let file = File {
                source,
                text: s.text(),
                faults: &tree.faults,
            };
            Table::root(&tree.root, file)
        })
        .collect();
    check_top(&roots, report);

    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let directory = absolute.parent().unwrap_or(Path::new("/")).to_owned();
    let mut settings = settings::read(&roots[0], &directory, report);
    let mut people = People::read(&roots, report);
    let read = tokens::read(
        &roots,
        &settings,
        &mut people,
        &directory,
        surroundings.now,
        report,
    );
    settings.probe.secrets = read
        .iter()
        .filter_map(|t| Some((t.declared.id.clone(), t.secret.clone()?)))
        .collect();
    probe::warn_of_no_secret(&roots[0], &settings.probe, report);
    let (tokens, written) = read.into_iter().map(|t| (t.declared, t.written)).unzip();
    let mut config = assemble(absolute, digest, settings, people.clients(), tokens);
    config.shown = effective::settings(&roots, sources, &config);
    let effective = effective::list(&roots, sources, &config);
    (config, written, effective)
}

/// The keys at the top of each file: all in the main one, three tables in the others.
fn check_top(roots: &[Table<'_>], report: &mut Report) {
    let Some((main, others)) = roots.split_first() else {
        return;
    };
    main.check_keys(report);
    for root in others {
        for (name, _) in root.entries {
            let written: &str = name.get_ref();
            if ["token", "groups", "clients"].contains(&written) || root.is_repaired(name) {
                continue;
            }
            let span = root.file.span(name.span());
            if !is_safe(written, &span, report) {
                continue;
            }
            let shown: String = written.chars().take(60).collect();
            report
                .error(
                    &span,
                    text!(
                        "`{shown}` cannot stand in a file of conf.d",
                        "`{shown}` n’a pas sa place dans un fichier de conf.d"
                    ),
                )
                .help(text!(
                    "such a file takes [[token]], [groups] and [clients]; the rest belongs in the main file",
                    "un tel fichier prend [[token]], [groups] et [clients] ; le reste va dans le fichier principal"
                ));
        }
    }
}

fn assemble(
    file: PathBuf,
    digest: String,
    settings: Settings,
    clients: Clients,
    tokens: Vec<Declared>,
) -> Config {
    Config {
        file,
        digest,
        language: settings.language,
        organisation: settings.organisation,
        contact: settings.contact,
        store: settings.store,
        calendar: settings.calendar,
        validity_months: settings.validity_months,
        stages: settings.stages,
        mail: settings.mail,
        renewal: settings.renewal,
        retention: settings.retention,
        heartbeat: settings.heartbeat,
        reports: settings.reports,
        notify: settings.notify,
        probe: settings.probe,
        web: settings.web,
        clients,
        datapass: settings.datapass,
        tokens,
        shown: Vec::new(),
    }
}
