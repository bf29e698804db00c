//! Where a login leads back to: a path of ours, whatever was asked for.
//!
//! It becomes a relative address that begins with `./`, so that it can name no other host, and
//! the path under which a reverse proxy serves the pages stays in place.

use axum::http::Uri;

/// Characters of a path and a query that are led back to.
const LONGEST: usize = 2_000;

/// From a page to the directory of the home page.
pub(super) fn root(path: &str) -> String {
    match path
        .bytes()
        .filter(|b| *b == b'/')
        .count()
        .saturating_sub(1)
    {
        0 => "./".to_owned(),
        n => "../".repeat(n.min(8)),
    }
}

/// The path and query of a request, if a login may lead back to them.
pub(super) fn of(uri: &Uri) -> Option<String> {
    let asked = uri.path_and_query()?.as_str();
    (asked != "/" && is_ours(asked)).then(|| asked.to_owned())
}

/// The address, from the login page, of what was asked for before; the home page where that is
/// no path of ours.
pub(super) fn to(asked: &str) -> String {
    let path = asked.strip_prefix('/').filter(|_| is_ours(asked));
    format!("./{}", path.unwrap_or_default())
}

/// Whether this is a path below our root, and not the login itself.
fn is_ours(asked: &str) -> bool {
    let path = asked.split('?').next().unwrap_or_default();
    let is_plain = asked
        .bytes()
        .all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#');
    let climbs = path
        .split('/')
        .any(|s| matches!(decoded(s).as_str(), "." | ".."));
    let is_login = matches!(path, "/login" | "/logout");
    asked.len() <= LONGEST
        && path.starts_with('/')
        && !path.starts_with("//")
        && is_plain
        && !climbs
        && !is_login
}

/// A segment in which `%2e` is a dot, as browsers read it.
fn decoded(segment: &str) -> String {
    segment.to_ascii_lowercase().replace("%2e", ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_back_to_a_path_of_ours_only() {
        for (asked, to) in [
            ("/", "./"),
            ("/tokens", "./tokens"),
            ("/tokens/a%20b?q=x&lang=en", "./tokens/a%20b?q=x&lang=en"),
            ("/clients/é", "./"),
            ("", "./"),
            ("tokens", "./"),
            ("//evil.example", "./"),
            ("/\\evil.example", "./"),
            ("https://evil.example/", "./"),
            ("/../x", "./"),
            ("/a/%2E%2e/x", "./"),
            ("/a\r\nSet-Cookie: x=y", "./"),
            ("/login?to=/login", "./"),
            ("/logout", "./"),
            ("/a#b", "./"),
        ] {
            assert_eq!(super::to(asked), to, "{asked}");
        }
        assert_eq!(super::to(&format!("/{}", "x".repeat(2_000))), "./");
    }

    #[test]
    fn the_home_page_is_found_from_every_depth() {
        assert_eq!(root("/"), "./");
        assert_eq!(root("/tokens"), "./");
        assert_eq!(root("/tokens/x"), "../");
        assert_eq!(root("/tokens/x/filed"), "../../");
    }
}
