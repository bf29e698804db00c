//! `man`: the manual, made from the command line's own definitions and the catalogue of keys.
//!
//! Section 1 is English, as `--help` is; the page on the config exists in both languages.

mod commands;
mod config;
mod page;

use std::path::{Path, PathBuf};

use chrono::DateTime;
use serde_json::json;

use crate::cli::man::page::Page;
use crate::cli::{Context, Exit, Failure};
use crate::domain::language::{Lang, text};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The page to print: a command, as `list` or `outbox-list`, or `config` for the config file
    #[arg(default_value = "jetond")]
    page: String,
    /// Write every page below DIR, as man(1) expects them: man1, man5, fr/man5
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let pages = all();
    match &args.out {
        Some(directory) => write(&pages, directory, context),
        None => print(&pages, &args.page, context),
    }
}

/// Every page.
fn all() -> Vec<Page> {
    let date = date();
    let mut pages = commands::pages(&date);
    pages.extend([Lang::En, Lang::Fr].map(|lang| config::page(lang, &date)));
    pages
}

fn print(pages: &[Page], wanted: &str, context: &mut Context) -> Result<Exit, Failure> {
    let lang = context.out.lang;
    let page = pages
        .iter()
        .filter(|p| p.is_called(wanted))
        .max_by_key(|p| p.lang == lang)
        .ok_or_else(|| no_such_page(pages, wanted))?;
    if context.out.json {
        let row = json!({"page": page.file(), "text": page.text});
        context.out.data("man", vec![row])?;
    } else {
        context.out.bytes(page.text.as_bytes())?;
    }
    Ok(Exit::Done)
}

fn write(pages: &[Page], directory: &Path, context: &mut Context) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for page in pages {
        let file = directory.join(page.path());
        let failed = |e: std::io::Error| Failure::cannot_write(&file, &e);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        std::fs::write(&file, &page.text).map_err(failed)?;
        rows.push(json!({"file": file}));
    }
    if context.out.json {
        context.out.data("man", rows)?;
        return Ok(Exit::Done);
    }
    let (written, shown) = (rows.len(), directory.display());
    context.out.say(&text!(
        "{written} pages written; `man -M {shown} jetond` shows the first",
        "{written} pages écrites ; `man -M {shown} jetond` affiche la première"
    ))?;
    Ok(Exit::Done)
}

fn no_such_page(pages: &[Page], wanted: &str) -> Failure {
    let wanted = wanted.escape_debug();
    let known: Vec<&str> = pages
        .iter()
        .filter(|p| p.lang == Lang::En)
        .map(Page::short)
        .collect();
    let known = known.join(", ");
    Failure::new(
        Exit::NotFound,
        "not_found",
        text!(
            "there is no manual page `{wanted}`",
            "il n’y a pas de page de manuel `{wanted}`"
        ),
    )
    .hint(text!("the pages: {known}", "les pages : {known}"))
}

/// The date that `SOURCE_DATE_EPOCH` asks for, so that a package can be built twice alike;
/// none without it, because the program does not know when it was written.
fn date() -> String {
    std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds.parse().ok()?, 0))
        .map(|at| at.format("%Y-%m-%d").to_string())
        .unwrap_or_default()
}
