//! People who can be reached: marks of refused addresses, the notes about them, and what comes
//! back of mails that a server had accepted.

mod dsn;
mod postfix;
mod program;
mod returned;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Duration, Utc};
use jetond::domain::reach::Way;
use jetond::store::mailbook::MailRow;
use jetond::store::outbox::MailState;
use jetond::store::unreachable::Unreachable;
use mail_parser::MessageParser;

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Act, Phase, Script, SmtpServer};

const ONE: &str = "a@ville.example";
const TWO: &str = "b@ville.example";
const CONTACT: &str = "dsi@ville.example";
const GONE: &str = "550 5.1.1 no such user";

/// 15 days before the expiry of `marches`, in the window.
const START: &str = "2026-11-30T08:00:00Z";

/// A Maildir in a directory.
fn maildir(place: &Path) -> PathBuf {
    let maildir = place.join("bounces");
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(maildir.join(part)).unwrap();
    }
    maildir
}

/// The config of a town that reads its bounces.
fn config(port: u16, tokens: &str) -> String {
    head(port).replace("[mail]\n", "[mail]\nbounces = { maildir = \"bounces\" }\n") + tokens
}

/// A notification about a mail, in the form of Postfix.
fn notification(message_id: &str, to: &str, action: &str, status: &str) -> String {
    include_str!("bounces/samples/postfix.eml")
        .replace("20261122.0a1b2c3d4e5f60718293@ville.example", message_id)
        .replace("c.martin@ville.example", to)
        .replace("Action: failed", &format!("Action: {action}"))
        .replace("Status: 5.1.1", &format!("Status: {status}"))
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn town(server: &SmtpServer, tokens: &str) -> (Town, PathBuf) {
    let town = Town::start(&config(server.port(), tokens), at(START)).await;
    let maildir = maildir(town.dir());
    (town, maildir)
}

async fn reminder(town: &Town, to: &str) -> MailRow {
    let mails = town.mails().await;
    let last = mails
        .into_iter()
        .rev()
        .find(|m| m.kind == "reminder" && m.address == to);
    last.unwrap()
}

async fn marks(town: &Town) -> Vec<Unreachable> {
    town.store().unreachable(town.now).await.unwrap()
}

/// Who is marked, how, and of which tokens.
async fn marked(town: &Town) -> Vec<(String, Way, Vec<String>)> {
    let marks = marks(town).await;
    marks
        .into_iter()
        .map(|u| (u.recipient, u.how, u.tokens))
        .collect()
}

async fn out_of_reach(town: &Town) -> Vec<String> {
    let calendar = &town.config().calendar;
    town.store().out_of_reach(calendar, town.now).await.unwrap()
}

/// The notes of refusals that were made, by their readers.
async fn told(town: &Town) -> Vec<String> {
    let notes = town.notes().await;
    let refusals = notes.into_iter().filter(|(kind, _)| kind == "note_refused");
    refusals.map(|(_, to)| to).collect()
}

/// A pass of the daemon: tick, what leaves, what came back, what is told, what leaves then.
async fn whole_pass(town: &Town) {
    town.rig().tick(town.now).await.unwrap();
    town.rig().deliver(town.now).await.unwrap();
    town.rig().tell(town.now).await.unwrap();
    town.rig().deliver(town.now).await.unwrap();
}

async fn live_until(town: &mut Town, step: Duration, end: DateTime<Utc>) {
    while town.now < end {
        town.now += step;
        whole_pass(town).await;
    }
}

/// The text of the last mail to somebody whose subject holds a word.
fn text_to(server: &SmtpServer, to: &str, word: &str) -> String {
    let mails = server.accepted();
    let found = mails.iter().rev().find_map(|m| {
        let parsed = MessageParser::default().parse(&m.bytes)?.into_owned();
        let is_to = parsed.to()?.first()?.address() == Some(to);
        let fits = is_to && parsed.subject()?.contains(word);
        fits.then(|| {
            format!(
                "{}\n\n{}",
                parsed.subject().unwrap(),
                parsed.body_text(0).unwrap()
            )
        })
    });
    found.unwrap().replace('\u{a0}', "~")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_person_is_marked_until_a_mail_to_them_is_accepted() {
    let server = SmtpServer::start(Script::new().to(ONE, Act::Reply(GONE)));
    let (mut town, _) = town(&server, &token("marches", "2026-12-15", &[ONE, TWO])).await;
    whole_pass(&town).await;
    let marks = marks(&town).await;
    let mark = &marks[0];
    assert_eq!(marks.len(), 1);
    assert_eq!((mark.recipient.as_str(), mark.how), (ONE, Way::Refused));
    assert_eq!(
        (mark.since, mark.mail),
        (town.now, reminder(&town, ONE).await.no)
    );
    assert!(mark.said.contains("no such user"), "{mark:?}");
    assert_eq!(mark.tokens, ["marches"]);
    assert_eq!(out_of_reach(&town).await, [""; 0], "the other one is told");

    // The mark keeps nothing from leaving: the next stage is tried.
    town.start_again().await;
    town.now = at("2026-12-08T08:00:00Z");
    whole_pass(&town).await;
    assert_eq!(marked(&town).await.len(), 1);
    let tried = town.mails().await;
    let tried = tried
        .iter()
        .filter(|m| m.kind == "reminder" && m.address == ONE);
    assert_eq!(tried.count(), 2);

    let well = SmtpServer::start(Script::new());
    town.reload(&config(
        well.port(),
        &token("marches", "2026-12-15", &[ONE, TWO]),
    ))
    .await;
    assert_eq!(marked(&town).await.len(), 1, "the file still names them");
    town.now = at("2026-12-14T08:00:00Z");
    whole_pass(&town).await;
    assert_eq!(reminder(&town, ONE).await.state, MailState::Sent);
    assert_eq!(marked(&town).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_ends_with_the_address() {
    let server = SmtpServer::start(Script::new().to(ONE, Act::Reply(GONE)));
    let told = |to: &str| config(server.port(), &token("marches", "2026-12-15", &[to, TWO]));
    let (mut town, _) = town(&server, &token("marches", "2026-12-15", &[ONE, TWO])).await;
    whole_pass(&town).await;
    assert_eq!(marked(&town).await.len(), 1);
    town.reload(&told("c@ville.example")).await;
    assert_eq!(marked(&town).await, []);
    town.reload(&told(ONE)).await;
    assert_eq!(
        marked(&town).await,
        [],
        "an address that comes back is a new one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_which_nobody_can_be_reached_is_an_alarm_before_any_stage_of_it_failed() {
    let server = SmtpServer::start(
        Script::new()
            .to(ONE, Act::Reply(GONE))
            .to(TWO, Act::Reply(GONE)),
    );
    let tokens = token("marches", "2026-12-15", &[ONE, TWO])
        + &token("later", "2027-12-15", &[ONE])
        + &token("told", "2027-12-15", &[ONE, "c@ville.example"])
        + &token("forgotten", "2025-01-01", &[ONE]);
    let (mut town, _) = town(&server, &tokens).await;
    assert_eq!(out_of_reach(&town).await, [""; 0]);
    whole_pass(&town).await;
    assert_eq!(town.fates("later").await, []);
    assert_eq!(out_of_reach(&town).await, ["marches", "later"]);
    assert_eq!(town.uncovered().await, 0, "told as lost, not as forgotten");

    // It ends with a recipient who is not marked.
    let tokens = tokens.replace("\"2027-12-15\"", "2027-12-15");
    let more = tokens.replace(
        "name = \"Jeton later\"\nexpires = 2027-12-15\ndatapass_id = \"11244\"\nrecipients = [\"a@ville.example\"]",
        "name = \"Jeton later\"\nexpires = 2027-12-15\ndatapass_id = \"11244\"\nrecipients = [\"a@ville.example\", \"d@ville.example\"]",
    );
    assert_ne!(more, tokens);
    town.reload(&config(server.port(), &more)).await;
    assert_eq!(out_of_reach(&town).await, ["marches"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_refusals_at_once_are_one_note_to_each_reader_about_their_own_tokens() {
    let reader = "e@ville.example";
    for (lang, word) in [("en", "did not reach"), ("fr", "pas atteint")] {
        let server = SmtpServer::start(
            Script::new()
                .to(ONE, Act::Reply(GONE))
                .to(TWO, Act::Reply("550 5.2.1 mailbox disabled"))
                .to("c@ville.example", Act::Reply(GONE)),
        );
        let client = "[clients.x]\nname = \"Mairie de X\"\ncontact = \"dsi@x.example\"\n";
        let tokens = client.to_owned()
            + &token("marches", "2026-12-15", &[ONE, TWO, reader])
            + &token("aides", "2026-12-15", &[ONE, reader])
            + &token("secret", "2026-12-15", &["c@ville.example"])
            + "client = \"x\"\n";
        let config = config(server.port(), &tokens)
            .replace("language = \"fr\"", &format!("language = \"{lang}\""));
        let town = Town::start(&config, at(START)).await;
        maildir(town.dir());
        whole_pass(&town).await;
        let mut told = told(&town).await;
        told.sort();
        assert_eq!(
            told,
            [CONTACT, "dsi@x.example", reader],
            "none to the refused"
        );
        insta::assert_snapshot!(format!("refused_{lang}"), text_to(&server, CONTACT, word));
        let theirs = text_to(&server, reader, word);
        assert!(theirs.contains(ONE) && theirs.contains(TWO), "{theirs}");
        assert!(
            !theirs.contains("secret") && !theirs.contains("c@ville"),
            "{theirs}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_person_is_marked_a_note_is_repeated_for_other_tokens_and_the_last_stages_only() {
    let server = SmtpServer::start(Script::new().to(ONE, Act::Reply(GONE)));
    let tokens =
        token("marches", "2027-02-28", &[ONE, TWO]) + &token("aides", "2027-03-20", &[ONE]);
    let (mut town, _) = town(&server, &tokens).await;
    let notes = |town: &Town| {
        let mails = town.store().clone();
        async move {
            let all = mails.mails(jetond::store::mailbook::Which::All, 1000).await;
            let all = all.unwrap().into_iter();
            all.filter(|m| m.kind == "note_refused" && m.address == CONTACT)
                .count()
        }
    };
    let day = Duration::days(1);
    let mut seen = Vec::new();
    // Stages of marches: 30 Nov (90), 30 Dec (60), 29 Jan (30), 13 Feb (15), 21 Feb (7);
    // of aides: 20 Dec (90), 19 Jan (60), 18 Feb (30).
    for end in [
        "2026-11-30",
        "2026-12-25",
        "2027-01-05",
        "2027-02-05",
        "2027-02-14",
        "2027-02-26",
    ] {
        live_until(&mut town, day, at(&format!("{end}T08:00:00Z"))).await;
        if town.now == at(START) {
            whole_pass(&town).await;
        }
        seen.push(notes(&town).await);
    }
    assert_eq!(seen, [1, 2, 2, 2, 3, 3]);
    // Every stage was tried all the same.
    let tried = town.mails().await;
    let tried = tried
        .iter()
        .filter(|m| m.kind == "reminder" && m.address == ONE);
    assert!(tried.count() >= 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_while_more_is_about_to_leave_is_one_note() {
    let server = SmtpServer::start(Script::new().at(Phase::Rcpt, Act::Reply(GONE)));
    let people: Vec<String> = (0..300).map(|n| format!("p{n}@ville.example")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    // A loss is dated by the moment at which it was met, a little after the pass began.
    for wait in [Duration::zero(), Duration::minutes(30)] {
        let (mut town, _) = town(&server, &token("marches", "2026-12-15", &people)).await;
        // A step takes up so many of them.
        let text = std::fs::read_to_string(town.file()).unwrap();
        let limited = text.replace("[mail]\n", "[mail]\nrate = \"256/min\"\n");
        assert_ne!(limited, text);
        town.reload(&limited).await;
        let refused = |town: &Town| {
            let store = town.store().clone();
            async move { store.untold().await.unwrap().len() }
        };
        town.rig().tick(town.now).await.unwrap();
        let step = town.rig().sender.step(town.now).await.unwrap();
        assert_eq!((step.refused, refused(&town).await), (256, 256));
        town.now += wait;
        town.rig().tell(town.now).await.unwrap();
        if wait.is_zero() {
            assert_eq!(told(&town).await, [""; 0], "44 mails are about to leave");
            town.rig().sender.step(town.now).await.unwrap();
            town.rig().tell(town.now).await.unwrap();
        }
        // One each; after a quarter of an hour those who were not tried yet hear of it too.
        let mut readers = told(&town).await;
        assert_eq!(readers.len(), if wait.is_zero() { 1 } else { 45 });
        readers.sort();
        readers.dedup();
        assert_eq!(readers.len(), if wait.is_zero() { 1 } else { 45 });
        assert!(readers.contains(&CONTACT.to_owned()));
        let left = if wait.is_zero() { 0 } else { 44 };
        let unsent = town.reminders().await;
        let unsent = unsent.iter().filter(|(_, state)| state.is_open());
        assert_eq!((refused(&town).await, unsent.count()), (0, left));
    }
}
