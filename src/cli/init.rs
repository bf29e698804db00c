//! `init`: a commented config to start from.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::{Context, Exit, Failure};
use crate::domain::language::text;

use crate::config::EXAMPLE;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write config.toml
    #[arg(default_value = ".")]
    dir: PathBuf,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let file = args.dir.join("config.toml");
    let shown = file.display();
    let failed = |e: std::io::Error| Failure::cannot_write(&file, &e);
    std::fs::create_dir_all(&args.dir).map_err(failed)?;
    let mut new = match OpenOptions::new().write(true).create_new(true).open(&file) {
        Ok(new) => new,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            let words = text!(
                "{shown} exists already; it was left as it is",
                "{shown} existe déjà ; il est resté tel quel"
            );
            return Err(Failure::new(Exit::Refused, "exists", words).hint(text!(
                "give another directory: `jetond init DIR`",
                "donner un autre dossier : `jetond init DOSSIER`"
            )));
        }
        Err(e) => return Err(failed(e)),
    };
    new.write_all(EXAMPLE.as_bytes())
        .and_then(|()| new.sync_all())
        .map_err(failed)?;
    if context.out.json {
        context.out.data("init", vec![json!({"file": file})])?;
        return Ok(Exit::Done);
    }
    let config = if args.dir.as_os_str() == "." {
        String::new()
    } else {
        format!(" -c {shown}")
    };
    context.out.say(&text!(
        "{shown} written. Next:\n  1. put your tokens and addresses into it\n  2. jetond{config} check       says what is wrong\n  3. jetond{config} simulate    shows every mail in advance\n  4. jetond{config} run         starts the watch",
        "{shown} écrit. Ensuite :\n  1. y mettre vos jetons et vos adresses\n  2. jetond{config} check       dit ce qui ne va pas\n  3. jetond{config} simulate    montre d’avance chaque courriel\n  4. jetond{config} run         démarre la veille"
    ))?;
    Ok(Exit::Done)
}
