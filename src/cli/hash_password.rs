//! `hash-password`: what `[web.auth]` keeps of a password. The password itself is shown nowhere
//! and stays in memory that is wiped.
//!
//! At a terminal it is typed twice, unseen; from a pipe it is the one line that comes.

use std::io::{self, IsTerminal as _};

use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::unseen::{Typed, Unseen};
use crate::cli::{Context, Exit, Failure, secret_input};
use crate::domain::language::{Text, looks_like_jwt, text};
use crate::domain::password::{PasswordHash, SALT};

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let password = if io::stdin().is_terminal() {
        typed(context)?
    } else {
        piped(context)?
    };
    if looks_like_jwt(&password) {
        return Err(refused(
            "token",
            text!(
                "this is the text of a token: take a password of its own",
                "ceci est le texte d’un jeton : prendre un mot de passe à part"
            ),
        ));
    }
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|e| Failure::unexpected(&e.to_string()))?;
    let hash =
        PasswordHash::make(&password, salt).map_err(|why| refused("weak_password", why.0))?;
    if context.out.json {
        let row = json!({"hash": hash.as_str()});
        context.out.data("hash-password", vec![row])?;
        return Ok(Exit::Done);
    }
    context.out.line(hash.as_str())?;
    context.out.note(&text!(
        "in the config: [web.auth] users = [{{ name = \"…\", password = \"the line above\", role = \"operator\" }}]",
        "dans la configuration : [web.auth] users = [{{ name = \"…\", password = \"la ligne ci-dessus\", role = \"operator\" }}]"
    ));
    Ok(Exit::Done)
}

fn refused(code: &'static str, said: Text) -> Failure {
    Failure::new(Exit::Refused, code, said)
}

/// Twice from the terminal.
fn typed(context: &Context) -> Result<Zeroizing<String>, Failure> {
    let mut unseen = Unseen::begin().map_err(|e| {
        refused(
            "no_terminal",
            text!(
                "the terminal cannot be kept from showing what is typed: {e}",
                "impossible de masquer la saisie dans ce terminal : {e}"
            ),
        )
    })?;
    let mut ask = |question: Text| {
        context.out.ask(&question);
        let line = unseen.line();
        context.out.note(&text!("", ""));
        match line {
            Ok(Typed::Line(line)) => Ok(line),
            Ok(Typed::LeftOff) | Err(_) => Err(refused(
                "unanswered",
                text!("no password was given", "aucun mot de passe n’a été donné"),
            )),
        }
    };
    let first = ask(text!("Password: ", "Mot de passe : "))?;
    let second = ask(text!("Once more: ", "Encore une fois : "))?;
    if first == second {
        Ok(first)
    } else {
        Err(refused(
            "passwords_differ",
            text!(
                "the two passwords differ",
                "les deux mots de passe diffèrent"
            ),
        ))
    }
}

/// One line from standard input.
fn piped(context: &Context) -> Result<Zeroizing<String>, Failure> {
    let bytes = secret_input::read("-".as_ref(), context)?;
    let no_line = || {
        refused(
            "no_password",
            text!(
                "standard input must hold one line of text: the password",
                "l’entrée standard doit contenir une seule ligne de texte : le mot de passe"
            ),
        )
    };
    let whole = std::str::from_utf8(&bytes).map_err(|_| no_line())?;
    let line = whole.strip_suffix('\n').unwrap_or(whole);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(char::is_control) {
        return Err(no_line());
    }
    Ok(Zeroizing::new(line.to_owned()))
}
