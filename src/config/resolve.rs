//! How a secret is read, at the moment of its use, from where it is.
//!
//! No error and no `Debug` output ever holds the secret, and what it was read into is wiped. A file
//! that others than its owner may read is refused, at load and again at use, and so is what is no
//! file: a pipe would make the daemon wait.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::config::SecretSource;
use crate::domain::language::{Invalid, Text, text};

/// Where the unit takes its credentials from.
const CREDENTIALS: &str = "/etc/jetond/credentials";

/// More than any password or key needs.
const MOST_BYTES: u64 = 64 * 1024;

impl SecretSource {
    /// Reads the secret. One line end after it is dropped.
    ///
    /// # Errors
    /// Says what is missing or too open, never what it holds.
    pub fn resolve(&self) -> Result<SecretString, Invalid> {
        let secret = match self {
            Self::Credential(name) => {
                let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
                read(&credential(name, directory.as_deref().map(Path::new))?)?
            }
            Self::File(path) => {
                if let Exposure::Open(message) = exposure(path) {
                    return Err(Invalid(message));
                }
                read(path)?
            }
            Self::Env(name) => std::env::var(name).map(Zeroizing::new).map_err(|_| {
                Invalid(text!(
                    "the environment variable {name} is not set",
                    "la variable d’environnement {name} n’est pas définie"
                ))
            })?,
        };
        let secret = secret.strip_suffix('\n').unwrap_or(&secret);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if secret.is_empty() {
            return Err(Invalid(
                text!("the secret is empty ({{}})", "le secret est vide ({{}})")
                    .with(&self.described()),
            ));
        }
        Ok(SecretString::from(secret.to_owned()))
    }

    /// Where the secret is, in words.
    fn described(&self) -> Text {
        let written = self.to_string();
        text!("{written}", "{written}")
    }
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "{{ credential = {name:?} }}"),
            Self::File(path) => write!(f, "{{ file = {path:?} }}"),
            Self::Env(name) => write!(f, "{{ env = {name:?} }}"),
        }
    }
}

/// The file of a credential. The unit loads the directory [`CREDENTIALS`] as a whole, and systemd
/// then puts the name of the set before that of each file; one that is loaded by itself has its
/// own name. A person's command has no credentials: it reads the file where the unit takes it
/// from, if it may.
fn credential(name: &str, directory: Option<&Path>) -> Result<PathBuf, Invalid> {
    let Some(directory) = directory else {
        let source = Path::new(CREDENTIALS).join(name);
        return match exposure(&source) {
            Exposure::Closed => Ok(source),
            Exposure::Open(message) => Err(Invalid(message)),
            Exposure::Missing => Err(Invalid(text!(
                "the credential {name:?} is not there: not under systemd ($CREDENTIALS_DIRECTORY is not set), and {CREDENTIALS}/{name} cannot be read (root may)",
                "le credential {name:?} est absent : hors de systemd ($CREDENTIALS_DIRECTORY n’est pas défini), et {CREDENTIALS}/{name} ne peut pas être lu (root le peut)"
            ))),
        };
    };
    // systemd sets the modes of this directory itself.
    let [own, of_set] = [name.to_owned(), format!("jetond_{name}")].map(|n| directory.join(n));
    if own.exists() {
        Ok(own)
    } else if of_set.exists() {
        Ok(of_set)
    } else {
        Err(Invalid(text!(
            "the credential {name:?} was not given to the service: write the secret to {CREDENTIALS}/{name} (chmod 600) and restart the service",
            "le credential {name:?} n’a pas été donné au service : écrire le secret dans {CREDENTIALS}/{name} (chmod 600) et redémarrer le service"
        )))
    }
}

/// Who may read a secret file.
#[derive(Debug)]
pub(super) enum Exposure {
    /// Its owner only.
    Closed,
    /// It is not there, or cannot be looked at.
    Missing,
    /// Others too, or it is not a file.
    Open(Text),
}

pub(super) fn exposure(path: &Path) -> Exposure {
    let shown = path.display();
    let Ok(metadata) = fs::metadata(path) else {
        return Exposure::Missing;
    };
    if metadata.is_dir() {
        return Exposure::Open(text!(
            "{shown} is a directory, not a file",
            "{shown} est un répertoire, pas un fichier"
        ));
    }
    if !metadata.is_file() {
        return Exposure::Open(no_file(path));
    }
    if metadata.permissions().mode() & 0o066 != 0 {
        return Exposure::Open(text!(
            "others than its owner may read {shown}: run chmod 600 {shown}",
            "d’autres que son propriétaire peuvent lire {shown} : lancer chmod 600 {shown}"
        ));
    }
    Exposure::Closed
}

/// What is no file may make whoever opens or reads it wait without end.
fn no_file(path: &Path) -> Text {
    let shown = path.display();
    text!(
        "{shown} is not a regular file but a pipe, a device or the like: write the secret to a regular file (chmod 600)",
        "{shown} n’est pas un fichier ordinaire mais un tube, un périphérique ou autre : écrire le secret dans un fichier ordinaire (chmod 600)"
    )
}

fn read(path: &Path) -> Result<Zeroizing<String>, Invalid> {
    let shown = path.display();
    let failed = |e: io::Error| {
        let why = match e.kind() {
            io::ErrorKind::NotFound => text!("there is no such file", "ce fichier n’existe pas"),
            io::ErrorKind::PermissionDenied => {
                text!(
                    "reading it is not permitted",
                    "sa lecture n’est pas permise"
                )
            }
            other => text!("{other}", "{other}"),
        };
        let said = text!(
            "the secret in {shown} cannot be read: {{}}",
            "le secret de {shown} ne peut pas être lu : {{}}"
        );
        Invalid(said.with(&why))
    };
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Invalid(no_file(path)));
    }
    if metadata.len() > MOST_BYTES {
        return Err(Invalid(text!(
            "{shown} is too long for a secret: write the secret to it, and nothing else",
            "{shown} est trop long pour un secret : y écrire le secret, et rien d’autre"
        )));
    }
    // One allocation with room for the end, so that no outgrown copy is left behind.
    let room = usize::try_from(metadata.len() + 64).unwrap_or_default();
    let mut secret = Zeroizing::new(String::with_capacity(room));
    let mut file = file.take(MOST_BYTES);
    file.read_to_string(&mut secret).map_err(failed)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secret_file_is_read_without_its_line_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("smtp.password");
        fs::write(&path, "hunter2\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let secret = SecretSource::File(path.clone()).resolve().unwrap();
        assert_eq!(secret.expose_secret(), "hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let said = SecretSource::File(path).resolve().unwrap_err().to_string();
        assert!(
            said.contains("chmod 600") && !said.contains("hunter2"),
            "{said}"
        );
    }

    #[test]
    fn nothing_is_waited_for_at_what_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("smtp.password");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let source = SecretSource::File(path.clone());
        let said = [
            source.resolve().unwrap_err(),
            // A credential is not looked at before.
            read(&path).unwrap_err(),
            read(directory.path()).unwrap_err(),
            read(Path::new("/dev/zero")).unwrap_err(),
        ];
        for said in said {
            assert!(said.0.en.contains("is not a regular file"), "{said}");
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, "x".repeat(64 * 1024 + 1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let said = source.resolve().unwrap_err();
        assert!(said.0.en.contains("too long"), "{said}");
    }

    #[test]
    fn a_credential_is_found_alone_and_in_the_set_that_the_unit_loads() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| credential(name, Some(directory.path()));
        let said = at("smtp.password").unwrap_err().to_string();
        assert!(
            said.contains("/etc/jetond/credentials/smtp.password"),
            "{said}"
        );
        fs::write(directory.path().join("jetond_smtp.password"), "x").unwrap();
        assert_eq!(
            at("smtp.password").unwrap(),
            directory.path().join("jetond_smtp.password")
        );
        fs::write(directory.path().join("smtp.password"), "y").unwrap();
        assert_eq!(
            at("smtp.password").unwrap(),
            directory.path().join("smtp.password")
        );
    }

    #[test]
    fn a_secret_that_is_not_there_is_an_error_with_its_place() {
        let env = SecretSource::Env("JETOND_TEST_NO_SUCH_VARIABLE".to_owned());
        let said = env.resolve().unwrap_err().to_string();
        assert!(said.contains("JETOND_TEST_NO_SUCH_VARIABLE"));
        let file = SecretSource::File("/nonexistent/smtp.password".into());
        assert!(file.resolve().is_err());
    }
}
