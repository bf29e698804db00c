//! From the bytes of a webhook to an event: the two formats of Data Pass, and its test call.
//!
//! Only the fields that are used are read; whatever else a payload holds is never looked at and
//! never kept. Inside `data` every key may be missing, null, or something that cannot be used:
//! that is left out. What is needed to know which request it is about, what happened and when,
//! must be there.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value};

use crate::domain::address::Address;
use crate::domain::datapass::{Contact, Event, Kind};
use crate::domain::language::{is_hazardous, looks_like_jwt};
use crate::domain::token::{DatapassId, Role, Siret};

/// An event from further ahead than this is refused: a clock is wrong, and it is sent again.
const AHEAD: Duration = Duration::hours(1);

/// Longer names are cut.
const LONGEST_NAME: usize = 200;

/// Scopes kept at most.
const MOST_SCOPES: usize = 200;

/// People kept at most.
const MOST_PEOPLE: usize = 50;

/// What a webhook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Somebody tries the address out.
    Test,
    /// Something happened.
    Event(Box<Event>),
}

/// Why a body cannot be used. It never repeats the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It is not JSON.
    NotJson,
    /// It is JSON of another shape: the part that is missing or cannot be used.
    Shape(&'static str),
}

/// Reads the body of a webhook.
///
/// # Errors
/// Not JSON; neither the test call nor an event of a request.
pub fn read(body: &[u8], now: DateTime<Utc>) -> Result<Said, Unusable> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Unusable::NotJson)?;
    let Value::Object(top) = value else {
        return Err(Unusable::Shape("object"));
    };
    if top.get("test") == Some(&Value::Bool(true)) && !top.contains_key("event") {
        return Ok(Said::Test);
    }
    let kind = string(&top, "event")
        .and_then(Kind::parse)
        .ok_or(Unusable::Shape("event"))?;
    let fired_at = top
        .get("fired_at")
        .and_then(Value::as_i64)
        .filter(|at| *at > 0)
        .and_then(|at| DateTime::from_timestamp(at, 0))
        .filter(|at| *at <= now + AHEAD)
        .ok_or(Unusable::Shape("fired_at"))?;
    let none = Map::new();
    let data = object(&top, "data").unwrap_or(&none);
    let event = match (object(data, "pass"), string(&top, "model_type")) {
        (Some(pass), _) => older(pass, &top),
        (None, Some("Pass")) => return Err(Unusable::Shape("data.pass")),
        (None, Some(other)) if !other.starts_with("authorization_request/api_entreprise") => {
            return Err(Unusable::Shape("model_type"));
        }
        (None, _) => present(data, &top),
    };
    let Read {
        number,
        name,
        siret,
        scopes,
        mut people,
    } = event;
    people.truncate(MOST_PEOPLE);
    Ok(Said::Event(Box::new(Event {
        number: number.ok_or(Unusable::Shape("model_id"))?,
        kind,
        fired_at,
        name,
        siret,
        scopes,
        people,
    })))
}

/// What the two formats say in different places.
struct Read {
    number: Option<DatapassId>,
    name: Option<String>,
    siret: Option<Siret>,
    scopes: Option<Vec<String>>,
    people: Vec<Contact>,
}

/// The format of today: `data` is the request, and its own `data` what was filled in.
fn present(data: &Map<String, Value>, top: &Map<String, Value>) -> Read {
    let none = Map::new();
    let form = object(data, "data").unwrap_or(&none);
    let applicant = object(data, "applicant").unwrap_or(&none);
    let people = [
        contact(Role::Demandeur, applicant, ""),
        contact(Role::Metier, form, "contact_metier_"),
        contact(Role::Technique, form, "contact_technique_"),
    ];
    Read {
        number: number(top.get("model_id")).or_else(|| number(data.get("id"))),
        name: string(form, "intitule").and_then(words),
        siret: object(data, "organization")
            .and_then(|o| string(o, "siret"))
            .and_then(|s| Siret::parse(s).ok()),
        scopes: form
            .get("scopes")
            .and_then(Value::as_array)
            .map(|all| scopes(all.iter().filter_map(Value::as_str))),
        people: people.into_iter().flatten().collect(),
    }
}

/// The older format: the request is `data.pass`, its people are its team.
fn older(pass: &Map<String, Value>, top: &Map<String, Value>) -> Read {
    let chosen = pass.get("scopes").and_then(Value::as_object).map(|all| {
        let chosen = all.iter().filter(|(_, v)| **v == Value::Bool(true));
        scopes(chosen.map(|(scope, _)| scope.as_str()))
    });
    let team = pass.get("team_members").and_then(Value::as_array);
    let people = team.into_iter().flatten().filter_map(|member| {
        let member = member.as_object()?;
        let role = match string(member, "type")? {
            "demandeur" => Role::Demandeur,
            "responsable_technique" => Role::Technique,
            "contact_metier" => Role::Metier,
            // Those answer for the data, and have no part in the token.
            _ => return None,
        };
        contact(role, member, "")
    });
    Read {
        number: number(pass.get("id")).or_else(|| number(top.get("model_id"))),
        name: string(pass, "intitule").and_then(words),
        siret: string(pass, "siret").and_then(|s| Siret::parse(s).ok()),
        scopes: chosen,
        people: people.collect(),
    }
}

fn object<'v>(map: &'v Map<String, Value>, key: &str) -> Option<&'v Map<String, Value>> {
    map.get(key)?.as_object()
}

fn string<'v>(map: &'v Map<String, Value>, key: &str) -> Option<&'v str> {
    map.get(key)?.as_str()
}

/// A number of a request, also when it is written as a string.
fn number(value: Option<&Value>) -> Option<DatapassId> {
    let written = match value? {
        Value::Number(n) => n.as_u64()?.to_string(),
        Value::String(s) => s.clone(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    DatapassId::parse(&written).ok()
}

/// Someone with an address; the keys of the form carry their role before them.
fn contact(role: Role, of: &Map<String, Value>, prefix: &str) -> Option<Contact> {
    let part = |key: &str| string(of, &format!("{prefix}{key}"));
    let address = Address::parse(part("email")?.trim()).ok()?;
    let given = [part("given_name"), part("family_name")];
    let name: Vec<&str> = given.into_iter().flatten().collect();
    Some(Contact {
        role,
        address: Some(address),
        name: words(&name.join(" ")),
    })
}

/// A name as it can stand in a mail, on one line; nothing that looks like a token itself.
pub(super) fn words(written: &str) -> Option<String> {
    if looks_like_jwt(written) {
        return None;
    }
    let spaced: String = written
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_hazardous(*c))
        .collect();
    let parts: Vec<&str> = spaced.split_whitespace().collect();
    let name: String = parts.join(" ").chars().take(LONGEST_NAME).collect();
    (!name.is_empty()).then_some(name)
}

/// The scopes that can be ones, each once, in their order by name.
fn scopes<'s>(written: impl Iterator<Item = &'s str>) -> Vec<String> {
    let ok = |s: &&str| {
        (1..=100).contains(&s.len())
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
            && !looks_like_jwt(s)
    };
    let mut all: Vec<String> = written.filter(ok).map(str::to_owned).collect();
    all.sort();
    all.dedup();
    all.truncate(MOST_SCOPES);
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    fn event(value: &Value) -> Event {
        match read(value.to_string().as_bytes(), now()).unwrap() {
            Said::Event(event) => *event,
            Said::Test => panic!("a test call"),
        }
    }

    fn people(event: &Event) -> Vec<(&'static str, String, Option<&str>)> {
        let address = |c: &Contact| c.address.as_ref().unwrap().to_string();
        let all = event.people.iter();
        all.map(|c| (c.role.word(), address(c), c.name.as_deref()))
            .collect()
    }

    #[test]
    fn the_present_format_is_read() {
        let said = event(&json!({
            "event": "submit", "fired_at": 1_780_000_000,
            "model_type": "authorization_request/api_entreprise", "model_id": 9001,
            "data": {
                "id": 9001, "public_id": "5f9e", "state": "submitted", "form_uid": "api-entreprise",
                "organization": {"id": 1, "name": "Ville d’Exemple", "siret": "13002526500013"},
                "applicant": {"id": 2, "email": "C.Martin@ville.example", "given_name": "Camille",
                    "family_name": "Martin", "job_title": "DGS", "phone_number": "0123456789"},
                "data": {
                    "intitule": "Marchés\u{202e} publics\n", "scopes": ["entreprises", "a b", "entreprises"],
                    "contact_technique_email": "tech@editeur.example",
                    "contact_technique_family_name": "Durand",
                    "contact_metier_email": null,
                },
            },
        }));
        assert_eq!(said.number.as_str(), "9001");
        assert_eq!(said.kind, Kind::Submit);
        assert_eq!(said.fired_at.timestamp(), 1_780_000_000);
        assert_eq!(said.name.as_deref(), Some("Marchés publics"));
        assert_eq!(said.siret.as_ref().unwrap().as_str(), "13002526500013");
        assert_eq!(
            said.scopes.as_deref(),
            Some(&["entreprises".to_owned()][..])
        );
        assert_eq!(
            people(&said),
            [
                (
                    "demandeur",
                    "C.Martin@ville.example".to_owned(),
                    Some("Camille Martin")
                ),
                (
                    "technique",
                    "tech@editeur.example".to_owned(),
                    Some("Durand")
                ),
            ]
        );
    }

    #[test]
    fn the_older_format_is_read() {
        let said = event(&json!({
            "event": "validate", "fired_at": 1_628_253_953, "model_type": "Pass",
            "data": {"pass": {
                "id": 11244, "status": "validated", "siret": "13002526500013", "intitule": "Marchés publics",
                "scopes": {"entreprises": true, "etablissements": false},
                "team_members": [
                    {"type": "demandeur", "email": "c.martin@ville.example", "given_name": "Camille", "family_name": null},
                    {"type": "responsable_technique", "email": "tech@editeur.example"},
                    {"type": "delegue_protection_donnees", "email": "dpo@ville.example"},
                    {"type": "contact_metier", "email": "not an address"},
                    null,
                ],
                "copied_from_enrollment_id": null, "previous_enrollment_id": 11000,
            }},
        }));
        assert_eq!(
            (said.number.as_str(), &said.kind),
            ("11244", &Kind::Approve)
        );
        assert_eq!(
            said.scopes.as_deref(),
            Some(&["entreprises".to_owned()][..])
        );
        assert_eq!(
            people(&said),
            [
                (
                    "demandeur",
                    "c.martin@ville.example".to_owned(),
                    Some("Camille")
                ),
                ("technique", "tech@editeur.example".to_owned(), None),
            ]
        );
    }

    #[test]
    fn what_is_inside_may_be_missing_null_or_of_another_kind() {
        let bare = json!({"event": "update", "fired_at": 1, "model_id": "9001"});
        assert!(event(&bare).people.is_empty());
        for inner in [
            json!(null),
            json!([]),
            json!({"applicant": null, "organization": [], "data": null}),
            json!({"applicant": {"email": 7}, "organization": {"siret": "1"}, "data": {"scopes": "x", "intitule": {}}}),
        ] {
            let mut value = bare.clone();
            value["data"] = inner;
            let said = event(&value);
            assert_eq!((said.name, said.siret, said.scopes), (None, None, None));
        }
        let unknown = event(&json!({"event": "notify", "fired_at": 1, "model_id": 1}));
        assert_eq!(unknown.kind, Kind::Other("notify".to_owned()));
        // The request's own id stands in.
        let by_id = event(&json!({"event": "update", "fired_at": 1, "data": {"id": 7}}));
        assert_eq!(by_id.number.as_str(), "7");
    }

    #[test]
    fn the_test_call_is_no_event() {
        let said = read(
            br#"{"test":true,"timestamp":"2026-11-22T09:00:00Z"}"#,
            now(),
        );
        assert_eq!(said, Ok(Said::Test));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_part() {
        let of = |body: &str| read(body.as_bytes(), now()).unwrap_err();
        for not_json in [
            "",
            "{",
            "event=approve",
            "{\"event\":\"approve\"} x",
            &"[".repeat(9999),
        ] {
            assert_eq!(of(not_json), Unusable::NotJson);
        }
        assert_eq!(read(b"{\"event\":\"\xff\"}", now()), Err(Unusable::NotJson));
        let shape = |value: Value| of(&value.to_string());
        let good = json!({"event": "approve", "fired_at": 1, "model_id": 1});
        let with = |key: &str, value: Value| {
            let mut changed = good.clone();
            changed[key] = value;
            shape(changed)
        };
        for other in [json!([]), json!(7), json!("approve"), json!(null)] {
            assert_eq!(shape(other), Unusable::Shape("object"));
        }
        assert_eq!(shape(json!({})), Unusable::Shape("event"));
        assert_eq!(shape(json!({"test": false})), Unusable::Shape("event"));
        assert_eq!(with("event", json!("a b")), Unusable::Shape("event"));
        for at in [
            json!(0),
            json!(-1),
            json!("1"),
            json!(1.5),
            json!(1_628_253_953_000_i64),
            json!(null),
        ] {
            assert_eq!(with("fired_at", at), Unusable::Shape("fired_at"));
        }
        for id in [
            json!(null),
            json!(-1),
            json!(1.5),
            json!("../../x"),
            json!(""),
        ] {
            assert_eq!(with("model_id", id), Unusable::Shape("model_id"));
        }
        assert_eq!(
            with("model_type", json!("Pass")),
            Unusable::Shape("data.pass")
        );
        assert_eq!(
            with("model_type", json!("authorization_request/api_particulier")),
            Unusable::Shape("model_type")
        );
    }
}
