//! What is in force and why: each key with its value and the line it comes from.
//!
//! This backs `config show`. Secrets are shown as where they are, never as what they hold: a
//! file with a password in it was refused before.

use std::fmt;

use toml::de::DeValue;

use crate::config::keys::{self, Key};
use crate::config::reader::Table;
use crate::config::source::Source;
use crate::config::syntax::SINGLE_TOKEN;
use crate::config::{Config, Transport};

/// One key with the value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The path, as `mail.smtp.host` or `token.marches-publics.issued`.
    pub key: String,
    /// The value as TOML; `None` when it is not set and has no default.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it.
    Default,
    /// A line of a file.
    Written {
        /// The file as the user gave it.
        file: String,
        /// Line from 1.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Written { file, line } => write!(f, "{file}:{line}"),
        }
    }
}

/// The keys of the tables that stand once.
pub(super) fn settings(roots: &[Table<'_>], sources: &[Source], config: &Config) -> Vec<Effective> {
    let mut rows = Vec::new();
    let Some(main) = roots.first() else {
        return rows;
    };
    for kind in keys::single_tables() {
        for key in keys::keys_of(kind) {
            rows.extend(single(main, kind, key, sources, config));
        }
    }
    rows
}

/// All keys: those of the tables that stand once, then those of groups, clients and tokens.
pub(super) fn list(roots: &[Table<'_>], sources: &[Source], config: &Config) -> Vec<Effective> {
    let mut rows = config.shown.clone();
    let Some(main) = roots.first() else {
        return rows;
    };
    for (list, kind) in [("groups", "groups.*"), ("clients", "clients.*")] {
        for root in roots {
            let tables = root.entries.get(list).and_then(|v| v.get_ref().as_table());
            for (name, table) in tables.into_iter().flatten() {
                let prefix = format!("{list}.{}", key_text(name.get_ref()));
                written(table.get_ref(), kind, &prefix, root, sources, &mut rows);
            }
        }
    }
    let channels = main.entries.get("notify");
    for channel in channels
        .and_then(|v| v.get_ref().as_array())
        .into_iter()
        .flat_map(|c| c.iter())
    {
        let name = channel
            .get_ref()
            .get("name")
            .and_then(|v| v.get_ref().as_str());
        let prefix = format!("notify.{}", key_text(name.unwrap_or_default()));
        written(
            channel.get_ref(),
            "notify",
            &prefix,
            main,
            sources,
            &mut rows,
        );
    }
    for root in roots {
        for list in [SINGLE_TOKEN, "token"] {
            let tokens = root.entries.get(list).and_then(|v| v.get_ref().as_array());
            for token in tokens.into_iter().flat_map(|t| t.iter()) {
                let id = token.get_ref().get("id").and_then(|v| v.get_ref().as_str());
                let prefix = format!("token.{}", key_text(id.unwrap_or_default()));
                written(token.get_ref(), "token", &prefix, root, sources, &mut rows);
            }
        }
    }
    rows
}

fn single(
    main: &Table<'_>,
    kind: &str,
    key: &Key,
    sources: &[Source],
    config: &Config,
) -> Option<Effective> {
    // What is in these tables is listed one by one.
    if matches!(
        key.path().as_str(),
        "mail.smtp.timeouts" | "mail.bounces" | "web.auth.proxy"
    ) {
        return None;
    }
    let mut table = main.entries;
    let mut parts = kind.split('.').filter(|p| !p.is_empty());
    let inner = parts.try_for_each(|part| {
        table = table.get(part)?.get_ref().as_table()?;
        Some(())
    });
    let value = inner.and_then(|()| table.get(key.name));
    Some(match value {
        Some(value) => Effective {
            key: key.path(),
            value: Some(match (key.path().as_str(), value.get_ref()) {
                // Its path is a key.
                ("heartbeat.url", DeValue::String(url)) => string_text(&masked(url)),
                (_, value) => toml_text(value),
            }),
            origin: origin(value.span().start, main, sources),
        },
        None => Effective {
            key: key.path(),
            value: default(key, config),
            origin: Origin::Default,
        },
    })
}

/// The default in force; the port's follows from the encryption.
fn default(key: &Key, config: &Config) -> Option<String> {
    match (&config.mail.transport, key.path().as_str()) {
        (Transport::Smtp(smtp), "mail.smtp.port") => Some(smtp.port.to_string()),
        _ => key.default.map(str::to_owned),
    }
}

/// An address down to its host: the rest may be a key.
fn masked(url: &str) -> String {
    url::Url::parse(url).map_or_else(
        |_| "…".to_owned(),
        |url| {
            format!(
                "{}://{}/…",
                url.scheme(),
                url.host_str().unwrap_or_default()
            )
        },
    )
}

/// One row for each key that is written in a table of a list.
fn written(
    table: &DeValue<'_>,
    kind: &str,
    prefix: &str,
    root: &Table<'_>,
    sources: &[Source],
    rows: &mut Vec<Effective>,
) {
    for key in keys::keys_of(kind) {
        if let Some(value) = table.get(key.name) {
            rows.push(Effective {
                key: format!("{prefix}.{}", key.name),
                value: Some(match (kind, key.name, value.get_ref()) {
                    // Its path may be a key.
                    ("notify", "url", DeValue::String(url)) => string_text(&masked(url)),
                    (_, _, value) => toml_text(value),
                }),
                origin: origin(value.span().start, root, sources),
            });
        }
    }
}

fn origin(offset: usize, root: &Table<'_>, sources: &[Source]) -> Origin {
    let source = &sources[root.file.source];
    Origin::Written {
        file: source.name().to_owned(),
        line: source.line_index(offset) + 1,
    }
}

/// A name as it stands in a path: bare when TOML allows it.
fn key_text(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        string_text(name)
    }
}

fn string_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A value on one line.
fn toml_text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(s) => string_text(s),
        DeValue::Integer(n) => n.to_string(),
        DeValue::Float(n) => n.to_string(),
        DeValue::Boolean(b) => b.to_string(),
        DeValue::Datetime(d) => d.to_string(),
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(|i| toml_text(i.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(entries) => {
            let entry = |(k, v): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let name: &std::borrow::Cow<'_, str> = k.get_ref();
                let value = match v.get_ref() {
                    // The hash of one: what can be tried against it offline is not shown.
                    DeValue::String(_) if name == "password" => string_text("…"),
                    value => toml_text(value),
                };
                format!("{} = {value}", key_text(name))
            };
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}
