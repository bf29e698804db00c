//! Failures of commands: an exit code, a word for programs, words for people, and what to do.

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::app::SetupError;
use crate::cli::nagios::Service;
use crate::config::Diagnostic;
use crate::delivery::shown::Unread;
use crate::domain::language::{Lang, Text, counted, text, without_jwts};
use crate::store::error::StoreError;
use crate::store::keys::KeysError;
use crate::store::mailbook::Refusal;
use crate::web::BindError;
use crate::words::mail::word;

/// The exit codes of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Unexpected.
    Unexpected,
    /// The command line is wrong.
    Usage,
    /// The config is invalid.
    Config,
    /// What was named does not exist.
    NotFound,
    /// Refused.
    Refused,
    /// Not delivered, or something is uncovered.
    NotDelivered,
    /// The store is unusable.
    Store,
    /// To a monitor, in its own numbers.
    Monitor(Service),
}

impl Exit {
    /// All of them, but what monitors are told.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::Config,
        Self::NotFound,
        Self::Refused,
        Self::NotDelivered,
        Self::Store,
    ];

    /// What it tells, in English.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do; warnings do not count",
            Self::Unexpected => "something unexpected",
            Self::Usage => "the command line is wrong",
            Self::Config => "the config is invalid",
            Self::NotFound => "what was named does not exist",
            Self::Refused => "refused",
            Self::NotDelivered => {
                "not delivered, something owed is uncovered, or a token shows no sign of life"
            }
            Self::Store => "the store is unusable",
            Self::Monitor(_) => "a state in the monitor's numbers",
        }
    }

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::NotFound => 4,
            Self::Refused => 5,
            Self::NotDelivered => 6,
            Self::Store => 8,
            Self::Monitor(service) => service as u8,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// A word for programs.
    pub code: &'static str,
    /// What happened.
    pub message: Text,
    /// What to do.
    pub hint: Option<Box<Text>>,
    /// More, for `--json`.
    pub details: Option<Box<Value>>,
    /// Whether people have been told already (the diagnostics of a config).
    pub told: bool,
    closed_stream: bool,
}

impl Failure {
    /// A failure with its words. A command line that they repeat may hold the text of a token,
    /// where something else belongs: that is left out.
    pub fn new(exit: Exit, code: &'static str, message: Text) -> Self {
        Self {
            exit,
            code,
            message: discreet(&message),
            hint: None,
            details: None,
            told: false,
            closed_stream: false,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: Text) -> Self {
        self.hint = Some(Box::new(discreet(&hint)));
        self
    }

    /// Something that should not happen.
    pub fn unexpected(what: &str) -> Self {
        Self::new(Exit::Unexpected, "unexpected", text!("{what}", "{what}"))
    }

    /// A command line that cannot be understood.
    pub fn usage(message: Text) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// No config file was found.
    pub fn no_config() -> Self {
        Self::new(
            Exit::Config,
            "config_missing",
            text!(
                "there is no config file: neither config.toml here nor /etc/jetond/config.toml",
                "il n’y a pas de fichier de configuration : ni config.toml ici ni /etc/jetond/config.toml"
            ),
        )
        .hint(text!(
            "`jetond init` writes one; or name yours with `--config FILE`",
            "`jetond init` en écrit un ; ou indiquer le vôtre par `--config FICHIER`"
        ))
    }

    /// A file or directory that the command was to make.
    pub fn cannot_write(path: &Path, e: &std::io::Error) -> Self {
        let shown = path.display();
        Self::new(
            Exit::Refused,
            "cannot_write",
            text!(
                "{shown} cannot be written: {e}",
                "{shown} ne peut pas être écrit : {e}"
            ),
        )
    }

    /// A config that is invalid; its diagnostics have been shown.
    pub fn config(errors: &[Diagnostic], lang: Lang) -> Self {
        let Text { en, fr } = counted(errors.len(), ["error", "errors"], ["erreur", "erreurs"]);
        let message = text!(
            "the config has {en}; nothing was changed",
            "la configuration a {fr} ; rien n’a changé"
        );
        let mut failure = Self::new(Exit::Config, "config_invalid", message);
        failure.details = Some(Box::new(json!(
            errors.iter().map(|e| e.row(lang)).collect::<Vec<_>>()
        )));
        failure.told = true;
        failure
    }

    /// The text of a token where `what` belongs: it is not repeated.
    pub fn token_instead_of(what: &Text) -> Self {
        let Text { en, fr } = what;
        Self::usage(text!(
            "this is the text of a token, where {en} belongs",
            "c’est le texte d’un jeton, à la place {fr}"
        ))
        .hint(text!(
            "the command line is on show to others: `jetond import -` and `jetond renew ID --jwt -` read a token from standard input",
            "la ligne de commande est visible d’autrui : `jetond import -` et `jetond renew ID --jwt -` lisent un jeton sur l’entrée standard"
        ))
    }

    /// Whether the reader of our output is gone.
    pub fn is_closed_stream(&self) -> bool {
        self.closed_stream
    }
}

fn discreet(words: &Text) -> Text {
    Text {
        en: without_jwts(&words.en),
        fr: without_jwts(&words.fr),
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        let (message, hint) = e.told();
        let (exit, code) = match &e {
            StoreError::SecondSender(_) => (Exit::Refused, "second_sender"),
            StoreError::Missing(_) => (Exit::Store, "store_missing"),
            StoreError::Busy => (Exit::Store, "store_busy"),
            StoreError::ReadOnly(_) => (Exit::Store, "store_read_only"),
            StoreError::Replaced(_) => (Exit::Store, "store_replaced"),
            StoreError::Full(_) => (Exit::Store, "disk_full"),
            StoreError::Corrupt(_) => (Exit::Store, "store_corrupt"),
            StoreError::Io(_) => (Exit::Store, "store_io"),
            StoreError::Newer { .. } => (Exit::Store, "store_newer"),
            StoreError::Older { .. } => (Exit::Store, "store_older"),
            StoreError::TooOld(_) => (Exit::Store, "sqlite_too_old"),
            StoreError::Other(_) => (Exit::Store, "store_failed"),
        };
        Self::new(exit, code, message).hint(hint)
    }
}

impl From<Unread> for Failure {
    fn from(e: Unread) -> Self {
        match e {
            Unread::Store(e) => e.into(),
            Unread::Compose(e) => Self::unexpected(&e.to_string()),
        }
    }
}

impl From<SetupError> for Failure {
    fn from(e: SetupError) -> Self {
        match e {
            SetupError::Store(e) => e.into(),
            SetupError::TemplateFile { .. } => {
                Self::new(Exit::Config, "template_unreadable", text!("{e}", "{e}"))
            }
            SetupError::Templates(_) => Self::new(
                Exit::Config,
                "template_invalid",
                text!("template {e}", "modèle {e}"),
            ),
            SetupError::Listen(e) => e.into(),
            SetupError::Keys(e) => e.into(),
            SetupError::Way(e) => Self::new(
                Exit::NotDelivered,
                "transport",
                text!(
                    "mails cannot leave: {e}",
                    "les courriels ne peuvent pas partir : {e}"
                ),
            ),
        }
    }
}

impl From<KeysError> for Failure {
    fn from(e: KeysError) -> Self {
        let (message, hint) = e.told();
        Self::new(Exit::Store, "link_keys", message).hint(hint)
    }
}

impl From<BindError> for Failure {
    fn from(e: BindError) -> Self {
        let BindError { address, error } = &e;
        let message = text!(
            "nothing can be answered at {address} ([web] listen): {error}",
            "impossible de répondre à {address} ([web] listen) : {error}"
        );
        let port = address.port();
        let hint = match error.kind() {
            ErrorKind::AddrInUse => text!(
                "another program has this port (`ss -ltnp 'sport = :{port}'` shows which): stop it, or write another port",
                "un autre programme a ce port (`ss -ltnp 'sport = :{port}'` dit lequel) : l’arrêter, ou écrire un autre port"
            ),
            ErrorKind::AddrNotAvailable => text!(
                "this machine does not have this address: write 127.0.0.1:{port}, with the reverse proxy on this machine",
                "cette machine n’a pas cette adresse : écrire 127.0.0.1:{port}, avec le mandataire inverse sur cette machine"
            ),
            ErrorKind::PermissionDenied => text!(
                "ports below 1024 are not for the daemon: write another one, as 8080, and let the reverse proxy have this one",
                "les ports inférieurs à 1024 ne sont pas pour le service : en écrire un autre, comme 8080, et laisser celui-ci au mandataire inverse"
            ),
            _ => text!(
                "write another address, as 127.0.0.1:8080",
                "écrire une autre adresse, comme 127.0.0.1:8080"
            ),
        };
        Self::new(Exit::Refused, "listen", message).hint(hint)
    }
}

impl From<Refusal> for Failure {
    fn from(e: Refusal) -> Self {
        match e {
            Refusal::Store(e) => e.into(),
            Refusal::NotFound(no) => Self::new(
                Exit::NotFound,
                "not_found",
                text!("there is no mail {no}", "il n’y a pas de courriel {no}"),
            )
            .hint(text!(
                "`jetond outbox list --all` shows the numbers",
                "`jetond outbox list --all` affiche les numéros"
            )),
            Refusal::State(no, state) => {
                let Text { en, fr } = word(state);
                Self::new(
                    Exit::Refused,
                    "mail_state",
                    text!(
                        "mail {no} is {en}: nothing to do about it",
                        "le courriel {no} est dans l’état « {fr} » : rien à y faire"
                    ),
                )
            }
            Refusal::Forgotten(no) => Self::new(
                Exit::Refused,
                "forgotten",
                text!(
                    "the recipient of mail {no} was forgotten: nobody knows where to send it",
                    "le destinataire du courriel {no} a été oublié : nul ne sait plus où l’envoyer"
                ),
            ),
            Refusal::NothingOwed(no) => Self::new(
                Exit::Refused,
                "nothing_owed",
                text!(
                    "nothing of mail {no} is owed any more: a later reminder, a renewal or a removal came after it",
                    "plus rien du courriel {no} n’est dû : un rappel ultérieur, un renouvellement ou un retrait l’a suivi"
                ),
            ),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        let mut failure = Self::new(
            Exit::Unexpected,
            "output",
            text!(
                "the output cannot be written: {e}",
                "la sortie ne peut pas être écrite : {e}"
            ),
        );
        failure.closed_stream = e.kind() == std::io::ErrorKind::BrokenPipe;
        failure
    }
}
