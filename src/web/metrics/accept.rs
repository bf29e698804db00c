//! What a client accepts: the media types that its header `Accept` names, with their weights.
//!
//! Wildcards count for nothing here: each answer has a form for those who name none.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// More names than this are not read.
const MOST: usize = 64;

/// The media types that were named, in lower case, each with its weight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Accepted(Vec<(String, f32)>);

impl Accepted {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lists = headers.get_all(ACCEPT).iter();
        let items = lists
            .filter_map(|list| list.to_str().ok())
            .flat_map(|list| list.split(','));
        Self(items.take(MOST).map(item).collect())
    }

    /// Whether this type is wished for, and no less than the other one.
    pub(super) fn prefers(&self, kind: &str, other: &str) -> bool {
        let weight = self.weight(kind);
        weight > 0.0 && weight >= self.weight(other)
    }

    fn weight(&self, kind: &str) -> f32 {
        let named = self.0.iter().filter(|(name, _)| name == kind);
        named.map(|(_, weight)| *weight).fold(0.0, f32::max)
    }
}

fn item(written: &str) -> (String, f32) {
    let mut parts = written.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    let weight = match weight {
        None => 1.0,
        Some(written) => written.parse().unwrap_or(0.0),
    };
    // What is no number is no wish.
    let weight = if f32::is_finite(weight) { weight } else { 0.0 };
    (name, weight.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn prefers(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        Accepted::of(&headers).prefers("application/openmetrics-text", "text/plain")
    }

    #[test]
    fn the_form_with_the_greater_weight_is_answered() {
        // Prometheus 2.42, and Prometheus 3.
        assert!(prefers(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        ));
        assert!(prefers(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4"
        ));
        assert!(prefers("Application/OpenMetrics-Text ; Q=0.5"));
        for other in [
            "",
            "*/*",
            "text/html",
            "text/plain",
            "application/openmetrics-text;q=0.2,text/plain;q=0.9",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=NaN",
            "application/openmetrics-text;q=x",
        ] {
            assert!(!prefers(other), "{other}");
        }
    }
}
