//! The settings of the main file: everything but tokens, groups and clients.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;

use crate::config::datapass;
use crate::config::diagnostic::Report;
use crate::config::health::{read_heartbeat, read_reports};
use crate::config::mail;
use crate::config::reader::Table;
use crate::config::scalar::Value;
use crate::config::values::{host, sqlite, zone};
use crate::config::{
    Channel, Datapass, Heartbeat, Mail, Probe, Renewal, Reports, Retention, Web, notify, probe, web,
};
use crate::domain::address::{Address, Mailbox};
use crate::domain::calendar::{Calendar, Days, Window};
use crate::domain::language::{Invalid, Lang, text};
use crate::domain::link::LinkTemplate;
use crate::domain::stage::Stages;

const STAGES: [u32; 6] = [90, 60, 30, 15, 7, 1];
const AFTER_EXPIRY: [u32; 5] = [0, 7, 30, 60, 90];
const LINK: &str = "https://datapass.api.gouv.fr/demandes/{datapass_id}/reopen-from-external";
const HOSTS: [&str; 2] = ["datapass.api.gouv.fr", "entreprise.api.gouv.fr"];
/// Ten years: no distance in days needs more.
pub(super) const MOST_DAYS: u32 = 3650;

/// What the main file says, defaults filled in.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) language: Lang,
    pub(super) organisation: String,
    pub(super) contact: Address,
    pub(super) store: PathBuf,
    pub(super) calendar: Calendar,
    pub(super) validity_months: u32,
    pub(super) stages: Stages,
    pub(super) mail: Mail,
    pub(super) renewal: Renewal,
    pub(super) retention: Retention,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) reports: Reports,
    pub(super) notify: Vec<Channel>,
    pub(super) probe: Probe,
    pub(super) web: Web,
    pub(super) datapass: Option<Datapass>,
}

/// Reads the main file. Where something is wrong the default stands in, so that the rest can
/// be checked; the caller refuses the whole when the report holds an error.
pub(super) fn read(root: &Table<'_>, directory: &Path, report: &mut Report) -> Settings {
    let tz = root
        .get("timezone")
        .and_then(|v| v.parsed(report, zone))
        .unwrap_or(Tz::Europe__Paris);
    let language = root
        .get("language")
        .and_then(|v| v.parsed(report, Lang::parse))
        .unwrap_or_default();
    let organisation = root
        .get("organisation")
        .and_then(|v| v.text(report))
        .map(|s| s.trim().to_owned())
        .unwrap_or_default();
    let contact = root
        .require("contact", report)
        .and_then(|v| v.parsed(report, address))
        .unwrap_or_else(stand_in);
    let store = read_store(root, directory, report);
    let renewal_table = root.table("renewal", "renewal", report);
    let opens = renewal_table
        .as_ref()
        .and_then(|t| t.get("opens"))
        .and_then(|v| v.number(1..=MOST_DAYS, report));
    let (window, days, validity_months, stages) = read_schedule(root, report);
    let renewal = read_renewal(renewal_table.as_ref(), report);
    Settings {
        language,
        organisation,
        contact,
        store,
        calendar: Calendar {
            tz,
            window,
            days,
            opens,
        },
        validity_months,
        stages,
        mail: mail::read(root, directory, report),
        renewal,
        retention: read_retention(root, report),
        heartbeat: read_heartbeat(root, directory, report),
        reports: read_reports(root, report),
        notify: notify::read(root, language, directory, report),
        probe: probe::read(root, directory, report),
        web: web::read(root, directory, report),
        datapass: datapass::read(root, directory, report),
    }
}

/// An address, also when it is written with a name around it.
pub(super) fn address(written: &str) -> Result<Address, Invalid> {
    Mailbox::parse(written).map(|m| m.address)
}

/// Stands where an address is missing; the report refuses the files, so nobody is mailed.
pub(super) fn stand_in() -> Address {
    Address::parse("missing@invalid.example").expect("a well-formed address")
}

fn read_store(root: &Table<'_>, directory: &Path, report: &mut Report) -> PathBuf {
    let table = root.table("store", "store", report);
    if let Some(table) = &table {
        table.check_keys(report);
    }
    table
        .and_then(|t| t.get("url"))
        .and_then(|v| v.parsed(report, |s| sqlite(s, directory)))
        .unwrap_or_else(|| directory.join("jetond.db"))
}

fn read_schedule(root: &Table<'_>, report: &mut Report) -> (Window, Days, u32, Stages) {
    let whole = || Window::parse("09:00-18:00").expect("a well-formed window");
    let table = root.table("schedule", "schedule", report);
    let Some(table) = table else {
        return (
            whole(),
            Days::Any,
            18,
            Stages::new(&STAGES, &AFTER_EXPIRY, 30),
        );
    };
    table.check_keys(report);
    let window = table
        .get("window")
        .and_then(|v| v.parsed(report, Window::parse))
        .unwrap_or_else(whole);
    let days = table
        .get("days")
        .and_then(|v| v.parsed(report, read_days))
        .unwrap_or(Days::Any);
    let months = table
        .get("validity_months")
        .and_then(|v| v.number(1..=120, report))
        .unwrap_or(18);
    let before = table
        .get("stages")
        .and_then(|v| distances(&v, Emptiness::Refused, report))
        .unwrap_or_else(|| STAGES.to_vec());
    let after = table
        .get("after_expiry")
        .and_then(|v| distances(&v, Emptiness::Allowed, report))
        .unwrap_or_else(|| AFTER_EXPIRY.to_vec());
    let every = table
        .get("then_every")
        .and_then(|v| v.number(0..=MOST_DAYS, report))
        .unwrap_or(30);
    (window, days, months, Stages::new(&before, &after, every))
}

fn read_days(written: &str) -> Result<Days, Invalid> {
    match written {
        "any" => Ok(Days::Any),
        "working" => Ok(Days::Working),
        _ => Err(Invalid(text!(
            "{written:?} is not known: write \"any\" or \"working\"",
            "{written:?} est inconnu : écrire \"any\" ou \"working\""
        ))),
    }
}

/// Whether a list may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    Allowed,
    Refused,
}

fn distances(value: &Value<'_>, emptiness: Emptiness, report: &mut Report) -> Option<Vec<u32>> {
    let items = value.items(report)?;
    if items.is_empty() && emptiness == Emptiness::Refused {
        report
            .error(
                &value.span,
                text!(
                    "without stages no reminder ever leaves",
                    "sans échéances aucun rappel ne part"
                ),
            )
            .help(value.example());
        return None;
    }
    let mut seen = HashSet::new();
    let mut days = Vec::with_capacity(items.len());
    for item in items {
        let Some(n) = item.number(0..=MOST_DAYS, report) else {
            continue;
        };
        if seen.insert(n) {
            days.push(n);
        } else {
            report.error(
                &item.span,
                text!(
                    "{n} is in this list twice",
                    "{n} est deux fois dans cette liste"
                ),
            );
        }
    }
    Some(days)
}

fn read_renewal(table: Option<&Table<'_>>, report: &mut Report) -> Renewal {
    let defaults = || HOSTS.map(str::to_owned).to_vec();
    let built_in = || LinkTemplate::parse(LINK, &defaults()).expect("a well-formed link");
    let Some(table) = table else {
        return Renewal {
            url: built_in(),
            allowed_hosts: defaults(),
        };
    };
    table.check_keys(report);
    let written = table.get("allowed_hosts");
    let hosts = match &written {
        None => Some(defaults()),
        Some(value) => value.items(report).map(|items| {
            items
                .iter()
                .filter_map(|i| i.parsed(report, host))
                .collect::<Vec<_>>()
        }),
    };
    // A link is not held against a list of hosts that is itself wrong.
    let allowed_hosts = hosts.unwrap_or_default();
    let url = match (table.get("url"), &written) {
        (Some(url), _) => url.parsed(report, |s| LinkTemplate::parse(s, &allowed_hosts)),
        (None, Some(hosts)) => hosts.accept(LinkTemplate::parse(LINK, &allowed_hosts), report),
        (None, None) => None,
    };
    Renewal {
        url: url.unwrap_or_else(built_in),
        allowed_hosts,
    }
}

fn read_retention(root: &Table<'_>, report: &mut Report) -> Retention {
    let mut retention = Retention::default();
    let Some(table) = root.table("retention", "retention", report) else {
        return retention;
    };
    table.check_keys(report);
    for (key, field) in [
        ("bodies_months", &mut retention.bodies),
        ("names_months", &mut retention.names),
    ] {
        if let Some(months) = table.get(key).and_then(|v| v.number(0..=1200, report)) {
            *field = (months > 0).then_some(months);
        }
    }
    retention
}
