//! What was measured, as the text of OpenMetrics: families, help, units, samples.
//!
//! Labels are ids of tokens, keys of clients and words of ours. An id or a key that holds an
//! address is not shown as it is. What is not known has no sample: a zero would be a claim.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::registry::Registry;

use crate::config;
use crate::domain::address::mask_addresses;
use crate::domain::calendar::Calendar;
use crate::domain::standing::Filing;
use crate::health::{Checkup, Ill};
use crate::meter::{Attempt, Meter};
use crate::store::gauge::{Ending, Gauge, Placed, Told};
use crate::store::heard::Heard;
use crate::store::outbox::MailState;
use crate::store::probe::Service;
use crate::web::metrics::families::Families;

/// What the record says.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) gauge: Gauge,
    pub(super) notices: Vec<Told>,
    pub(super) service: Service,
    pub(super) heard: Vec<Heard>,
}

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct Measured {
    /// `None`: it could not be read.
    pub(super) record: Option<Record>,
    pub(super) checkup: Option<Arc<Checkup>>,
    pub(super) meter: Meter,
    pub(super) metrics: config::Metrics,
    pub(super) calendar: Calendar,
    pub(super) now: DateTime<Utc>,
}

/// The whole text, to its `# EOF`.
pub(super) fn open_metrics(measured: Measured) -> String {
    let tokens = measured.record.as_ref().map(|r| r.gauge.endings.len());
    let mut registry = Registry::default();
    registry.register_collector(Box::new(measured));
    let mut text = String::with_capacity(8_192 + tokens.unwrap_or_default() * 128);
    encode(&mut text, &registry).expect("a string takes any text");
    text
}

impl Collector for Measured {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        families.info(
            "jetond_build",
            "The program that answers",
            &[("version", env!("CARGO_PKG_VERSION"))],
        )?;
        self.promise(&mut families)?;
        self.signs(&mut families)?;
        families.one(
            "jetond_store_readable",
            "Whether the record can be read; else nothing that comes from it is here",
            i64::from(self.record.is_some()),
        )?;
        if let Some(record) = &self.record {
            self.outbox(&record.gauge, &mut families)?;
            told(&record.notices, &mut families)?;
            self.tokens(&record.gauge, &mut families)?;
            self.api(record, &mut families)?;
        }
        self.delivery(&mut families)
    }
}

impl Measured {
    /// What the daemon's last look found.
    fn promise(&self, families: &mut Families<'_>) -> fmt::Result {
        let Some(checkup) = &self.checkup else {
            return Ok(());
        };
        if let Some(vitals) = &checkup.vitals {
            families.one(
                "jetond_uncovered_notices",
                "Owed notices that are neither settled nor on their way; must be 0",
                number(vitals.uncovered.len()),
            )?;
            families.one(
                "jetond_tokens_out_of_reach",
                "Watched tokens of which nobody can be reached",
                number(vitals.out_of_reach.len()),
            )?;
        }
        let has = |word: &str| checkup.ills.iter().any(|ill| ill.word() == word);
        families.gauges(
            "jetond_ill",
            "Whether the watch has this illness",
            Ill::WORDS.map(|word| ([("ill", word)], i64::from(has(word)))),
        )?;
        families.one(
            "jetond_clock_held",
            "Whether nothing leaves because the clock is not believed",
            i64::from(has("clock")),
        )?;
        families.instant(
            "jetond_last_checkup",
            "When the daemon last looked at its own health",
            Some(checkup.at),
        )
    }

    /// Who turned last, and when.
    fn signs(&self, families: &mut Families<'_>) -> fmt::Result {
        let looked = self.checkup.as_ref().and_then(|c| c.vitals.as_ref());
        let recorded = self.record.as_ref().and_then(|r| r.gauge.last_pass);
        families.instant(
            "jetond_last_tick",
            "When a pass last ended well",
            recorded.or_else(|| looked?.last_pass),
        )?;
        families.instant(
            "jetond_last_delivery",
            "When the delivery loop last turned well, whether or not a mail was due",
            self.meter.last_delivery(),
        )?;
        families.mark(
            ["jetond_last_reload", "jetond_last_reload_success"],
            [
                "When the configuration was last read",
                "Whether it was taken over",
            ],
            self.meter.last_reload(),
        )?;
        families.mark(
            ["jetond_last_heartbeat", "jetond_last_heartbeat_success"],
            [
                "When the heartbeat was last sent",
                "Whether the monitor heard it",
            ],
            self.meter.last_heartbeat(),
        )
    }

    /// What waits.
    fn outbox(&self, gauge: &Gauge, families: &mut Families<'_>) -> fmt::Result {
        families.one(
            "jetond_store_schema",
            "The version of the record's schema",
            gauge.schema,
        )?;
        let open = MailState::ALL.iter().filter(|state| state.is_open());
        let mails = |state: MailState| {
            let here = gauge.outbox.iter().find(|open| open.state == state);
            here.map_or(0, |open| i64::from(open.mails))
        };
        families.gauges(
            "jetond_outbox_mails",
            "Mails and notes that are not settled, by state",
            open.map(|state| ([("state", state.word())], mails(*state))),
        )?;
        families.instant(
            "jetond_outbox_oldest_mail",
            "When the oldest mail that is not settled was made",
            gauge.outbox.iter().map(|open| open.oldest).min(),
        )?;
        let due = gauge.outbox.iter().filter_map(|open| open.next_at).min();
        let could_leave = due.map(|at| self.calendar.next_leave(at));
        families.instant(
            "jetond_outbox_oldest_due_mail",
            "Since when the mail that is due longest could have left",
            could_leave.filter(|at| *at <= self.now && self.calendar.may_leave(self.now)),
        )?;
        families.instant(
            "jetond_last_sent_mail",
            "When a mail server last accepted a mail",
            gauge.last_sent,
        )?;
        families.one(
            "jetond_unreachable_recipients",
            "People whom a mail server refuses for good",
            i64::from(gauge.unreachable),
        )
    }

    fn tokens(&self, gauge: &Gauge, families: &mut Families<'_>) -> fmt::Result {
        let counted = |placed: Placed| {
            let here = gauge.tokens.iter().find(|(p, _)| *p == placed);
            here.map_or(0, |(_, n)| i64::from(*n))
        };
        families.gauges(
            "jetond_tokens",
            "Tokens on record by how they stand; one that several words fit has the first",
            Placed::all().map(|placed| ([("state", placed.word())], counted(placed))),
        )?;
        if !self.metrics.tokens {
            return Ok(());
        }
        let given = number(gauge.endings.len());
        families.one(
            "jetond_token_series_omitted",
            "Watched tokens without a series of their own, because of max_tokens",
            (i64::from(gauge.watched()) - given).max(0),
        )?;
        families.seconds(
            "jetond_token_expiry_timestamp",
            "When a watched token expires",
            gauge
                .endings
                .iter()
                .map(|e| (Labels::of(e), e.expires.timestamp())),
        )?;
        let filed = gauge.endings.iter().filter(|e| match e.filing {
            Filing::Pending => true,
            Filing::None => false,
        });
        families.gauges(
            "jetond_token_filed",
            "Watched tokens whose renewal was filed or declared, without outcome so far",
            filed.map(|e| (Labels::of(e), 1)),
        )
    }

    /// What API Entreprise says; nothing where it was never asked.
    fn api(&self, record: &Record, families: &mut Families<'_>) -> fmt::Result {
        let Record { service, heard, .. } = record;
        if heard.is_empty() && *service == Service::default() {
            return Ok(());
        }
        families.one(
            "jetond_api_up",
            "Whether no incident of API Entreprise, or on the way to it, is known",
            i64::from(service.incident.is_none()),
        )?;
        families.instant(
            "jetond_api_last_heard",
            "When API Entreprise last gave an answer that says something",
            service.seen_at,
        )?;
        families.instant(
            "jetond_api_not_before",
            "Until when nothing is asked of API Entreprise: it asked for that, or does not answer",
            service.not_before.filter(|at| *at > self.now),
        )?;
        let refused = heard.iter().filter(|h| h.refused(self.now).is_some());
        let hindered = heard.iter().filter(|h| h.probed.hindrance.is_some());
        families.one(
            "jetond_tokens_refused",
            "Watched tokens that API Entreprise refuses, by two agreeing answers; not those that their date has ended",
            number(refused.count()),
        )?;
        families.one(
            "jetond_tokens_unaskable",
            "Watched tokens whose secret cannot be used",
            number(hindered.count()),
        )?;
        let unheard = heard.iter().filter(|h| h.probed.hindrance.is_none());
        let unheard = unheard.filter(|h| h.probed.unheard_since(self.now).is_some());
        families.one(
            "jetond_tokens_unheard",
            "Watched tokens of which API Entreprise has said nothing for seven days, though it can be asked",
            number(unheard.count()),
        )?;
        // Those that have a series by their end have these too, and no others.
        let by_row: HashMap<i64, &Heard> = heard.iter().map(|h| (h.no, h)).collect();
        let endings = record.gauge.endings.iter();
        let shown: Vec<(&Ending, &Heard)> = endings
            .filter_map(|e| Some((e, *by_row.get(&e.no)?)))
            .collect();
        let each = |(e, h): &(&Ending, &Heard)| (Labels::of(e), h.probed.known.clone());
        families.gauges(
            "jetond_token_verdict",
            "What API Entreprise says of a watched token",
            shown.iter().map(each).filter_map(|(labels, known)| {
                let verdict = known.belief?.verdict.word();
                Some((Judged { labels, verdict }, 1))
            }),
        )?;
        families.seconds(
            "jetond_token_last_probe_timestamp",
            "When API Entreprise was last asked about a token",
            shown
                .iter()
                .map(each)
                .filter_map(|(labels, known)| Some((labels, known.asked_at?.timestamp()))),
        )?;
        families.seconds(
            "jetond_token_last_verdict_timestamp",
            "When API Entreprise last said what is believed of a token",
            shown
                .iter()
                .map(each)
                .filter_map(|(labels, known)| Some((labels, known.belief?.at.timestamp()))),
        )?;
        // One that was reset since it was seen is not known any more.
        let volumes = || {
            shown.iter().map(each).filter_map(|(labels, known)| {
                let volume = known.volume.filter(|v| self.now < v.resets)?;
                Some((labels, volume))
            })
        };
        families.gauges(
            "jetond_token_volume_limit",
            "Calls that a token is allowed until its volume is reset",
            volumes().map(|(labels, v)| (labels, i64::from(v.limit))),
        )?;
        families.gauges(
            "jetond_token_volume_remaining",
            "Calls that are left of it",
            volumes().map(|(labels, v)| (labels, i64::from(v.remaining))),
        )?;
        families.seconds(
            "jetond_token_volume_reset_timestamp",
            "When it is reset",
            volumes().map(|(labels, v)| (labels, v.resets.timestamp())),
        )
    }

    fn delivery(&self, families: &mut Families<'_>) -> fmt::Result {
        families.counters(
            "jetond_delivery_attempts",
            "Attempts to send a mail since the start, by outcome",
            Attempt::ALL
                .iter()
                .map(|a| ([("outcome", a.word())], self.meter.attempts(*a))),
        )?;
        families.histogram(
            "jetond_delivery_duration",
            "From taking a mail up to the server's 250",
            &self.meter.durations(),
        )?;
        families.histogram(
            "jetond_reminder_lateness",
            "From the moment at which a reminder could leave by the rules to the server's 250",
            &self.meter.latenesses(),
        )
    }
}

fn told(notices: &[Told], families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "jetond_notices",
        "Notices on record, by stage and what became of them",
        notices.iter().map(|told| {
            let labels = [
                ("stage", told.stage.to_string()),
                ("result", told.state.clone()),
            ];
            (labels, i64::from(told.notices))
        }),
    )
}

/// The labels of a token.
struct Labels {
    token: String,
    client: Option<String>,
}

impl Labels {
    fn of(ending: &Ending) -> Self {
        Self {
            token: if ending.id.contains('@') {
                // No id has a blank, so this is no other token's.
                format!("row {}", ending.no)
            } else {
                ending.id.clone()
            },
            client: ending.client.as_deref().map(mask_addresses),
        }
    }
}

impl EncodeLabelSet for Labels {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>,
    ) -> fmt::Result {
        let mut labels = vec![("token", self.token.as_str())];
        labels.extend(self.client.as_deref().map(|client| ("client", client)));
        labels.encode(encoder)
    }
}

/// The labels of a token with what is said of it.
struct Judged {
    labels: Labels,
    verdict: &'static str,
}

impl EncodeLabelSet for Judged {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>,
    ) -> fmt::Result {
        let mut labels = vec![("token", self.labels.token.as_str())];
        let client = self.labels.client.as_deref();
        labels.extend(client.map(|client| ("client", client)));
        labels.push(("verdict", self.verdict));
        labels.encode(encoder)
    }
}

fn number(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}
