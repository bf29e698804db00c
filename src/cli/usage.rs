//! A command line that cannot be understood: what is wrong with it, in both languages.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::Failure;
use crate::config;
use crate::domain::language::{Lang, Text, looks_like_jwt, text};

/// What was wished for on a command line that clap refused.
pub(super) struct Wishes {
    pub(super) json: bool,
    /// The answer goes to a monitor, which takes one form only.
    pub(super) monitor: bool,
    pub(super) lang: Option<Lang>,
    pub(super) file: Option<PathBuf>,
}

impl Wishes {
    /// Looks for the options of every command; what comes after `--` is none.
    pub(super) fn of(args: &[OsString]) -> Self {
        let mut wishes = Self {
            json: false,
            monitor: false,
            lang: None,
            file: None,
        };
        let mut args = args.iter().skip(1).take_while(|a| *a != "--");
        while let Some(arg) = args.next() {
            let Some(arg) = arg.to_str() else { continue };
            match arg.split_once('=').unwrap_or((arg, "")) {
                ("--json", _) => wishes.json = true,
                ("--nagios", _) => wishes.monitor = true,
                ("--lang", "") => wishes.lang = args.next().and_then(|l| lang(l.to_str()?)),
                ("--lang", written) => wishes.lang = lang(written),
                ("-c" | "--config", "") => wishes.file = args.next().map(PathBuf::from),
                ("-c" | "--config", written) => wishes.file = Some(written.into()),
                _ => {}
            }
        }
        wishes
    }

    /// The language that the config asks for.
    pub(super) fn lang_of_config(&self) -> Option<Lang> {
        config::language_of(&super::file_or_default(self.file.as_ref())?)
    }
}

fn lang(written: &str) -> Option<Lang> {
    Lang::parse(written).ok()
}

/// The failure that clap's error is.
pub(super) fn failure(e: &clap::Error) -> Failure {
    let about = |kind| shown(&e.get(kind).map(ToString::to_string).unwrap_or_default());
    let (arg, value) = (
        about(ContextKind::InvalidArg),
        about(ContextKind::InvalidValue).escape_debug().to_string(),
    );
    let message = match e.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = about(ContextKind::InvalidSubcommand)
                .escape_debug()
                .to_string();
            text!(
                "there is no command `{name}`",
                "il n’y a pas de commande `{name}`"
            )
        }
        ErrorKind::UnknownArgument => {
            let arg = arg.escape_debug();
            text!(
                "`{arg}` is not expected here",
                "`{arg}` n’est pas attendu ici"
            )
        }
        ErrorKind::MissingRequiredArgument => text!("{arg} is missing", "il manque {arg}"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            text!("a command is missing", "il manque une commande")
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            text!("{arg} needs a value", "{arg} demande une valeur")
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => text!(
            "`{value}` does not suit {arg}",
            "`{value}` ne convient pas à {arg}"
        ),
        ErrorKind::ArgumentConflict => text!(
            "{arg} is given twice, or together with what excludes it",
            "{arg} est donné deux fois, ou avec ce qui l’exclut"
        ),
        ErrorKind::InvalidUtf8 => text!(
            "an argument is not UTF-8 text",
            "un argument n’est pas du texte UTF-8"
        ),
        _ => text!(
            "the command line is wrong",
            "la ligne de commande est incorrecte"
        ),
    };
    Failure::usage(message).hint(hint(e))
}

/// What was written, unless it looks like a token itself.
fn shown(written: &str) -> String {
    if looks_like_jwt(written) {
        "***".to_owned()
    } else {
        written.to_owned()
    }
}

/// What to write instead: the nearest word or the words that are possible, else the usage.
fn hint(e: &clap::Error) -> Text {
    let near = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
    ];
    if let Some(near) = near.into_iter().find_map(|kind| first(e.get(kind)?)) {
        return text!("did you mean `{near}`?", "vouliez-vous dire `{near}` ?");
    }
    if let Some(ContextValue::Strings(valid)) = e.get(ContextKind::ValidValue)
        && !valid.is_empty()
    {
        let valid = valid.join(", ");
        return text!("possible values: {valid}", "valeurs possibles : {valid}");
    }
    let about = e.get(ContextKind::InvalidArg).map(ToString::to_string);
    if about.is_some_and(|arg| arg.contains("--nagios-max-age")) {
        return text!("write it as 26h, 90min or 2d", "l’écrire 26h, 90min ou 2d");
    }
    if e.kind() == ErrorKind::ValueValidation {
        return text!("it takes a whole number", "il y faut un nombre entier");
    }
    let usage = e.get(ContextKind::Usage).map(ToString::to_string);
    let usage = usage.unwrap_or_default();
    let usage = usage.trim_start_matches("Usage:").trim();
    if usage.is_empty() {
        text!(
            "`jetond help` lists the commands",
            "`jetond help` donne les commandes"
        )
    } else {
        text!("write `{usage}`", "écrire `{usage}`")
    }
}

fn first(value: &ContextValue) -> Option<String> {
    match value {
        ContextValue::String(one) => Some(one.clone()),
        ContextValue::Strings(several) => several.first().cloned(),
        _ => None,
    }
}
