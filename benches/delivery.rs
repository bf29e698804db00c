//! The whole way of real mails: `run --once` to files and over SMTP to Postfix's `smtp-sink`,
//! beside Postfix's own load generator `smtp-source`; and the memory of the daemon.
//!
//! The two come from Debian's package postfix, unpacked by `tests/debian.sh`; without it only
//! files and memory are measured.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "another benchmark uses the rest")]
mod support;

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::{JETOND, TO_FILES, head, jetond, median, ms, place, timed, token};

const MAILS: usize = 500;
const TIMES: usize = 5;

fn main() {
    let (size, files) = to_files();
    println!("{MAILS} mails of {size} bytes, one recipient each; medians of {TIMES}");
    println!("| way | connections | ms | mails/s | of smtp-source |\n|---|---|---|---|---|");
    println!(
        "| `run --once`, files | | {} | {:.0} | |",
        ms(files),
        per_second(files)
    );
    if let Some(postfix) = Postfix::unpacked() {
        for connections in [1, 8] {
            over_smtp(&postfix, connections, size);
        }
    }
    println!("\n| `run`, after 5 s | VmHWM, kB | VmRSS, kB |\n|---|---|---|");
    for tokens in [1, 10_000] {
        let [peak, now] = memory(tokens);
        println!("| {tokens} tokens, nothing due | {peak} | {now} |");
    }
}

fn per_second(time: Duration) -> f64 {
    f64::from(u32::try_from(MAILS).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

/// One reminder for each of so many tokens is due now, or none.
fn config(mail: &str, tokens: usize, months_ago: u32) -> String {
    let mut text = head(mail);
    let today = jetond::clock::now().date_naive();
    let issued = today - chrono::Months::new(months_ago);
    for n in 0..tokens {
        let recipient = [format!("personne.{n}@ville.example")];
        token(&mut text, &format!("jeton-{n}"), issued, &recipient);
    }
    text
}

/// The mean size of a mail, and the time for all of them.
fn to_files() -> (u64, Duration) {
    let (mut times, mut size) = (Vec::new(), 0);
    for _ in 0..TIMES {
        let (place, file) = place(&config(TO_FILES, MAILS, 17));
        times.push(jetond(&file, &["run", "--once"]));
        let written: Vec<u64> = std::fs::read_dir(place.path().join("outbox"))
            .expect("the mails")
            .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
            .collect();
        assert_eq!(written.len(), MAILS);
        size = written.iter().sum::<u64>() / u64::try_from(MAILS).unwrap_or(1);
    }
    (size, median(&times))
}

fn over_smtp(postfix: &Postfix, connections: usize, size: u64) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let sink = postfix.sink();
        let mail = format!(
            "transport = \"smtp\"\n[mail.smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
             connections = {connections}",
            sink.port
        );
        let (_place, file) = place(&config(&mail, MAILS, 17));
        ours.push(jetond(&file, &["run", "--once"]));
        let source = || {
            let status = postfix
                .command("smtp-source")
                .args([
                    "-d",
                    "-s",
                    &connections.to_string(),
                    "-m",
                    &MAILS.to_string(),
                ])
                .args([
                    "-l",
                    &size.to_string(),
                    "-f",
                    "a@ville.example",
                    "-t",
                    "b@ville.example",
                ])
                .arg(format!("inet:127.0.0.1:{}", sink.port))
                .status();
            assert!(status.is_ok_and(|s| s.success()), "smtp-source");
        };
        theirs.push(timed(source).0);
    }
    let (ours, theirs) = (median(&ours), median(&theirs));
    let of = theirs.as_secs_f64() / ours.as_secs_f64();
    let (a, b) = (per_second(ours), per_second(theirs));
    println!(
        "| `run --once`, SMTP | {connections} | {} | {a:.0} | {of:.3} |",
        ms(ours)
    );
    println!(
        "| smtp-source -d | {connections} | {} | {b:.0} | 1 |",
        ms(theirs)
    );
}

/// The peak and the present resident memory of a running daemon.
fn memory(tokens: usize) -> [String; 2] {
    let (_place, file) = place(&config(TO_FILES, tokens, 1));
    let mut daemon = Running(
        Command::new(JETOND)
            .arg("--config")
            .arg(&file)
            .arg("run")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts"),
    );
    std::thread::sleep(Duration::from_secs(5));
    assert!(
        daemon.0.try_wait().is_ok_and(|ended| ended.is_none()),
        "the daemon ended"
    );
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id()));
    let status = status.expect("Linux's /proc");
    ["VmHWM:", "VmRSS:"].map(|key| {
        let line = status.lines().find_map(|l| l.strip_prefix(key));
        line.unwrap_or_default().replace("kB", "").trim().to_owned()
    })
}

/// A process that does not outlive its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Where Postfix was unpacked.
struct Postfix(PathBuf);

struct Sink {
    port: u16,
    _process: Running,
}

impl Postfix {
    fn unpacked() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/debian.sh");
        let output = Command::new(script).arg("postfix").output().ok()?;
        let root = String::from_utf8(output.stdout).ok()?;
        output
            .status
            .success()
            .then(|| Self(PathBuf::from(root.trim())))
    }

    fn command(&self, program: &str) -> Command {
        let libraries = ["usr/lib/postfix", "usr/lib/x86_64-linux-gnu"].map(|d| self.0.join(d));
        let mut command = Command::new(self.0.join("usr/sbin").join(program));
        command
            .env(
                "LD_LIBRARY_PATH",
                std::env::join_paths(libraries).expect("paths"),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn sink(&self) -> Sink {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        let mut sink = self.command("smtp-sink");
        // It refuses to run as root.
        if std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
            sink.args(["-u", "nobody"]);
        }
        let process = sink
            .arg(format!("inet:127.0.0.1:{port}"))
            .arg("512")
            .spawn()
            .expect("smtp-sink starts");
        let mut process = Running(process);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = process.0.try_wait().expect("a process of ours");
            assert!(ended.is_none(), "smtp-sink ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        Sink {
            port,
            _process: process,
        }
    }
}
