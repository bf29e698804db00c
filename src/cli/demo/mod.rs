//! `demo`: a token's whole life in seconds, through the real functions; then the real daemon on
//! samples dated around today.
//!
//! Everything lies in one directory of its own, as files that a person can open; a directory
//! that the demo did not make is never touched.

mod life;
mod samples;

use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::output::Out;
use crate::cli::{Context, Exit, Failure};
use crate::domain::language::{Text, text};

/// The directory, in the current one, unless the person names another.
const DIRECTORY: &str = "jetond-demo";

/// What tells a directory of the demo from any other.
const MARK: &str = ".jetond-demo";

/// Between two lines on a terminal, so that a person can follow.
const BREATH: Duration = Duration::from_millis(400);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// After the life, one pass over the samples instead of the daemon
    #[arg(long)]
    once: bool,
    /// Where its files go; made anew each time
    #[arg(long, value_name = "DIR", default_value = DIRECTORY)]
    dir: PathBuf,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    prepare(&args.dir)?;
    let mut stage = Stage {
        out: &mut context.out,
        paced: std::io::stdout().is_terminal(),
    };
    let missing = life::play(&args.dir.join("life"), &mut stage).await?;
    if missing > 0 {
        return Ok(Exit::NotDelivered);
    }
    samples::show(&args.dir.join("samples"), args.once, &mut stage).await
}

/// Where the demo speaks: line by line, at a pace that can be followed on a terminal. With
/// `--json` the lines are words, and go to stderr.
struct Stage<'a> {
    out: &'a mut Out,
    paced: bool,
}

impl Stage<'_> {
    async fn say(&mut self, text: &Text) -> Result<(), Failure> {
        self.say_at_once(text)?;
        if self.paced && !self.out.json {
            tokio::time::sleep(BREATH).await;
        }
        Ok(())
    }

    fn say_at_once(&mut self, text: &Text) -> Result<(), Failure> {
        if self.out.json {
            self.out.note(text);
            return Ok(());
        }
        self.out.say(text)?;
        self.out.flush()?;
        Ok(())
    }
}

/// Makes the directory anew; one that the demo did not make is refused.
fn prepare(dir: &Path) -> Result<(), Failure> {
    let shown = dir.display();
    let failed = |e: std::io::Error| Failure::cannot_write(dir, &e);
    let is_empty = |dir: &Path| fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if dir.exists() && !dir.join(MARK).exists() && !is_empty(dir) {
        let words = text!(
            "{shown} exists and was not made by the demo; it was left as it is",
            "{shown} existe et n’a pas été créé par la démonstration ; il est resté tel quel"
        );
        return Err(Failure::new(Exit::Refused, "exists", words).hint(text!(
            "give another directory: `jetond demo --dir DIR`",
            "donner un autre dossier : `jetond demo --dir DOSSIER`"
        )));
    }
    fs::create_dir_all(dir).map_err(failed)?;
    fs::write(
        dir.join(MARK),
        "made by `jetond demo`; removed and made anew each time\n",
    )
    .map_err(failed)?;
    for part in ["life", "samples"] {
        match fs::remove_dir_all(dir.join(part)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => fs::create_dir_all(dir.join(part)).map_err(failed)?,
        }
    }
    Ok(())
}

/// Writes a config and takes it as a person's file would be taken.
fn write_config(
    dir: &Path,
    toml: &str,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<crate::config::Config, Failure> {
    let file = dir.join("config.toml");
    fs::write(&file, toml).map_err(|e| Failure::cannot_write(&file, &e))?;
    crate::config::load(&file, &crate::config::Surroundings { now })
        .map(|loaded| loaded.config)
        .map_err(|rejected| Failure::unexpected(&rejected.to_string()))
}
