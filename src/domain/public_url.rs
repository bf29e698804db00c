//! The address under which the daemon's own pages are reached from outside.
//!
//! It is https, because the links below it are keys; a path before them is the reverse proxy's
//! to take off. It is never fetched.

use url::{Host, Url};

use crate::domain::language::{Invalid, text};

/// A checked public address, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: String,
    host: String,
}

impl PublicUrl {
    /// Checks an address: https, a host, perhaps a path, nothing else.
    ///
    /// # Errors
    /// Says which of these it breaks.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        let wrong = text!(
            "{written:?} is not a public address: write it as \"https://jetons.ville.example\"",
            "{written:?} n’est pas une adresse publique : l’écrire \"https://jetons.ville.example\""
        );
        let url = Url::parse(written.trim()).map_err(|_| Invalid(wrong.clone()))?;
        if url.scheme() != "https" {
            return Err(Invalid(text!(
                "a public address begins with https://: its links are keys, and the reverse proxy has the certificate",
                "une adresse publique commence par https:// : ses liens sont des clés, et le mandataire inverse a le certificat"
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Invalid(text!(
                "a public address cannot hold a user name",
                "une adresse publique ne peut pas contenir de nom d’utilisateur"
            )));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Invalid(text!(
                "a public address ends with its host or its path: leave out what follows ? or #",
                "une adresse publique s’arrête à son hôte ou à son chemin : retirer ce qui suit ? ou #"
            )));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err(Invalid(wrong)),
        };
        Ok(Self {
            url: url.as_str().trim_end_matches('/').to_owned(),
            host,
        })
    }

    /// Its host, in lower case and as an A-label, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address of a page; `path` begins with a slash.
    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// As it is shown.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Its origin, as a browser names it in the header `Origin`: scheme, host, and a port that
    /// is not 443.
    pub fn origin(&self) -> &str {
        let after = "https://".len();
        let end = self.url[after..]
            .find('/')
            .map_or(self.url.len(), |at| at + after);
        &self.url[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_is_https_and_may_have_a_path() {
        let plain = PublicUrl::parse("https://Jetons.Ville.example/").unwrap();
        assert_eq!(plain.page("/l/x"), "https://jetons.ville.example/l/x");
        assert_eq!(plain.host(), "jetons.ville.example");
        assert_eq!(plain.origin(), "https://jetons.ville.example");
        let below = PublicUrl::parse("https://dsi.ville.example:8443/jetons/").unwrap();
        assert_eq!(
            below.page("/l/x"),
            "https://dsi.ville.example:8443/jetons/l/x"
        );
        assert_eq!(below.origin(), "https://dsi.ville.example:8443");
        for bad in [
            "http://jetons.ville.example",
            "jetons.ville.example",
            "https://u:p@jetons.ville.example",
            "https://jetons.ville.example/?a=1",
            "https://jetons.ville.example/#a",
            "https://",
            "",
        ] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
