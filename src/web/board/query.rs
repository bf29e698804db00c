//! What a request asks for behind the question mark: read leniently, written back as links.

use axum::http::Uri;
use url::form_urlencoded;

/// Rows of a list on one page at most.
pub(in crate::web) const ROWS: usize = 200;

/// The highest page that is counted to.
const LAST_PAGE: usize = 1_000_000;

/// The parameters of a request, in their order.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Query(Vec<(String, String)>);

impl Query {
    pub(in crate::web) fn of(uri: &Uri) -> Self {
        let raw = uri.query().unwrap_or_default().as_bytes();
        Self(form_urlencoded::parse(raw).into_owned().collect())
    }

    /// A parameter that says something; the first one counts.
    pub(in crate::web) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(n, _)| n == name)?;
        Some(value.trim()).filter(|v| !v.is_empty())
    }

    /// The page that is asked for, from 1.
    pub(in crate::web) fn page(&self) -> usize {
        let asked = self.get("page").and_then(|p| p.parse().ok());
        asked.unwrap_or(1).clamp(1, LAST_PAGE)
    }

    /// The same query without a parameter.
    pub(in crate::web) fn without(&self, name: &str) -> Self {
        let others = self.0.iter().filter(|(n, _)| n != name);
        Self(others.cloned().collect())
    }

    /// The same query with another value of one parameter, as a link: `?a=1&b=2`. An empty value
    /// leaves the parameter out.
    pub(in crate::web) fn with(&self, name: &str, value: &str) -> String {
        let others = self
            .0
            .iter()
            .filter(|(n, v)| n != name && !v.trim().is_empty());
        let mut written = form_urlencoded::Serializer::new(String::new());
        written.extend_pairs(others);
        if !value.is_empty() {
            written.append_pair(name, value);
        }
        format!("?{}", written.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(written: &str) -> Query {
        Query::of(&written.parse().unwrap())
    }

    #[test]
    fn a_link_keeps_what_was_asked_and_changes_one_thing() {
        let query = of("/tokens?q=a%26b&page=3&state=");
        assert_eq!(query.get("q"), Some("a&b"));
        assert_eq!(query.get("state"), None);
        assert_eq!(query.page(), 3);
        assert_eq!(query.with("page", "4"), "?q=a%26b&page=4");
        assert_eq!(query.with("page", ""), "?q=a%26b");
        assert_eq!(of("/").with("page", ""), "?");
    }

    #[test]
    fn a_page_that_is_none_is_the_first() {
        for odd in ["0", "-1", "x", "", "99999999999999999999999"] {
            let page = of(&format!("/?page={odd}")).page();
            assert_eq!(page, 1, "{odd}");
        }
        assert_eq!(of("/?page=9999999").page(), LAST_PAGE);
    }
}
