//! Values that need more than a newtype's `parse`: instants, zones, rates, networks, paths.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use toml::de::DeValue;
use toml::value::{Datetime, Offset};

use crate::config::diagnostic::Report;
use crate::config::keys::nearest;
use crate::config::scalar::Value;
use crate::config::syntax::date_message;
use crate::config::{Network, Rate};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Invalid, text};

/// An instant: a date-time, or a date, which means the last second of that local day.
pub(super) fn instant(
    value: &Value<'_>,
    calendar: &Calendar,
    report: &mut Report,
) -> Option<DateTime<Utc>> {
    let DeValue::Datetime(written) = value.value else {
        // A string is checked first: it may be a pasted token.
        let message = match value.value {
            DeValue::String(_) => date_message(value.text(report)?),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => date_message(""),
        };
        report.error(&value.span, message);
        return None;
    };
    let read = to_instant(written, calendar);
    if read.is_none() {
        let message = match written.date {
            None => text!(
                "an hour alone is not a date: write the date as 2026-11-22, or 2026-11-22T14:30:00",
                "une heure seule n’est pas une date : écrire la date comme 2026-11-22, ou 2026-11-22T14:30:00"
            ),
            Some(_) => text!("this date does not exist", "cette date n’existe pas"),
        };
        report.error(&value.span, message);
    }
    read
}

fn to_instant(written: &Datetime, calendar: &Calendar) -> Option<DateTime<Utc>> {
    let date = written.date?;
    let date = NaiveDate::from_ymd_opt(
        i32::from(date.year),
        u32::from(date.month),
        u32::from(date.day),
    )?;
    let Some(time) = written.time else {
        return Some(calendar.end_of_day(date));
    };
    // A leap second counts as the second before it.
    let second = u32::from(time.second.unwrap_or(0)).min(59);
    let time = NaiveTime::from_hms_opt(u32::from(time.hour), u32::from(time.minute), second)?;
    let local = NaiveDateTime::new(date, time);
    match written.offset {
        None => Some(calendar.instant(local)),
        Some(Offset::Z) => Some(local.and_utc()),
        Some(Offset::Custom { minutes }) => local
            .and_utc()
            .checked_sub_signed(chrono::Duration::minutes(i64::from(minutes))),
    }
}

/// A time zone of the IANA database.
pub(super) fn zone(written: &str) -> Result<Tz, Invalid> {
    Tz::from_str(written).map_err(|_| {
        let names = || TZ_VARIANTS.iter().map(|tz| tz.name());
        let city = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
        let near = nearest(written, names()).or_else(|| {
            let folded = written.replace(' ', "_");
            let near = nearest(&folded, names().map(city))?;
            names().find(|name| city(name) == near)
        });
        let near = near.unwrap_or("Europe/Paris");
        Invalid(text!(
            "{written:?} is not a time zone: did you mean \"{near}\"?",
            "{written:?} n’est pas un fuseau horaire : vouliez-vous dire \"{near}\" ?"
        ))
    })
}

/// `60/min`: so many in a second, a minute or an hour.
pub(super) fn rate(written: &str) -> Result<Rate, Invalid> {
    let read = || {
        let (mails, unit) = written.split_once('/')?;
        let mails = mails.trim().parse().ok().filter(|n| *n > 0)?;
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1,
            "min" | "minute" => 60,
            "h" | "hour" => 3600,
            _ => return None,
        };
        Some(Rate {
            mails,
            per: Duration::from_secs(seconds),
        })
    };
    read().ok_or_else(|| {
        Invalid(text!(
            "{written:?} is not a rate: write it as \"60/min\" (s, min or h)",
            "{written:?} n’est pas un débit : l’écrire \"60/min\" (s, min ou h)"
        ))
    })
}

impl Network {
    /// Reads `10.0.0.0/8`, or one address.
    ///
    /// # Errors
    /// Not an address, or a prefix longer than the address.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        let read = || {
            let (address, prefix) = written.split_once('/').unwrap_or((written, ""));
            let address: IpAddr = address.trim().parse().ok()?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let prefix = if written.contains('/') {
                prefix.trim().parse().ok().filter(|n| *n <= longest)?
            } else {
                longest
            };
            Some(Self { address, prefix })
        };
        read().ok_or_else(|| {
            Invalid(text!(
                "{written:?} is not a network: write it as \"10.0.0.0/8\"",
                "{written:?} n’est pas un réseau : l’écrire \"10.0.0.0/8\""
            ))
        })
    }

    /// Whether `address` is in the network; an IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |a: IpAddr| match a.to_canonical() {
            IpAddr::V4(a) => (u128::from(u32::from(a)) << 96, true),
            IpAddr::V6(a) => (u128::from(a), false),
        };
        let ((ours, v4), (theirs, also_v4)) = (bits(self.address), bits(address));
        let shift = 128 - u32::from(self.prefix);
        let prefix = |n: u128| n.checked_shr(shift).unwrap_or(0);
        v4 == also_v4 && prefix(ours) == prefix(theirs)
    }
}

/// The file of `sqlite:jetond.db`; relative paths start at `directory`.
pub(super) fn sqlite(written: &str, directory: &Path) -> Result<PathBuf, Invalid> {
    let Some(rest) = written.strip_prefix("sqlite:") else {
        // What follows another scheme may hold a password: only the scheme is repeated.
        let scheme = written.split_once(':').map_or("", |(scheme, _)| scheme);
        return Err(Invalid(text!(
            "{scheme:?} is not supported: only SQLite is, for now; write it as \"sqlite:jetond.db\"",
            "{scheme:?} n’est pas pris en charge : seul SQLite l’est pour l’instant ; l’écrire \"sqlite:jetond.db\""
        )));
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.ends_with('/') || path.starts_with(':') || path.contains('?') {
        return Err(Invalid(text!(
            "the file's name is missing or has options: write it as \"sqlite:jetond.db\"",
            "le nom du fichier manque ou porte des options : l’écrire \"sqlite:jetond.db\""
        )));
    }
    Ok(directory.join(path))
}

/// A host name or an IP address, without port.
pub(super) fn host(written: &str) -> Result<String, Invalid> {
    let bare = written
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(written);
    if bare.parse::<IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let ascii = idna::domain_to_ascii(written).unwrap_or_default();
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(Invalid(text!(
            "this is not a host name: write it without scheme and port, as \"smtp.ville.example\"",
            "ceci n’est pas un nom d’hôte : l’écrire sans protocole ni port, comme \"smtp.ville.example\""
        )));
    }
    Ok(written.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_of_its_prefix() {
        let ten = Network::parse("10.0.0.0/8").unwrap();
        assert!(ten.contains("10.20.30.40".parse().unwrap()));
        assert!(ten.contains("::ffff:10.1.1.1".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        let six = Network::parse("fd00::/8").unwrap();
        assert!(six.contains("fd12::1".parse().unwrap()));
        assert!(!six.contains("10.0.0.1".parse().unwrap()));
        assert!(
            Network::parse("0.0.0.0/0")
                .unwrap()
                .contains("8.8.8.8".parse().unwrap())
        );
        for bad in ["10.0.0.0/33", "ville.example", "10.0.0.0/", ""] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_zone_near_an_existing_one_is_proposed() {
        for (written, near) in [
            ("Europe/Pari", "Europe/Paris"),
            ("europe/paris", "Europe/Paris"),
            ("Paris", "Europe/Paris"),
            ("Reunion", "Indian/Reunion"),
        ] {
            let said = zone(written).unwrap_err().to_string();
            assert!(said.contains(near), "{said}");
        }
    }

    #[test]
    fn a_store_is_a_sqlite_file_and_another_address_is_not_repeated() {
        let at = Path::new("/etc/jetond");
        for (written, path) in [
            ("sqlite:jetond.db", "/etc/jetond/jetond.db"),
            ("sqlite://jetond.db", "/etc/jetond/jetond.db"),
            ("sqlite:///var/lib/jetond.db", "/var/lib/jetond.db"),
            ("sqlite:/var/lib/jetond.db", "/var/lib/jetond.db"),
        ] {
            assert_eq!(sqlite(written, at).unwrap(), Path::new(path));
        }
        for bad in [
            "postgres://u:hunter2@db/x",
            "jetond.db",
            "sqlite:",
            "sqlite::memory:",
        ] {
            let said = sqlite(bad, at).unwrap_err().to_string();
            assert!(!said.contains("hunter2"));
        }
    }

    #[test]
    fn a_rate_is_so_many_in_a_unit() {
        let r = rate("60/min").unwrap();
        assert_eq!((r.mails, r.per), (60, Duration::from_secs(60)));
        for bad in ["0/s", "60", "60/day", "/min", "-1/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
