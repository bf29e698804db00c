//! Outcomes for people: tables, and the difference between what must come out and what did.
//!
//! Two outcomes are compared notice by notice, so that a wrong life reads as one token's story
//! with both sides on each line, and then mail by mail, so that two mails in place of one digest
//! are seen too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::civil::{Instant, Zone};
use super::life::{Fate, Mail, Notice, Outcome};
use super::scenario::{Scenario, minute};

/// Tokens shown at most.
const TOKENS: usize = 20;

/// One line a mail: when (local), to whom, and each token with its stage; `#2` is the token's
/// second renewal.
pub(crate) fn mails(scenario: &Scenario, outcome: &Outcome) -> String {
    let zone = Zone::of(scenario.zone);
    let mut text = String::new();
    for mail in &outcome.mails {
        line(&mut text, format_args!("{}", mail_line(&zone, mail)));
    }
    text
}

/// One line a notice: token, stage, recipient and fate.
pub(crate) fn fates(outcome: &Outcome) -> String {
    let mut text = String::new();
    for (notice, fate) in &outcome.fates {
        let (name, recipient) = (name(notice), &notice.recipient);
        line(
            &mut text,
            format_args!("{name} {recipient} {}", word(Some(*fate))),
        );
    }
    text
}

/// The first `each` differences of each token, both sides on one line, then the mails that
/// differ though their notices do not; `None` when the outcomes agree.
///
/// A notice for which nothing is owed ([`Fate::Unowed`]) may be absorbed, suppressed or missing
/// in `found`; all else must be the same, and mails leave in the same minute.
pub(crate) fn diff(
    scenario: &Scenario,
    expected: &Outcome,
    found: &Outcome,
    each: usize,
) -> Option<String> {
    let zone = Zone::of(scenario.zone);
    let (left, right) = (by_notice(expected), by_notice(found));
    let mut tokens: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let notices: BTreeSet<&Notice> = left.keys().chain(right.keys()).copied().collect();
    for notice in notices {
        let nothing = (None, Vec::new());
        let (a, b) = (
            left.get(notice).unwrap_or(&nothing),
            right.get(notice).unwrap_or(&nothing),
        );
        if !agree(a.0, b.0) || a.1 != b.1 {
            tokens.entry(&notice.token).or_default().push(format!(
                "{} {}: expected {}, found {}",
                name(notice),
                notice.recipient,
                side(&zone, a),
                side(&zone, b)
            ));
        }
    }
    let mut text = String::new();
    for (token, lines) in tokens.iter().take(TOKENS) {
        line(
            &mut text,
            format_args!("token {token}: {} differences", lines.len()),
        );
        for l in lines.iter().take(each) {
            line(&mut text, format_args!("  {l}"));
        }
    }
    if tokens.len() > TOKENS {
        line(
            &mut text,
            format_args!("and {} more tokens", tokens.len() - TOKENS),
        );
    }
    if tokens.is_empty() {
        for (side, mine, other) in [("expected", expected, found), ("found", found, expected)] {
            let other = normal(other);
            for mail in normal(mine)
                .iter()
                .filter(|m| !other.contains(m))
                .take(each)
            {
                line(
                    &mut text,
                    format_args!("mail only {side}: {}", mail_line(&zone, mail)),
                );
            }
        }
    }
    (!text.is_empty()).then_some(text)
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("a string takes all");
}

fn mail_line(zone: &Zone, mail: &Mail) -> String {
    let names: Vec<String> = mail.notices.iter().map(name).collect();
    format!(
        "{} {} {}",
        minute(zone, mail.at),
        mail.recipient,
        names.join(" ")
    )
}

fn name(notice: &Notice) -> String {
    match notice.period {
        0 => format!("{}:{}", notice.token, notice.stage),
        n => format!("{}#{n}:{}", notice.token, notice.stage),
    }
}

fn word(fate: Option<Fate>) -> &'static str {
    match fate {
        Some(Fate::Sent) => "sent",
        Some(Fate::Absorbed) => "absorbed",
        Some(Fate::Suppressed) => "suppressed",
        Some(Fate::Open) => "open",
        Some(Fate::Unowed) => "unowed",
        None => "nothing",
    }
}

fn agree(expected: Option<Fate>, found: Option<Fate>) -> bool {
    let leaves_alone = !matches!(found, Some(Fate::Sent | Fate::Open));
    expected == found || (expected == Some(Fate::Unowed) && leaves_alone)
}

/// The fate of a notice and the instants of the mails that carried it.
type Side = (Option<Fate>, Vec<Instant>);

fn by_notice(outcome: &Outcome) -> BTreeMap<&Notice, Side> {
    let mut sides: BTreeMap<&Notice, Side> = BTreeMap::new();
    for (notice, fate) in &outcome.fates {
        sides.entry(notice).or_default().0 = Some(*fate);
    }
    for mail in &outcome.mails {
        for notice in &mail.notices {
            sides.entry(notice).or_default().1.push(mail.at);
        }
    }
    sides
}

fn side(zone: &Zone, (fate, mails): &Side) -> String {
    let at: Vec<String> = mails
        .iter()
        .map(|at| format!(" {}", minute(zone, *at)))
        .collect();
    format!("{}{}", word(*fate), at.join(","))
}

/// The mails in order of time, recipient and notices, whatever order they came in.
fn normal(outcome: &Outcome) -> BTreeSet<Mail> {
    let mut mails = outcome.mails.clone();
    mails.iter_mut().for_each(|m| m.notices.sort());
    mails.into_iter().collect()
}
