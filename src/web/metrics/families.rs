//! The writer of families: name, help, type and unit, then the samples.
//!
//! Names are given without what the form adds to them: `_seconds`, `_total`, `_info`, and, for
//! instants, `_timestamp_seconds`. A family without samples is left out.

use std::fmt;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::meter::{Ended, Mark, Spread};

/// What writes families, one after the other. One without samples is left out.
pub(super) struct Families<'e>(pub(super) DescriptorEncoder<'e>);

impl Families<'_> {
    pub(super) fn info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, &sentence(help), None, MetricType::Info)?;
        family.encode_info(&labels)
    }

    pub(super) fn one(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        let mut family =
            self.0
                .encode_descriptor(name, &sentence(help), None, MetricType::Gauge)?;
        family.encode_gauge(&value)
    }

    pub(super) fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, i64)>,
    ) -> fmt::Result {
        self.family(name, help, None, samples)
    }

    /// Of a name without its unit.
    pub(super) fn seconds<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, i64)>,
    ) -> fmt::Result {
        self.family(name, help, Some(&Unit::Seconds), samples)
    }

    fn family<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = (L, i64)>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut family =
            self.0
                .encode_descriptor(name, &sentence(help), unit, MetricType::Gauge)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    pub(super) fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family =
            self.0
                .encode_descriptor(name, &sentence(help), None, MetricType::Counter)?;
        for (labels, value) in samples {
            let mut sample = family.encode_family(&labels)?;
            sample.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    /// An instant, of a name without `_timestamp_seconds`.
    pub(super) fn instant(
        &mut self,
        name: &str,
        help: &str,
        at: Option<DateTime<Utc>>,
    ) -> fmt::Result {
        let Some(at) = at else { return Ok(()) };
        let name = format!("{name}_timestamp");
        let mut family = self.0.encode_descriptor(
            &name,
            &sentence(help),
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        family.encode_gauge(&at.timestamp())
    }

    /// When something was done, and whether it succeeded.
    pub(super) fn mark(
        &mut self,
        names: [&str; 2],
        helps: [&str; 2],
        mark: Option<Mark>,
    ) -> fmt::Result {
        let Some(Mark { at, ended }) = mark else {
            return Ok(());
        };
        self.instant(names[0], helps[0], Some(at))?;
        self.one(names[1], helps[1], i64::from(ended == Ended::Well))
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, spread: &Spread) -> fmt::Result {
        let mut family = self.0.encode_descriptor(
            name,
            &sentence(help),
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        family.encode_histogram::<NoLabelSet>(spread.sum, spread.count(), &spread.buckets, None)
    }
}

fn sentence(help: &str) -> String {
    format!("{help}.")
}
