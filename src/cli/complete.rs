//! `complete`, hidden: what can follow an unfinished command line, for the shells' scripts.
//!
//! Token ids and mail numbers come from the store that the config names, else from the config.
//! It makes no file, says nothing when it knows nothing, and always ends well.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::cli::completions::Shell;
use crate::cli::explain_code::known_codes;
use crate::cli::usage::Wishes;
use crate::cli::{Cli, Context, Exit, Failure, file_or_default};
use crate::config;
use crate::domain::language::Lang;
use crate::store::Store;
use crate::store::mailbook::Which;
use crate::words::mail::word;

/// Mails proposed at most.
const MAILS: i64 = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    shell: Shell,
    /// The words up to the cursor, from the program's name on; the last one is unfinished
    #[arg(last = true)]
    words: Vec<OsString>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let (words, cut) = match args.shell {
        Shell::Bash => joined(&args.words),
        Shell::Zsh | Shell::Fish => (args.words.clone(), 0),
    };
    let file = file_or_default(Wishes::of(&words).file.as_ref());
    for candidate in candidates(words, file, context.out.lang) {
        let value = candidate.get_value().to_string_lossy();
        let help = candidate.get_help().map(ToString::to_string);
        let help = help.as_deref().and_then(|h| h.lines().next());
        if let Some(line) = line(args.shell, &value, help, cut) {
            context.out.line(&line)?;
        }
    }
    Ok(Exit::Done)
}

/// What can stand in place of the last word. Options are proposed where nothing else is, or
/// when a dash asks for them.
fn candidates(words: Vec<OsString>, file: Option<PathBuf>, lang: Lang) -> Vec<CompletionCandidate> {
    let Some(last) = words.len().checked_sub(1) else {
        return Vec::new();
    };
    let asks = words[last].as_encoded_bytes().starts_with(b"-");
    let mut command = with_names(Cli::command(), file.as_ref(), lang);
    let here = std::env::current_dir().ok();
    let Ok(mut found) = clap_complete::engine::complete(&mut command, words, last, here.as_deref())
    else {
        return Vec::new();
    };
    let is_option = |c: &CompletionCandidate| c.get_value().as_encoded_bytes().starts_with(b"-");
    if !asks && !found.iter().all(is_option) {
        found.retain(|c| !is_option(c));
    }
    found
}

/// Completes the arguments that name a token, a mail or a code, told by the names of their values.
fn with_names(command: clap::Command, file: Option<&PathBuf>, lang: Lang) -> clap::Command {
    command
        .mut_args(|arg| {
            let name = arg.get_value_names().map(|names| names[0].to_string());
            let id = arg.get_id().as_str().to_uppercase();
            let file = file.cloned();
            match name.as_deref().unwrap_or(&id) {
                "ID" | "OLD" | "NEW" => arg.add(ArgValueCompleter::new(move |start: &OsStr| {
                    let tokens = file.as_deref().map(|file| tokens(file, start));
                    beginning(start, tokens.unwrap_or_default())
                })),
                "NUMBER" => arg.add(ArgValueCompleter::new(move |start: &OsStr| {
                    let numbers = file.as_deref().map(numbers);
                    beginning(start, numbers.unwrap_or_default())
                })),
                "MAIL" | "MAILS" => arg.add(ArgValueCompleter::new(move |start: &OsStr| {
                    let mails = file.as_deref().map(|file| mails(file, lang));
                    beginning(start, mails.unwrap_or_default())
                })),
                "CODE" => arg.add(ArgValueCompleter::new(move |start: &OsStr| {
                    beginning(start, known_codes(lang))
                })),
                _ => arg,
            }
        })
        .mut_subcommands(|sub| with_names(sub, file, lang))
}

/// Those names, each with a word on it, that begin so.
fn beginning(start: &OsStr, names: Vec<(String, String)>) -> Vec<CompletionCandidate> {
    let start = start.as_encoded_bytes();
    names
        .into_iter()
        .filter(|(name, _)| name.as_bytes().starts_with(start))
        .map(|(name, word)| {
            CompletionCandidate::new(name).help((!word.is_empty()).then(|| word.into()))
        })
        .collect()
}

/// The ids of the tokens with their names: those on record, or without a record the file's.
fn tokens(file: &Path, start: &OsStr) -> Vec<(String, String)> {
    let Some(seen) = config::glance(file) else {
        return Vec::new();
    };
    let start = start.to_string_lossy();
    let on_record = in_store(&seen, async |store| store.names_of_tokens(&start).await);
    on_record.unwrap_or(seen.tokens)
}

/// The numbers of which Data Pass spoke, each with the tokens that have it.
fn numbers(file: &Path) -> Vec<(String, String)> {
    let Some(seen) = config::glance(file) else {
        return Vec::new();
    };
    let requests = in_store(&seen, async |store| store.webhook_requests().await);
    let named = requests.unwrap_or_default().into_iter();
    named.map(|r| (r.number, r.tokens.join(", "))).collect()
}

/// The numbers of the mails that are not settled, with whom they are for and their state.
fn mails(file: &Path, lang: Lang) -> Vec<(String, String)> {
    let Some(seen) = config::glance(file) else {
        return Vec::new();
    };
    let mails = in_store(&seen, async |store| {
        store.mails(Which::Unfinished, MAILS).await
    });
    mails
        .unwrap_or_default()
        .into_iter()
        .map(|m| {
            let word = word(m.state);
            let said = format!("{}, {}", m.address, word.in_lang(lang));
            (m.no.to_string(), said)
        })
        .collect()
}

/// An answer of the store, if there is one that can be read.
fn in_store<T>(
    seen: &config::Glance,
    ask: impl AsyncFnOnce(&Store) -> crate::store::Result<T>,
) -> Option<T> {
    let answer = async {
        let store = Store::open_to_read(&seen.store).await.ok()?;
        let answer = ask(&store).await.ok();
        store.close().await;
        answer
    };
    block_in_place(|| Handle::current().block_on(answer))
}

/// Bash cuts words at `=` and `:`: joins them again, and tells how many bytes of the last one
/// it already counts as done.
fn joined(words: &[OsString]) -> (Vec<OsString>, usize) {
    let is_cut = |w: &OsString| {
        let bytes = w.as_encoded_bytes();
        !bytes.is_empty() && bytes.iter().all(|b| matches!(b, b'=' | b':'))
    };
    let (mut whole, mut cut): (Vec<OsString>, usize) = (Vec::new(), 0);
    let mut open = false;
    for word in words {
        let cuts = is_cut(word);
        match whole.last_mut() {
            Some(before) if open || cuts => {
                cut = if cuts {
                    before.len() + word.len()
                } else {
                    before.len()
                };
                before.push(word);
            }
            _ => {
                cut = 0;
                whole.push(word.clone());
            }
        }
        open = cuts;
    }
    (whole, cut)
}

/// A candidate as the shell's script expects it; none when it cannot stand there.
fn line(shell: Shell, value: &str, help: Option<&str>, cut: usize) -> Option<String> {
    Some(match (shell, help) {
        (Shell::Bash, _) => value.get(cut..)?.to_owned(),
        (Shell::Fish, Some(help)) => format!("{value}\t{help}"),
        (Shell::Zsh, Some(help)) => format!("{}:{help}", escaped(value)),
        (Shell::Zsh, None) => escaped(value),
        (Shell::Fish, None) => value.to_owned(),
    })
}

/// For zsh, where a colon ends the value.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace(':', "\\:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn what_bash_has_cut_is_joined_again() {
        for (cut, whole, done) in [
            (
                &["jetond", "show", "ma"][..],
                &["jetond", "show", "ma"][..],
                0,
            ),
            (
                &["jetond", "preview", "--format", "=", "ht"],
                &["jetond", "preview", "--format=ht"],
                9,
            ),
            (
                &["jetond", "preview", "--format", "="],
                &["jetond", "preview", "--format="],
                9,
            ),
            (
                &["jetond", "show", "a", ":", "b"],
                &["jetond", "show", "a:b"],
                2,
            ),
            (
                &["jetond", "--lang", "=", "fr", "show", ""],
                &["jetond", "--lang=fr", "show", ""],
                0,
            ),
        ] {
            assert_eq!(joined(&words(cut)), (words(whole), done));
        }
    }

    #[test]
    fn each_shell_gets_its_form() {
        let said = |shell, cut| line(shell, "a:b", Some("A: b"), cut);
        assert_eq!(said(Shell::Bash, 0).unwrap(), "a:b");
        assert_eq!(said(Shell::Bash, 2).unwrap(), "b");
        assert_eq!(said(Shell::Fish, 0).unwrap(), "a:b\tA: b");
        assert_eq!(said(Shell::Zsh, 0).unwrap(), "a\\:b:A: b");
    }
}
