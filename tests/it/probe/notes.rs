//! What people are told of the API's answers: who, once, in which words.

use chrono::{DateTime, Duration, Utc};
use jetond::app;
use jetond::config::SecretSource;
use jetond::delivery::news;
use jetond::domain::language::Text;
use jetond::domain::probing::{Known, follow};
use jetond::domain::verdict::{Case, Reading};
use mail_parser::MessageParser;

use crate::mail::typography::faults;
use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Script, SmtpServer};

pub(super) const CONTACT: &str = "dsi@ville.example";

/// An answer of this case.
pub(super) fn reading(case: Case, status: u16, codes: &[&str]) -> Reading {
    Reading {
        case,
        status: Some(status),
        codes: codes.iter().map(|c| (*c).to_owned()).collect(),
        scopes: None,
        volume: None,
        return_at: None,
        said: String::new(),
    }
}

/// … which says that the token works, with these rights.
pub(crate) fn alive(scopes: &[&str]) -> Reading {
    Reading {
        scopes: Some(scopes.iter().map(|s| (*s).to_owned()).collect()),
        ..reading(Case::Complete, 200, &[])
    }
}

pub(super) fn blacklisted() -> Reading {
    reading(Case::Blacklisted, 401, &["00105"])
}

/// What the daemon does with an answer at the town's present.
pub(crate) async fn hear(town: &Town, id: &str, reading: &Reading) {
    let store = town.store();
    let watched = store.watched(&[id]).await.unwrap().remove(0);
    assert!(
        store
            .ask_begins(watched.no, watched.known.asked_at, town.now)
            .await
            .unwrap()
    );
    let known = Known {
        asked_at: Some(town.now),
        ..watched.known.clone()
    };
    let (next, follows) = follow(&known, reading, watched.dates.expires, town.now);
    let mut tx = store.begin().await.unwrap();
    tx.put_answer(&watched, &next, reading, town.now)
        .await
        .unwrap();
    let desk = app::desk(town.config());
    let notes = news::probe::notes(&mut tx, &desk, watched.no, &follows, reading, town.now)
        .await
        .unwrap();
    tx.settle(&[], &notes, town.now).await.unwrap();
    tx.commit().await.unwrap();
}

/// The same answer on two days, an hour apart: the second makes it what is believed.
pub(super) async fn hear_twice(town: &mut Town, id: &str, reading: &Reading) {
    hear(town, id, reading).await;
    town.now += Duration::minutes(70);
    hear(town, id, reading).await;
}

pub(super) fn config(port: u16, lang: &str) -> String {
    let recipients = format!(
        "recipients = [\n  {{ email = \"c.martin@ville.example\", name = \"Camille Martin\", role = \"demandeur\" }},\n  \
         {{ email = \"tech@editeur.example\", language = \"{lang}\", from_stage = 15 }},\n]\nused_by = [\"Portail des marchés\"]\n"
    );
    let token = token("marches", "2027-03-15", &[]).replace("recipients = []\n", &recipients);
    head(port).replace("language = \"fr\"", &format!("language = \"{lang}\"")) + &token
}

/// The notes, as (kind, address), sorted.
pub(super) async fn told(town: &Town) -> Vec<(String, String)> {
    let mut notes = town.notes().await;
    notes.sort();
    notes
}

pub(super) fn of(kind: &str, people: &[&str]) -> Vec<(String, String)> {
    let note = |p: &&str| (format!("note_probe_{kind}"), (*p).to_owned());
    people.iter().map(note).collect()
}

/// The mails taken by the server: address, subject and text.
pub(super) fn taken(server: &SmtpServer) -> Vec<String> {
    server
        .accepted()
        .iter()
        .map(|m| {
            let parsed = MessageParser::default().parse(&m.bytes).unwrap();
            let to = parsed.to().unwrap().first().unwrap().address().unwrap();
            let subject = parsed.subject().unwrap();
            format!("To: {to}\n{subject}\n\n{}", parsed.body_text(0).unwrap())
        })
        .collect()
}

/// The last mail to the contact, sent after `then` has happened in a town.
async fn mail<F: AsyncFnOnce(&mut Town)>(lang: &str, now: DateTime<Utc>, then: F) -> String {
    let server = SmtpServer::start(Script::new());
    let mut town = Town::start(&config(server.port(), lang), now).await;
    then(&mut town).await;
    town.rig().deliver(town.now).await.unwrap();
    let mails = taken(&server);
    let of_contact: Vec<&String> = mails
        .iter()
        .filter(|m| m.starts_with(&format!("To: {CONTACT}\n")))
        .collect();
    let mail = of_contact.last().unwrap().replace('\r', "");
    if lang == "fr" {
        assert_eq!(faults(&prose(&mail)), Vec::<String>::new(), "{mail}");
    } else {
        assert!(!prose(&mail).contains(['\'', '"']), "{mail}");
    }
    mail.replace('\u{a0}', "~")
}

/// A mail without its header line and its commands.
fn prose(mail: &str) -> String {
    let (_, said) = mail.split_once('\n').unwrap();
    said.split('`').step_by(2).collect()
}

async fn snapshots<F: AsyncFn(&mut Town)>(name: &str, now: &str, then: F) {
    for lang in ["en", "fr"] {
        let mail = mail(lang, at(now), async |town: &mut Town| then(town).await).await;
        insta::assert_snapshot!(format!("{name}_{lang}"), mail);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_withdrawn_is_told_to_everybody_once_and_its_return_to_the_same() {
    let everybody = ["c.martin@ville.example", CONTACT, "tech@editeur.example"];
    let server = SmtpServer::start(Script::new());
    let mut town = Town::start(&config(server.port(), "fr"), at("2026-06-01T08:00:00Z")).await;
    hear(&town, "marches", &blacklisted()).await;
    assert_eq!(town.notes().await, [], "one answer is a suspicion");
    town.now += Duration::minutes(70);
    hear(&town, "marches", &blacklisted()).await;
    assert_eq!(told(&town).await, of("dead", &everybody));

    // The same day; and then no more, however often it is heard.
    town.rig().deliver(town.now).await.unwrap();
    assert_eq!(server.accepted().len(), 3);
    for _ in 0..5 {
        town.now += Duration::days(1);
        hear(&town, "marches", &blacklisted()).await;
    }
    assert_eq!(told(&town).await.len(), 3);

    town.now += Duration::days(1);
    hear(&town, "marches", &alive(&[])).await;
    let healed = of("healed", &everybody);
    assert_eq!(told(&town).await, [of("dead", &everybody), healed].concat());

    // Another death is another alarm.
    town.now += Duration::days(1);
    hear_twice(&mut town, "marches", &blacklisted()).await;
    town.rig().deliver(town.now).await.unwrap();
    town.now += Duration::days(1);
    hear(&town, "marches", &alive(&[])).await;
    assert_eq!(told(&town).await.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_service_are_told_of_no_token() {
    let mut town = Town::start(&config(9, "fr"), at("2026-06-01T08:00:00Z")).await;
    for case in [
        Case::InternalError,
        Case::ProviderError,
        Case::Unavailable,
        Case::TooSlow,
        Case::GatewayError,
        Case::NoAnswer,
        Case::NotUnderstood,
        Case::OverVolume,
    ] {
        hear_twice(&mut town, "marches", &reading(case, 500, &[])).await;
        town.now += Duration::days(1);
    }
    assert_eq!(town.notes().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prolonged_token_is_asked_about_once_in_its_period() {
    let mut town = Town::start(&config(9, "fr"), at("2027-03-17T08:00:00Z")).await;
    for _ in 0..4 {
        hear(&town, "marches", &alive(&[])).await;
        town.now += Duration::days(1);
    }
    assert_eq!(told(&town).await, of("prolonged", &[CONTACT]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_that_the_date_foretold_is_proven_by_the_reminder_alone() {
    for (schedule, kinds) in [
        ("", 0),
        ("[schedule]\nafter_expiry = []\nthen_every = 0\n", 1),
    ] {
        let text = config(9, "fr").replace("[[token]]", &format!("{schedule}[[token]]"));
        let mut town = Town::start(&text, at("2027-03-17T08:00:00Z")).await;
        let expired = reading(Case::Expired, 401, &["00103"]);
        hear_twice(&mut town, "marches", &expired).await;
        town.now += Duration::days(1);
        hear(&town, "marches", &expired).await;
        let told = told(&town).await;
        assert_eq!(told.len(), kinds, "{told:?}");
        assert!(told.iter().all(|n| n.0 == "note_probe_expired"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_change_are_told_once() {
    let mut town = Town::start(&config(9, "fr"), at("2026-06-01T08:00:00Z")).await;
    for scopes in [
        &["entreprises", "attestation_fiscale_dgfip"][..],
        &["attestation_fiscale_dgfip", "entreprises"],
        &["entreprises"],
        &["entreprises"],
    ] {
        hear(&town, "marches", &alive(scopes)).await;
        town.now += Duration::days(1);
    }
    assert_eq!(told(&town).await, of("scopes", &[CONTACT]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_allowed_is_told_once() {
    let mut town = Town::start(&config(9, "fr"), at("2026-06-01T08:00:00Z")).await;
    let refused = reading(Case::AddressNotAllowed, 403, &["00107"]);
    for _ in 0..3 {
        hear(&town, "marches", &refused).await;
        town.now += Duration::days(1);
    }
    assert_eq!(told(&town).await, of("address", &[CONTACT]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_withdrawn_token() {
    snapshots("revoked", "2026-06-01T08:00:00Z", async |town| {
        hear_twice(town, "marches", &blacklisted()).await;
    })
    .await;
}

/// All that were asked about: it may be at the API.
#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_token_that_is_refused_with_all_others() {
    snapshots("common", "2026-06-01T08:00:00Z", async |town| {
        let others = ["autre", "encore"].map(|id| token(id, "2027-03-15", &[]));
        let text = std::fs::read_to_string(town.file()).unwrap() + &others.concat();
        town.reload(&text).await;
        for id in ["autre", "encore"] {
            hear(town, id, &blacklisted()).await;
        }
        hear_twice(town, "marches", &blacklisted()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_token_that_is_not_known() {
    snapshots("unknown", "2026-06-01T08:00:00Z", async |town| {
        let unknown = reading(Case::TokenNotFound, 401, &["00106"]);
        hear_twice(town, "marches", &unknown).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_token_that_may_have_been_lost_on_the_way() {
    snapshots("not_authorised", "2026-06-01T08:00:00Z", async |town| {
        let missing = reading(Case::NotAuthorised, 401, &["00101"]);
        hear_twice(town, "marches", &missing).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_token_that_cannot_be_asked_about() {
    snapshots("hindered", "2026-06-02T08:00:00Z", async |town| {
        let token = town.store().watched(&["marches"]).await.unwrap().remove(0);
        let desk = app::desk(town.config());
        let why = SecretSource::File(town.dir().join("absent.jwt")).resolve();
        let why = why.unwrap_err().0;
        let why = Text {
            en: why.en.replace(town.dir().to_str().unwrap(), "DIR"),
            fr: why.fr.replace(town.dir().to_str().unwrap(), "DIR"),
        };
        let since = town.now - Duration::days(1);
        let about = (since, &why);
        let notes = news::probe::hindered::notes(town.store(), &desk, token.no, about, town.now);
        let notes = notes.await.unwrap();
        let queued = town.store().settle(&[], &notes, town.now);
        queued.await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_token_that_is_asked_about_in_vain() {
    snapshots("in_vain", "2026-06-09T08:00:00Z", async |town| {
        let token = town.store().watched(&["marches"]).await.unwrap().remove(0);
        let desk = app::desk(town.config());
        let silence = Reading {
            status: None,
            said: "connection timed out".to_owned(),
            ..reading(Case::NoAnswer, 0, &[])
        };
        let about = (town.now - Duration::days(8), &silence);
        let mut tx = town.store().begin().await.unwrap();
        let notes = news::probe::hindered::in_vain(&mut tx, &desk, token.no, about, town.now);
        let notes = notes.await.unwrap();
        tx.settle(&[], &notes, town.now).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_token_that_expired_before_its_date() {
    snapshots("expired_early", "2026-06-01T08:00:00Z", async |town| {
        let expired = reading(Case::Expired, 401, &["00103"]);
        hear_twice(town, "marches", &expired).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_token_that_works_again() {
    snapshots("healed", "2026-06-01T08:00:00Z", async |town| {
        hear_twice(town, "marches", &blacklisted()).await;
        town.rig().deliver(town.now).await.unwrap();
        town.now += Duration::days(2);
        hear(town, "marches", &alive(&[])).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_prolonged_token() {
    snapshots("prolonged", "2027-03-17T08:00:00Z", async |town| {
        hear(town, "marches", &alive(&[])).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_rights_that_changed() {
    snapshots("rights", "2026-06-01T08:00:00Z", async |town| {
        let before = ["entreprises", "attestation_fiscale_dgfip", "effectifs"];
        hear(town, "marches", &alive(&before)).await;
        town.now += Duration::days(1);
        // What the API writes is data, whatever it is.
        let after = ["entreprises", "associations", "\u{202e}## x\r\n"];
        hear(town, "marches", &alive(&after)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_an_address_that_is_not_allowed() {
    snapshots("address", "2026-06-01T08:00:00Z", async |town| {
        let refused = reading(Case::AddressNotAllowed, 403, &["00107"]);
        hear(town, "marches", &refused).await;
    })
    .await;
}
