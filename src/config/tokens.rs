//! `[[token]]`: from tables to declared tokens, and what holds between tokens. Of a token's own
//! text what is written is where it is; nothing of it is read here.

use std::collections::HashMap;
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::config::SecretSource;
use crate::config::diagnostic::{Report, Span, again_here, first_here};
use crate::config::people::People;
use crate::config::reader::Table;
use crate::config::scalar::Value;
use crate::config::secret::{self, Need};
use crate::config::settings::Settings;
use crate::config::syntax::SINGLE_TOKEN;
use crate::config::values::instant;
use crate::domain::language::{Lang, Text, text};
use crate::domain::token::{ClientRef, DatapassId, Declared, Jti, Recipient, Role, Siret, TokenId};

/// Reads the tokens of all files, in order of declaration.
pub(super) fn read(
    roots: &[Table<'_>],
    settings: &Settings,
    people: &mut People,
    directory: &Path,
    now: DateTime<Utc>,
    report: &mut Report,
) -> Vec<Read> {
    let mut reading = Reading {
        settings,
        people,
        directory,
        now,
        seen: Seen::default(),
    };
    let mut tokens = Vec::new();
    for root in roots {
        let mut tables = root.tables(SINGLE_TOKEN, "token", report);
        tables.extend(root.tables("token", "token", report));
        tables.sort_by_key(|t| t.span.range.start);
        for table in tables {
            let secret = reading.secret(&table, report);
            let declared = reading.token(&table, report);
            tokens.extend(declared.map(|declared| Read {
                declared,
                written: Written::of(&table),
                secret,
            }));
        }
    }
    tokens
}

/// A token of the files.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) declared: Declared,
    pub(super) written: Written,
    /// Where its own text is, if the API is to be asked about it.
    pub(super) secret: Option<SecretSource>,
}

/// Where a token stands in the files.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// Its header.
    pub(super) table: Span,
    /// Its date that decides when it expires.
    pub(super) date: Span,
}

impl Written {
    fn of(table: &Table<'_>) -> Self {
        let date = table.get("expires").or_else(|| table.get("issued"));
        Self {
            table: table.span.clone(),
            date: date.map_or_else(|| table.span.clone(), |v| v.span),
        }
    }
}

struct Reading<'r> {
    settings: &'r Settings,
    people: &'r mut People,
    directory: &'r Path,
    now: DateTime<Utc>,
    seen: Seen,
}

/// Where what should be unique was first written.
#[derive(Default)]
struct Seen {
    ids: HashMap<String, Span>,
    links: HashMap<String, Span>,
    jtis: HashMap<String, Span>,
    secrets: HashMap<String, Span>,
}

impl Reading<'_> {
    fn token(&mut self, table: &Table<'_>, report: &mut Report) -> Option<Declared> {
        table.check_keys(report);
        let id = table
            .require("id", report)
            .and_then(|v| self.id(&v, report));
        let name = table.require("name", report).and_then(|v| v.words(report));
        let (issued, expires) = self.dates(table, report);
        let datapass_id = table.get("datapass_id").and_then(|v| {
            let number = v.text_or_number(report)?;
            let number = v.accept(DatapassId::parse(&number), report)?;
            let link = text!(
                "another token has this Data Pass number: both would get one link",
                "un autre jeton a ce numéro Data Pass : tous deux auraient le même lien"
            );
            once(&mut self.seen.links, number.as_str(), &v, link, report);
            Some(number)
        });
        let jti = table.get("jti").and_then(|v| {
            let jti = v.parsed(report, Jti::parse)?;
            let same = text!("another token has this jti", "un autre jeton a ce jti");
            once(&mut self.seen.jtis, jti.as_str(), &v, same, report);
            Some(jti)
        });
        let siret = table.get("siret").and_then(|v| {
            let siret = v.text_or_number(report)?;
            v.accept(Siret::parse(&siret), report)
        });
        let mut words = |key| -> Vec<String> {
            let value = table.get(key);
            let items = value.map(|v| v.one_or_many(report)).unwrap_or_default();
            items.iter().filter_map(|i| i.words(report)).collect()
        };
        let (used_by, tags) = (words("used_by"), words("tags"));
        let client = table
            .get("client")
            .and_then(|v| self.people.client(&v, report));
        let language = table
            .get("language")
            .and_then(|v| v.parsed(report, Lang::parse));
        let own = table
            .get("recipients")
            .map(|v| self.people.entries(&v, report))
            .unwrap_or_default();

        let owner = client.as_deref().and_then(|key| self.people.client_of(key));
        let language = language
            .or(owner.and_then(|c| c.language))
            .unwrap_or(self.settings.language);
        let contact = owner
            .and_then(|c| c.contact.as_ref())
            .unwrap_or(&self.settings.contact);
        let mut recipients = self.people.recipients(&own, owner, language);
        warn_of_few(table, recipients.len(), report);
        if recipients.is_empty() {
            recipients.push(Recipient {
                address: contact.clone(),
                name: None,
                role: Role::Observer,
                language,
                from_stage: None,
            });
        }
        Some(Declared {
            id: id?,
            name: name?,
            issued,
            expires: expires?,
            datapass_id,
            jti,
            siret,
            used_by,
            tags,
            client: client.as_ref().zip(owner).map(|(key, c)| ClientRef {
                key: key.clone(),
                name: c.name.clone(),
            }),
            contact: contact.clone(),
            language,
            recipients,
        })
    }

    /// Where the token's own text is.
    fn secret(&mut self, table: &Table<'_>, report: &mut Report) -> Option<SecretSource> {
        let value = table.get("secret")?;
        let source = secret::source(&value, &secret::TOKEN, self.directory, Need::Aside, report)?;
        let same = text!(
            "another token has its text in the same place: each has a text of its own",
            "un autre jeton a son texte au même endroit : chacun a le sien"
        );
        once(
            &mut self.seen.secrets,
            &source.to_string(),
            &value,
            same,
            report,
        );
        Some(source)
    }

    fn id(&mut self, value: &Value<'_>, report: &mut Report) -> Option<TokenId> {
        let id = value.parsed(report, TokenId::parse)?;
        if let Some(first) = self.seen.ids.get(id.as_str()) {
            report
                .error(
                    &value.span,
                    text!(
                        "the id \"{id}\" is taken: each token needs its own",
                        "l’identifiant \"{id}\" est déjà pris : chaque jeton a le sien"
                    ),
                )
                .label(again_here())
                .also(first.clone(), first_here());
        } else {
            let place = value.span.clone();
            self.seen.ids.insert(id.as_str().to_owned(), place);
        }
        Some(id)
    }

    /// The issue date if it is written, and the expiry: as written, else by the validity.
    fn dates(
        &self,
        table: &Table<'_>,
        report: &mut Report,
    ) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        let calendar = &self.settings.calendar;
        let (issued_value, expires_value) = (table.get("issued"), table.get("expires"));
        if issued_value.is_none() && expires_value.is_none() {
            table.report_missing("issued", report);
        }
        let issued = issued_value
            .as_ref()
            .and_then(|v| instant(v, calendar, report));
        let written = expires_value
            .as_ref()
            .and_then(|v| instant(v, calendar, report));
        if let (Some(i), Some(e), Some(value), Some(first)) =
            (issued, written, &expires_value, &issued_value)
            && e <= i
        {
            report
                .error(
                    &value.span,
                    text!(
                        "the token expires before it is issued",
                        "le jeton expire avant d’être émis"
                    ),
                )
                .also(first.span.clone(), text!("issued here", "émis ici"));
        }
        if let (Some(i), Some(value)) = (issued, &issued_value)
            && calendar.days_between(self.now, i) > 1
        {
            report.warning(
                &value.span,
                text!(
                    "this date of issue is in the future",
                    "cette date d’émission est dans le futur"
                ),
            );
        }
        let expires = match (&expires_value, issued) {
            (Some(_), _) => written,
            (None, Some(i)) => Some(calendar.add_months(i, self.settings.validity_months)),
            (None, None) => None,
        };
        if let (Some(e), Some(value)) = (expires, expires_value.as_ref().or(issued_value.as_ref()))
            && e < self.now
        {
            let on = calendar.date(e);
            report.warning(
                &value.span,
                text!("this token expired on {on}", "ce jeton a expiré le {on}"),
            );
        }
        (issued, expires)
    }
}

/// Warns when a value was already written for another token.
fn once(
    seen: &mut HashMap<String, Span>,
    written: &str,
    value: &Value<'_>,
    message: Text,
    report: &mut Report,
) {
    if let Some(first) = seen.get(written) {
        report
            .warning(&value.span, message)
            .label(again_here())
            .also(first.clone(), first_here());
    } else {
        seen.insert(written.to_owned(), value.span.clone());
    }
}

fn warn_of_few(table: &Table<'_>, recipients: usize, report: &mut Report) {
    let span = table
        .get("recipients")
        .map_or_else(|| table.span.clone(), |v| v.span);
    match recipients {
        0 => {
            report
                .warning(
                    &span,
                    text!(
                        "this token has no recipient: only the contact is told",
                        "ce jeton n’a pas de destinataire : seul le contact est prévenu"
                    ),
                )
                .help(text!(
                    "write recipients = [\"c.martin@ville.example\", \"dsi@ville.example\"]",
                    "écrire recipients = [\"c.martin@ville.example\", \"dsi@ville.example\"]"
                ));
        }
        1 => {
            report.warning(
                &span,
                text!(
                    "this token has a single recipient: if they are away, nobody knows",
                    "ce jeton n’a qu’un destinataire : s’il est absent, personne ne sait"
                ),
            );
        }
        _ => {}
    }
}
