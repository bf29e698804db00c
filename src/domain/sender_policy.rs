//! What a domain publishes about its mail: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489).
//!
//! Reads TXT records, as strings, into what a person who sends from that domain must know. It
//! asks nothing itself, and it does not judge a message: whether the relay's own address is
//! among those that SPF allows is seen at the receiver only.

/// What SPF says of those whom its record does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// `-all`: refused.
    Refused,
    /// `~all`: suspect.
    Suspect,
    /// `?all`, or nothing: no opinion.
    Neutral,
    /// `+all`: anyone may send, which protects nothing.
    Anyone,
    /// `redirect=`: another domain's record says it.
    Elsewhere(String),
}

/// The SPF record of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spf {
    /// None.
    Missing,
    /// More than one, which counts as none (RFC 7208 §4.5).
    Several(usize),
    /// One.
    One {
        /// As published.
        record: String,
        /// What becomes of the others.
        rest: Rest,
    },
}

/// What is to become of mail that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Nothing; it is only reported.
    None,
    /// It goes to the spam folder.
    Quarantine,
    /// It is refused.
    Reject,
}

/// The DMARC record that holds for a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dmarc {
    /// None, here or above.
    Missing,
    /// A record without a policy that means anything, or several.
    Unusable(String),
    /// One.
    One {
        /// The domain that publishes it.
        at: String,
        /// What it asks for.
        policy: Policy,
    },
}

/// A DKIM key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// It can be used.
    Present,
    /// `p=` is empty: it was withdrawn (RFC 6376 §3.6.1).
    Withdrawn,
    /// The records are no key.
    Absent,
}

/// Reads the SPF record among the TXT records of a domain.
pub fn spf(records: &[String]) -> Spf {
    let is_spf = |r: &&String| {
        let version = r.split_ascii_whitespace().next().unwrap_or_default();
        version.eq_ignore_ascii_case("v=spf1")
    };
    let found: Vec<&String> = records.iter().filter(is_spf).collect();
    match found[..] {
        [] => Spf::Missing,
        [record] => Spf::One {
            record: record.clone(),
            rest: rest(record),
        },
        _ => Spf::Several(found.len()),
    }
}

fn rest(record: &str) -> Rest {
    let mut redirect = None;
    for term in record.split_ascii_whitespace().skip(1) {
        let term = term.to_ascii_lowercase();
        match term.as_str() {
            "-all" => return Rest::Refused,
            "~all" => return Rest::Suspect,
            "?all" => return Rest::Neutral,
            "all" | "+all" => return Rest::Anyone,
            _ => {
                if let Some(domain) = term.strip_prefix("redirect=") {
                    redirect = Some(domain.to_owned());
                }
            }
        }
    }
    redirect.map_or(Rest::Neutral, Rest::Elsewhere)
}

/// Where DMARC looks for the policy of a domain: below the domain, then below its parents, as
/// long as they have two labels.
pub fn dmarc_places(domain: &str) -> Vec<String> {
    let labels: Vec<&str> = domain.split('.').collect();
    (0..labels.len().saturating_sub(1))
        .map(|skipped| labels[skipped..].join("."))
        .take(8)
        .collect()
}

/// Reads the DMARC record among the TXT records below `at`, for mail from `domain`; `None` when
/// there is none.
pub fn dmarc(records: &[String], at: &str, domain: &str) -> Option<Dmarc> {
    let found: Vec<&String> = records
        .iter()
        .filter(|r| tag(r, "v").is_some_and(|v| v == "DMARC1"))
        .collect();
    let record = match found[..] {
        [] => return None,
        [record] => record,
        _ => return Some(Dmarc::Unusable(format!("{} records", found.len()))),
    };
    let inherited = if at == domain {
        None
    } else {
        tag(record, "sp")
    };
    let word = inherited.or_else(|| tag(record, "p"));
    let policy = match word.map(|p| p.to_ascii_lowercase()).as_deref() {
        Some("none") => Policy::None,
        Some("quarantine") => Policy::Quarantine,
        Some("reject") => Policy::Reject,
        _ => return Some(Dmarc::Unusable(record.clone())),
    };
    Some(Dmarc::One {
        at: at.to_owned(),
        policy,
    })
}

/// Reads a DKIM key from the TXT records of its selector.
pub fn key(records: &[String]) -> Key {
    let mut keys = records.iter().filter_map(|r| tag(r, "p")).peekable();
    if keys.peek().is_none() {
        Key::Absent
    } else if keys.all(str::is_empty) {
        Key::Withdrawn
    } else {
        Key::Present
    }
}

/// The value of a tag in a list `a=b; c=d` (RFC 6376 §3.2).
fn tag<'r>(record: &'r str, name: &str) -> Option<&'r str> {
    record.split(';').find_map(|part| {
        let (found, value) = part.split_once('=')?;
        (found.trim() == name).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(of: &[&str]) -> Vec<String> {
        of.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn spf_tells_what_becomes_of_those_it_does_not_name() {
        let rest_of = |record: &str| {
            let Spf::One { rest, .. } = spf(&records(&["other", record])) else {
                panic!("{record}");
            };
            rest
        };
        assert_eq!(rest_of("v=spf1 mx -all"), Rest::Refused);
        assert_eq!(rest_of("V=SPF1 include:_spf.example ~ALL"), Rest::Suspect);
        assert_eq!(rest_of("v=spf1 a"), Rest::Neutral);
        assert_eq!(rest_of("v=spf1 +all"), Rest::Anyone);
        assert_eq!(
            rest_of("v=spf1 redirect=_spf.mail.example"),
            Rest::Elsewhere("_spf.mail.example".to_owned())
        );
        assert_eq!(spf(&records(&["v=spf10 -all", "spf1"])), Spf::Missing);
        let two = records(&["v=spf1 mx -all", "v=spf1 -all"]);
        assert_eq!(spf(&two), Spf::Several(2));
    }

    #[test]
    fn dmarc_is_looked_for_upwards_and_inherited_by_its_own_word() {
        assert_eq!(
            dmarc_places("jetons.ville.example"),
            ["jetons.ville.example", "ville.example"]
        );
        assert!(dmarc_places("localhost").is_empty());
        let record = records(&["v=DMARC1; p=reject; sp=none; rua=mailto:d@ville.example"]);
        let policy = |at: &str, of: &str| {
            let Some(Dmarc::One { policy, .. }) = dmarc(&record, at, of) else {
                panic!("{at}");
            };
            policy
        };
        assert_eq!(policy("ville.example", "ville.example"), Policy::Reject);
        assert_eq!(
            policy("ville.example", "jetons.ville.example"),
            Policy::None
        );
        assert_eq!(dmarc(&records(&["v=spf1 -all"]), "a.b", "a.b"), None);
        let broken = records(&["v=DMARC1; p=refuse"]);
        assert!(matches!(
            dmarc(&broken, "a.b", "a.b"),
            Some(Dmarc::Unusable(_))
        ));
    }

    #[test]
    fn a_key_may_have_been_withdrawn() {
        assert_eq!(key(&records(&["v=DKIM1; k=rsa; p=MIIB"])), Key::Present);
        assert_eq!(key(&records(&["v=DKIM1; p="])), Key::Withdrawn);
        assert_eq!(key(&records(&["hello"])), Key::Absent);
    }
}
