//! What can be wrong with the store, in words for the person who must mend it.

use std::path::{Path, PathBuf};

use crate::domain::language::{Text, text};

/// A result of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why the store could not do what was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no store yet.
    #[error("there is no store at {}", .0.display())]
    Missing(PathBuf),
    /// Another process holds the write lock for longer than 10 s.
    #[error("the store is locked by another process")]
    Busy,
    /// Another sender runs on this store.
    #[error("another jetond already sends from {}", .0.display())]
    SecondSender(PathBuf),
    /// The file cannot be written.
    #[error("the store cannot be written: {0}")]
    ReadOnly(String),
    /// The file that is open is no longer the one at the store's path.
    #[error("{} was moved, deleted or replaced while it was open", .0.display())]
    Replaced(PathBuf),
    /// The disk is full.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The file is not a sound database.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Io(String),
    /// A later version of the program wrote it.
    #[error("the store was written by a later version (schema {found}, this one knows {known})")]
    Newer {
        /// The schema on disk.
        found: i64,
        /// The latest schema that this program knows.
        known: i64,
    },
    /// An earlier version wrote it, and it is opened for reading only.
    #[error("the store has the schema {found}, this version needs {known}")]
    Older {
        /// The schema on disk.
        found: i64,
        /// The schema that this program needs.
        known: i64,
    },
    /// The SQLite library has a known corruption bug.
    #[error("SQLite {0} is too old: 3.51.3 or later is needed")]
    TooOld(String),
    /// Anything else.
    #[error("{0}")]
    Other(#[source] sqlx::Error),
}

impl StoreError {
    /// Names the file where SQLite does not.
    pub(super) fn of_file(self, path: &Path) -> Self {
        let named = |why: String| format!("{}: {why}", path.display());
        match self {
            Self::ReadOnly(why) => Self::ReadOnly(named(why)),
            Self::Full(why) => Self::Full(named(why)),
            Self::Corrupt(why) => Self::Corrupt(named(why)),
            Self::Io(why) => Self::Io(named(why)),
            other => other,
        }
    }

    /// What happened and what to do.
    pub fn told(&self) -> (Text, Text) {
        match self {
            Self::Missing(path) => {
                let path = path.display();
                (
                    text!(
                        "there is no store at {path}",
                        "il n’y a pas de base à {path}"
                    ),
                    text!(
                        "`jetond run --once` makes it",
                        "`jetond run --once` la crée"
                    ),
                )
            }
            Self::Busy => (
                text!(
                    "the store is locked by another process for more than 10 s",
                    "la base est verrouillée par un autre processus depuis plus de 10 s"
                ),
                text!(
                    "wait for the other command to end, then try again",
                    "attendre la fin de l’autre commande, puis recommencer"
                ),
            ),
            Self::SecondSender(path) => {
                let path = path.display();
                (
                    text!(
                        "another jetond already sends from {path}",
                        "un autre jetond envoie déjà depuis {path}"
                    ),
                    text!(
                        "one sender per store: stop the other one first (`systemctl stop jetond`)",
                        "un seul expéditeur par base : arrêter l’autre d’abord (`systemctl stop jetond`)"
                    ),
                )
            }
            Self::ReadOnly(why) => (
                text!(
                    "the store cannot be opened or written: {why}",
                    "la base ne peut pas être ouverte ou écrite : {why}"
                ),
                text!(
                    "give the user of the daemon the right to write the file and its directory",
                    "donner à l’utilisateur du service le droit d’écrire le fichier et son dossier"
                ),
            ),
            Self::Replaced(path) => {
                let path = path.display();
                (
                    text!(
                        "{path} was moved, deleted or replaced while it was open: nothing leaves",
                        "{path} a été déplacé, supprimé ou remplacé pendant qu’il était ouvert : rien ne part"
                    ),
                    text!(
                        "put the file back; or start again if the one that is there now is meant",
                        "remettre le fichier en place ; ou redémarrer si celui qui s’y trouve est le bon"
                    ),
                )
            }
            Self::Full(why) => (
                text!("the disk is full: {why}", "le disque est plein : {why}"),
                text!(
                    "free some space; nothing was lost, nothing was sent",
                    "libérer de la place ; rien n’est perdu, rien n’est parti"
                ),
            ),
            Self::Corrupt(why) => (
                text!(
                    "the store is damaged: {why}",
                    "la base est endommagée : {why}"
                ),
                text!(
                    "set the file aside and restore the last backup; without one, an empty store sends one catch-up mail each",
                    "mettre le fichier de côté et restaurer la dernière sauvegarde ; sans elle, une base vide envoie un courriel de rattrapage par personne"
                ),
            ),
            Self::Io(why) => (
                text!(
                    "the disk failed under the store: {why}",
                    "le disque a échoué sous la base : {why}"
                ),
                text!(
                    "look at the machine’s disk first; nothing leaves before its record is safe",
                    "vérifier d’abord le disque ; rien ne part sans trace écrite"
                ),
            ),
            Self::Newer { found, known } => (
                text!(
                    "the store was written by a later version of jetond (schema {found}; this one knows {known})",
                    "la base a été écrite par une version plus récente de jetond (schéma {found} ; celle-ci connaît {known})"
                ),
                text!(
                    "install the later version again, or restore a backup made before",
                    "réinstaller la version plus récente, ou restaurer une sauvegarde antérieure"
                ),
            ),
            Self::Older { found, known } => (
                text!(
                    "the store has the schema {found}; this version needs {known}",
                    "la base a le schéma {found} ; cette version a besoin du {known}"
                ),
                text!(
                    "start the daemon once: it brings the store up to date",
                    "démarrer le service une fois : il met la base à jour"
                ),
            ),
            Self::TooOld(version) => (
                text!(
                    "SQLite {version} is too old: 3.51.3 or later is needed",
                    "SQLite {version} est trop ancien : il faut 3.51.3 ou plus récent"
                ),
                text!(
                    "rebuild jetond with its bundled SQLite",
                    "recompiler jetond avec le SQLite qu’il embarque"
                ),
            ),
            Self::Other(e) => (
                text!("the store failed: {e}", "la base a échoué : {e}"),
                text!(
                    "`jetond check` looks closer",
                    "`jetond check` regarde de plus près"
                ),
            ),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(e: sqlx::Error) -> Self {
        // SQLite's result codes: https://sqlite.org/rescode.html
        let code = match &e {
            sqlx::Error::Database(d) => d.code().and_then(|c| c.parse::<i32>().ok()),
            _ => None,
        };
        match code.map(|c| c & 0xff) {
            // SQLITE_IOERR_SHMSIZE: the index of the log finds no room.
            _ if code == Some(4874) => Self::Full(said(&e)),
            Some(5 | 6) => Self::Busy,
            Some(8 | 14 | 23 | 3) => Self::ReadOnly(said(&e)),
            Some(13) => Self::Full(said(&e)),
            Some(11 | 26) => Self::Corrupt(said(&e)),
            Some(10) => Self::Io(said(&e)),
            _ => match e {
                sqlx::Error::PoolTimedOut => Self::Busy,
                // A value that the schema does not allow: somebody else wrote it.
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                    Self::Corrupt(e.to_string())
                }
                other => Self::Other(other),
            },
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(e: sqlx::migrate::MigrateError) -> Self {
        match e {
            sqlx::migrate::MigrateError::Execute(e)
            | sqlx::migrate::MigrateError::ExecuteMigration(e, _) => e.into(),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

fn said(e: &sqlx::Error) -> String {
    match e {
        sqlx::Error::Database(d) => d.message().to_owned(),
        other => other.to_string(),
    }
}
