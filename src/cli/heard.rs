//! What API Entreprise says, as the reading commands show it: rows of `--json`, lines of `status`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::{Context, Failure, when};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::verdict::Volume;
use crate::store::Store;
use crate::store::error::Result;
use crate::store::heard::Heard;
use crate::store::probe::{Probed, Service};
use crate::words::heard as said;
use crate::words::when::{day, minute};

/// Tokens that `status` names of each kind.
const SHOWN: usize = 20;

/// What is on record of the answers about one token.
pub(super) fn row(probed: &Probed, calendar: &Calendar) -> Value {
    let at = |i: DateTime<Utc>| when::rfc3339(i, calendar);
    let known = &probed.known;
    let last = probed.last.as_ref();
    json!({
        "verdict": known.belief.map(|b| b.verdict.word()),
        "verdict_since": known.belief.map(|b| at(b.since)),
        "verdict_at": known.belief.map(|b| at(b.at)),
        "suspected": known.suspicion.map(|(v, _)| v.word()),
        "suspected_at": known.suspicion.map(|(_, i)| at(i)),
        "asked_at": known.asked_at.map(at),
        "answered_at": last.map(|l| at(l.at)),
        "case": last.map(|l| l.case.word()),
        "status": last.and_then(|l| l.status),
        "codes": last.map(|l| &l.codes),
        "said": last.map(|l| &l.said),
        "scopes": known.scopes,
        "volume": known.volume.map(|v| volume(v, calendar)),
        "hindrance": probed.hindrance,
        "in_vain_since": probed.in_vain_since.map(at),
    })
}

fn volume(of: Volume, calendar: &Calendar) -> Value {
    json!({
        "limit": of.limit, "remaining": of.remaining,
        "resets": when::rfc3339(of.resets, calendar),
    })
}

/// What `status` tells of the service, and of the tokens that were asked about.
pub(super) struct Api {
    service: Service,
    heard: Vec<Heard>,
}

impl Api {
    /// Reads it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn of(store: &Store) -> Result<Self> {
        Ok(Self {
            service: store.service().await?,
            heard: store.heard().await?,
        })
    }

    fn is_silent(&self) -> bool {
        self.heard.is_empty() && self.service == Service::default()
    }

    /// As an object; null where nothing was ever asked.
    pub(super) fn as_json(&self, calendar: &Calendar) -> Value {
        if self.is_silent() {
            return Value::Null;
        }
        let at = |i: DateTime<Utc>| when::rfc3339(i, calendar);
        let incident = self.service.incident;
        let tokens = self.heard.iter().map(|h| {
            let mut row = row(&h.probed, calendar);
            row["token"] = json!(h.probed.id);
            row
        });
        json!({
            "incident": incident.map(|i| i.side.word()),
            "incident_since": incident.map(|i| at(i.since)),
            "incident_seen_at": incident.map(|i| at(i.seen_at)),
            "not_before": self.service.not_before.map(at),
            "patience": self.service.patience.map(at),
            "seen_at": self.service.seen_at.map(at),
            "failures": self.service.failures,
            "tokens": tokens.collect::<Vec<_>>(),
        })
    }

    /// The service as a fact, and the volumes that count; nothing where nothing was ever asked.
    pub(super) fn facts(&self, calendar: &Calendar, now: DateTime<Utc>) -> Vec<(Text, Text)> {
        if self.is_silent() {
            return Vec::new();
        }
        let mut facts = vec![(
            text!("API Entreprise", "API Entreprise"),
            said::service(&self.service, calendar, now),
        )];
        let least = self
            .heard
            .iter()
            .filter_map(|h| Some((h, h.probed.known.volume.filter(|v| now < v.resets)?)))
            .min_by(|(_, a), (_, b)| a.by_what_is_left(*b));
        if let Some((h, left)) = least {
            let id = &h.probed.id;
            facts.push((
                text!("lowest volume", "volume le plus bas"),
                text!("{{}} ({id})", "{{}} ({id})").with(&said::volume(left, calendar, now)),
            ));
        }
        facts
    }

    /// What is wrong with tokens, a line each.
    pub(super) fn print(
        &self,
        calendar: &Calendar,
        now: DateTime<Utc>,
        context: &mut Context,
    ) -> std::result::Result<(), Failure> {
        let dead = self
            .heard
            .iter()
            .filter_map(|h| Some((h, h.probed.death()?)));
        for (h, death) in dead.take(SHOWN) {
            let (id, since) = (&h.probed.id, minute(death.since, calendar));
            let words = text!(
                "API: {id}: {{}}, since {since} (`jetond show {id}`)",
                "API : {id} : {{}}, depuis le {since} (`jetond show {id}`)"
            );
            context.out.say(&words.with(&death.verdict.in_short()))?;
        }
        let suspected = self.heard.iter();
        let suspected = suspected.filter_map(|h| Some((&h.probed.id, h.probed.known.suspicion?)));
        for (id, (suspected, at)) in suspected.take(SHOWN) {
            let at = minute(at, calendar);
            let words = text!(
                "API: {id}: {{}}, answered once on {at}; the next answer confirms it or not",
                "API : {id} : {{}}, répondu une fois le {at} ; la prochaine réponse le confirmera ou non"
            );
            context.out.say(&words.with(&suspected.in_short()))?;
        }
        let outliving = self.heard.iter().filter(|h| h.probed.outlives(h.expires));
        for h in outliving.take(SHOWN) {
            let id = &h.probed.id;
            context.out.say(&text!(
                "API: {id}: works past its date; give the new one: `jetond renew {id} --expires YYYY-MM-DD`",
                "API : {id} : fonctionne après sa date ; donner la nouvelle : `jetond renew {id} --expires AAAA-MM-JJ`"
            ))?;
        }
        let hindered = self.heard.iter();
        let hindered = hindered.filter_map(|h| Some((&h.probed.id, h.probed.hindrance.as_ref()?)));
        for (id, why) in hindered.take(SHOWN) {
            context.out.say(&text!(
                "API: {id} cannot be asked about: {why}",
                "API : {id} ne peut pas être vérifié : {why}"
            ))?;
        }
        let unheard = self
            .heard
            .iter()
            .filter(|h| h.probed.hindrance.is_none())
            .filter_map(|h| Some((&h.probed.id, h.probed.unheard_since(now)?)));
        for (id, at) in unheard.take(SHOWN) {
            let words = text!(
                "API: {id}: {{}} (`jetond show {id}`)",
                "API : {id} : {{}} (`jetond show {id}`)"
            );
            let on = day(at, calendar);
            context.out.say(&words.with(&said::learnt_nothing(&on)))?;
        }
        Ok(())
    }
}
