//! What the benchmarks share: configurations of any size, medians, small tables; and, in files of
//! their own, Postfix's tools, what stands between two programs, and the whole path of due mails.

pub(crate) mod backlog;
pub(crate) mod between;
pub(crate) mod postfix;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use tempfile::TempDir;

/// The release binary of this checkout.
pub(crate) const JETOND: &str = env!("CARGO_BIN_EXE_jetond");

/// A configuration without tokens; `mail` is the `[mail]` part.
pub(crate) fn head(mail: &str) -> String {
    format!(
        "timezone = \"Europe/Paris\"\n\
         organisation = \"Ville d'Exemple\"\n\
         contact = \"dsi@ville.example\"\n\
         [store]\nurl = \"sqlite:jetond.db\"\n\
         [schedule]\nwindow = \"00:00-24:00\"\n\
         [mail]\nfrom = \"Veille des jetons <jetons@ville.example>\"\n{mail}\n\
         [renewal]\n\
         url = \"https://datapass.api.gouv.fr/demandes/{{datapass_id}}/reopen-from-external\"\n\
         allowed_hosts = [\"datapass.api.gouv.fr\"]\n"
    )
}

/// The `[mail]` part that writes files.
pub(crate) const TO_FILES: &str = "transport = \"file\"\ndirectory = \"outbox\"";

/// Appends one token.
pub(crate) fn token(text: &mut String, id: &str, issued: NaiveDate, recipients: &[String]) {
    let n: usize = id.bytes().map(usize::from).sum();
    let _ = write!(
        text,
        "[[token]]\nid = \"{id}\"\nname = \"Jeton {id}\"\nissued = {issued}\n\
         datapass_id = \"{}\"\nrecipients = {recipients:?}\n",
        10_000 + n
    );
}

/// An address of a pool.
pub(crate) fn person(n: usize) -> String {
    format!("personne.{n}@agence-{}.example", n % 97)
}

/// A date.
pub(crate) fn date(written: &str) -> NaiveDate {
    written.parse().expect("a date")
}

/// A directory with this configuration in it.
pub(crate) fn place(text: &str) -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let file = place.path().join("config.toml");
    std::fs::write(&file, text).expect("a configuration file");
    (place, file)
}

/// Runs the binary on a configuration and tells how long it took.
pub(crate) fn jetond(file: &Path, arguments: &[&str]) -> Duration {
    let started = Instant::now();
    let status = Command::new(JETOND)
        .arg("--config")
        .arg(file)
        .args(arguments)
        .env("RUST_LOG", "off")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the binary starts");
    assert!(status.success(), "jetond {arguments:?}: {status}");
    started.elapsed()
}

/// A process that does not outlive its owner.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// A figure of `/proc/PID/status`, in kB; `None` once the process has ended.
pub(crate) fn kilobytes(process: u32, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// How long something takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed(), result)
}

/// The middle one.
pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

/// How many a second.
pub(crate) fn rate(count: u32, time: Duration) -> f64 {
    f64::from(count) / time.as_secs_f64()
}

/// Milliseconds, for tables.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// How many times as long, for tables.
pub(crate) fn ratio(a: Duration, b: Duration) -> String {
    format!("{:.2}", a.as_secs_f64() / b.as_secs_f64())
}
