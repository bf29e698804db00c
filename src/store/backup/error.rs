//! What can be wrong with a backup, in words for the person who made or needs it.

use std::path::PathBuf;

use crate::domain::language::{Text, text};
use crate::store::error::StoreError;

/// Why a file is no sound backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// A directory, a device.
    NoFile,
    /// It has no bytes.
    Empty,
    /// Something else than an SQLite database.
    NoDatabase,
    /// A log lies beside it: it is, or was, in use.
    Log,
    /// A sound database of another program.
    NoStore,
    /// A step of its schema is missing, or was made by another text.
    OtherStep(i64),
    /// SQLite's first complaint.
    Damaged(String),
    /// Rows of this table refer to others that are not there.
    Dangling(String),
}

/// Why a backup could not be made, proved or restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such backup.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// It is no sound backup.
    #[error("{} is no sound backup: {flaw:?}", file.display())]
    Unsound {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A later version made it.
    #[error("{} was made by a later version (schema {found}, this one knows {known})", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its schema.
        found: i64,
        /// The latest schema that this program knows.
        known: i64,
    },
    /// It cannot be read.
    #[error("{} cannot be read: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The backup and the store are one file.
    #[error("{} is the store itself", .0.display())]
    IsTheStore(PathBuf),
    /// The name is taken.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// What has the name is no backup.
    #[error("{} is no backup", .0.display())]
    NotABackup(PathBuf),
    /// The directory for it does not exist.
    #[error("there is no directory {}", .0.display())]
    NoDirectory(PathBuf),
    /// It cannot be written.
    #[error("{} cannot be written: {why}", file.display())]
    CannotWrite {
        /// The file.
        file: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Another process is writing it.
    #[error("another process is writing {}", .0.display())]
    Busy(PathBuf),
    /// The restored store could not be given to the user of the old one.
    #[error("{} belongs to another user: {error}", file.display())]
    Owner {
        /// The store.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl Flaw {
    fn told(&self) -> Text {
        match self {
            Self::NoFile => text!("it is not a file", "ce n’est pas un fichier"),
            Self::Empty => text!("it is empty", "il est vide"),
            Self::NoDatabase => text!(
                "it is not an SQLite database",
                "ce n’est pas une base SQLite"
            ),
            Self::Log => text!(
                "a log lies beside it (-wal or -journal): it is a store in use, or a plain copy of one",
                "un journal se trouve à côté (-wal ou -journal) : c’est une base en service, ou une simple copie"
            ),
            Self::NoStore => text!(
                "it is a database, but not a store of jetond",
                "c’est une base de données, mais pas celle d’un jetond"
            ),
            Self::OtherStep(version) => text!(
                "step {version} of its schema is not this program’s",
                "l’étape {version} de son schéma n’est pas celle de ce programme"
            ),
            Self::Damaged(why) => {
                let why = why.replace('\n', " ");
                text!("it is damaged: {why}", "il est endommagé : {why}")
            }
            Self::Dangling(table) => text!(
                "rows of the table `{table}` refer to others that are missing",
                "des lignes de la table `{table}` renvoient à d’autres qui manquent"
            ),
        }
    }
}

impl BackupError {
    /// What happened and what to do.
    pub fn told(&self) -> (Text, Text) {
        match self {
            Self::Store(e) => e.told(),
            Self::Missing(file) => {
                let file = file.display();
                (
                    text!("there is no file {file}", "il n’y a pas de fichier {file}"),
                    text!(
                        "name a file that `jetond backup FILE` made",
                        "indiquer un fichier fait par `jetond backup FICHIER`"
                    ),
                )
            }
            Self::Unsound { file, flaw } => {
                let (file, why) = (file.display(), flaw.told());
                let (en, fr) = (why.en, why.fr);
                (
                    text!(
                        "{file} is not a sound backup: {en}",
                        "{file} n’est pas une sauvegarde saine : {fr}"
                    ),
                    text!(
                        "use another one that `jetond backup FILE` made; the store was left as it is",
                        "en prendre une autre, faite par `jetond backup FICHIER` ; la base est restée telle quelle"
                    ),
                )
            }
            Self::Newer { file, found, known } => {
                let file = file.display();
                (
                    text!(
                        "{file} was made by a later version of jetond (schema {found}; this one knows {known})",
                        "{file} vient d’une version plus récente de jetond (schéma {found} ; celle-ci connaît {known})"
                    ),
                    text!(
                        "install the later version first, or use an older backup",
                        "installer d’abord la version plus récente, ou prendre une sauvegarde plus ancienne"
                    ),
                )
            }
            Self::Unreadable { file, error } => {
                let file = file.display();
                (
                    text!(
                        "{file} cannot be read: {error}",
                        "{file} ne peut pas être lu : {error}"
                    ),
                    text!(
                        "run it as a user who may read the file",
                        "lancer la commande sous un utilisateur qui peut lire le fichier"
                    ),
                )
            }
            Self::IsTheStore(file) => {
                let file = file.display();
                (
                    text!(
                        "{file} is the store itself, or belongs to it",
                        "{file} est la base elle-même, ou lui appartient"
                    ),
                    text!(
                        "name another file, on another disk if there is one",
                        "indiquer un autre fichier, sur un autre disque s’il y en a un"
                    ),
                )
            }
            Self::Exists(file) => {
                let file = file.display();
                (
                    text!(
                        "{file} exists already; it was left as it is",
                        "{file} existe déjà ; il est resté tel quel"
                    ),
                    text!(
                        "give another name, or `--force` to put the new backup in its place",
                        "donner un autre nom, ou `--force` pour mettre la nouvelle sauvegarde à sa place"
                    ),
                )
            }
            Self::NotABackup(file) => {
                let file = file.display();
                (
                    text!(
                        "{file} is something else than a backup, or in use; it was left as it is",
                        "{file} est autre chose qu’une sauvegarde, ou en service ; il est resté tel quel"
                    ),
                    text!(
                        "give another name: `--force` only replaces a backup",
                        "donner un autre nom : `--force` ne remplace qu’une sauvegarde"
                    ),
                )
            }
            Self::NoDirectory(directory) => {
                let directory = directory.display();
                (
                    text!(
                        "there is no directory {directory}",
                        "il n’y a pas de dossier {directory}"
                    ),
                    text!(
                        "make it first: `mkdir -p {directory}`",
                        "le créer d’abord : `mkdir -p {directory}`"
                    ),
                )
            }
            Self::CannotWrite { file, why } => {
                let file = file.display();
                (
                    text!(
                        "{file} cannot be written: {why}",
                        "{file} ne peut pas être écrit : {why}"
                    ),
                    text!(
                        "choose a directory with room, that this user may write",
                        "choisir un dossier où il y a de la place et où cet utilisateur peut écrire"
                    ),
                )
            }
            Self::Busy(file) => {
                let file = file.display();
                (
                    text!(
                        "another process is writing {file}",
                        "un autre processus écrit {file}"
                    ),
                    text!(
                        "wait for it to end, then try again",
                        "attendre qu’il ait fini, puis recommencer"
                    ),
                )
            }
            Self::Owner { file, error } => {
                let file = file.display();
                (
                    text!(
                        "{file} belongs to another user, who could not write the restored one: {error}",
                        "{file} appartient à un autre utilisateur, qui ne pourrait pas écrire la base restaurée : {error}"
                    ),
                    text!(
                        "run it as that user, or as root",
                        "lancer la commande sous cet utilisateur, ou en root"
                    ),
                )
            }
        }
    }
}
