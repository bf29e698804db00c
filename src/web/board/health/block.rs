//! The block for a support request: plain text in English, whatever language the page is in, for
//! those who read it elsewhere.

use std::fmt::Write as _;
use std::fs;

use chrono::{DateTime, Utc};

use crate::config::Origin;
use crate::domain::address::mask_addresses;
use crate::domain::language::{Text, text, without_jwts};
use crate::domain::timekeeping;
use crate::health::Checkup;
use crate::meter::{Ended, Mark};
use crate::web::board::Ask;
use crate::web::board::health::Known;
use crate::words::when;

/// Everything, a fact a line.
pub(super) fn block(known: &Known, checkup: Option<&Checkup>, ask: &Ask) -> String {
    let mut text = String::new();
    let mut line = |name: &str, said: &str| {
        let _ = writeln!(text, "{name:<14} {said}");
    };
    let moment = |at: DateTime<Utc>| when::rfc3339(at, ask.calendar());
    let known_at = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), moment);
    line("jetond", env!("CARGO_PKG_VERSION"));
    line("system", &system());
    let about = &known.about;
    let store = ask.site.reader.path();
    line(
        "sqlite",
        &format!("{}, schema {}", about.sqlite, about.schema),
    );
    line(
        "store",
        &store.map_or_else(|| "in memory".to_owned(), |p| p.display().to_string()),
    );
    line(
        "size",
        &format!(
            "{}, {} of it free, log {}, disk {} left",
            bytes(about.bytes),
            bytes(about.free),
            bytes(about.log),
            known.room.map_or_else(|| "?".to_owned(), bytes),
        ),
    );
    line("rows", &counts(&about.rows));
    line("now", &moment(ask.now));
    line("zone", ask.calendar().tz.name());
    line("looked", &known_at(checkup.map(|c| c.at)));
    line("last pass", &known_at(known.clock.last_pass));
    let meter = &ask.site.meter;
    let mark = |of: Option<Mark>| {
        of.map_or_else(
            || "-".to_owned(),
            |mark| match mark.ended {
                Ended::Well => moment(mark.at),
                Ended::Badly => format!("{}, failed", moment(mark.at)),
            },
        )
    };
    line("last reload", &mark(meter.last_reload()));
    line("heartbeat", &mark(meter.last_heartbeat()));
    line("clock mark", &known_at(known.clock.mark));
    let hold = known
        .clock
        .ahead
        .or_else(|| timekeeping::behind(known.clock.mark, ask.now));
    line("clock held", hold.map_or("no", |h| h.word()));
    line("last accepted", &known_at(known.accepted));
    line("next due", &known_at(known.next_due));
    line("next mail", &known_at(known.next_mail));
    let open: Vec<(&str, u32)> = known.open.iter().map(|(s, n)| (s.word(), *n)).collect();
    line("open mails", &counts(&open));
    line("unreachable", &known.unreachable.len().to_string());
    let relay = known.relay.as_ref();
    line(
        "relay",
        &relay.map_or_else(
            || "no trouble".to_owned(),
            |(since, why)| format!("failing since {}: {why}", moment(*since)),
        ),
    );
    if known.has_asked() {
        let service = &known.service;
        line(
            "api",
            &service.incident.map_or_else(
                || format!("no incident, heard {}", known_at(service.seen_at)),
                |i| {
                    let (side, [since, seen]) = (i.side.word(), [i.since, i.seen_at].map(moment));
                    format!("{side} since {since}, seen {seen}")
                },
            ),
        );
        line("asked about", &known.heard.len().to_string());
    }
    let vitals = checkup.and_then(|c| c.vitals.as_ref());
    line(
        "uncovered",
        &vitals.map_or_else(|| "?".to_owned(), |v| v.uncovered.len().to_string()),
    );
    for ill in checkup.into_iter().flat_map(|c| &c.ills) {
        line("ill", &format!("{}: {}", ill.word(), ill.told(ask.now).en));
    }
    line("config", &ask.site.settings.file.display().to_string());
    for key in &ask.site.settings.keys {
        if let (Some(value), Origin::Written { .. }) = (&key.value, &key.origin) {
            let _ = writeln!(text, "  {} = {value}", key.key);
        }
    }
    mask_addresses(&without_jwts(&text))
}

fn counts<N: std::fmt::Display>(of: &[(&str, N)]) -> String {
    if of.is_empty() {
        return "none".to_owned();
    }
    let each: Vec<String> = of.iter().map(|(name, n)| format!("{name} {n}")).collect();
    each.join(", ")
}

/// The system, as far as it says what it is.
fn system() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|l| l.strip_prefix("PRETTY_NAME="))
        .map_or("?", |n| n.trim_matches('"'));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (kernel, machine) = (kernel.trim(), std::env::consts::ARCH);
    format!("{name}, Linux {kernel}, {machine}")
}

/// So many bytes in their largest fitting unit.
pub(super) fn size(n: u64) -> Text {
    let (n, prefix) = match n {
        0..10_000 => (n, ""),
        10_000..10_000_000 => (n / 1000, "k"),
        10_000_000..10_000_000_000 => (n / 1_000_000, "M"),
        _ => (n / 1_000_000_000, "G"),
    };
    text!("{n} {prefix}B", "{n}\u{a0}{prefix}o")
}

fn bytes(n: u64) -> String {
    size(n).en
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_their_largest_fitting_unit() {
        let said = [9_999, 10_000, 12_345_678, u64::MAX].map(bytes);
        assert_eq!(said, ["9999 B", "10 kB", "12 MB", "18446744073 GB"]);
    }
}
