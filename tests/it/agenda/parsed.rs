//! A calendar as a parser that is not ours reads it, and what every line of it must keep to.

use std::collections::BTreeMap;

use icalendar::parser::{Component, read_calendar, unfold};

/// Octets of a line without its end (RFC 5545 §3.1).
const LONGEST: usize = 75;

/// A calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Its own properties.
    pub(crate) own: BTreeMap<String, String>,
    pub(crate) events: Vec<Parts>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    values: BTreeMap<String, String>,
    /// The alarms: trigger and words.
    pub(crate) alarms: Vec<(String, String)>,
}

impl Parts {
    /// The value of a property that stands there once, unescaped.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    pub(crate) fn sequence(&self) -> i64 {
        self.get("SEQUENCE").parse().unwrap()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.get("STATUS") == "CANCELLED"
    }

    /// Its first day, and the one after its last.
    pub(crate) fn days(&self) -> (&str, &str) {
        (self.get("DTSTART"), self.get("DTEND"))
    }
}

/// Reads a calendar; every line that breaks the rules of its form is a failure.
pub(crate) fn parsed(text: &str) -> Parsed {
    let body = text.strip_suffix("\r\n").expect("the last line ends");
    for line in body.split("\r\n") {
        assert!(line.len() <= LONGEST, "{} octets: {line:?}", line.len());
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.trim().is_empty() || line.starts_with(' '), "empty");
    }
    let unfolded = unfold(text);
    let calendar = read_calendar(&unfolded).unwrap_or_else(|e| panic!("{e}: {unfolded}"));
    let own = calendar.properties.iter().map(|p| match p.name.as_str() {
        // This parser takes the escapes off the values that it knows to be TEXT, this one not.
        "NAME" => ("NAME".to_owned(), p.val.clone().unescape_text().to_string()),
        name => (name.to_owned(), p.val.to_string()),
    });
    let events = calendar.components.iter().map(event).collect();
    Parsed {
        own: once(own),
        events,
    }
}

fn event(component: &Component<'_>) -> Parts {
    assert_eq!(component.name.as_str(), "VEVENT");
    let alarms = component.components.iter().map(|alarm| {
        assert_eq!(alarm.name.as_str(), "VALARM");
        let values = values(alarm);
        assert_eq!(values["ACTION"], "DISPLAY");
        (values["TRIGGER"].clone(), values["DESCRIPTION"].clone())
    });
    let alarms = alarms.collect();
    for date in ["DTSTART", "DTEND"] {
        let property = component.find_prop(date).unwrap();
        let kind = property.params.iter().find(|p| p.key.as_str() == "VALUE");
        let kind = kind.and_then(|p| p.val.as_ref()).map(|v| v.to_string());
        assert_eq!(kind.as_deref(), Some("DATE"));
    }
    Parts {
        values: values(component),
        alarms,
    }
}

fn values(component: &Component<'_>) -> BTreeMap<String, String> {
    let values = component.properties.iter();
    once(values.map(|p| (p.name.to_string(), p.val.to_string())))
}

fn once(all: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for (name, value) in all {
        assert!(
            map.insert(name.clone(), value).is_none(),
            "{name} stands there twice"
        );
    }
    map
}
