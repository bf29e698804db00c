//! People who can be reached: marks of refused addresses, the notes about them, and what comes
//! back of mails that a server had accepted.

mod dsn;
mod postfix;
mod program;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Duration, Utc};
use jetond::delivery::bounces::Read;
use jetond::domain::reach::{Hindrance, Way};
use jetond::store::mailbook::MailRow;
use jetond::store::outbox::MailState;
use jetond::store::unreachable::Unreachable;
use mail_parser::MessageParser;

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Act, Script, SmtpServer};

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
async fn what_was_accepted_and_came_back_has_failed_and_is_told() {
    for (lang, word) in [("en", "came back"), ("fr", "revenu")] {
        let server = SmtpServer::start(Script::new());
        let tokens = token("marches", "2026-12-15", &[ONE, TWO]);
        let config = config(server.port(), &tokens)
            .replace("language = \"fr\"", &format!("language = \"{lang}\""));
        let mut town = Town::start(&config, at(START)).await;
        let maildir = maildir(town.dir());
        whole_pass(&town).await;
        let mail = reminder(&town, ONE).await;
        assert_eq!(mail.state, MailState::Sent);
        let bounce = notification(&mail.message_id, ONE, "failed", "5.1.1");
        std::fs::write(maildir.join("new/1795334403.M1.mx"), &bounce).unwrap();
        town.now += Duration::minutes(5);
        whole_pass(&town).await;

        let (mail, attempts) = town.store().mail(mail.no).await.unwrap().unwrap();
        let outcomes: Vec<&str> = attempts.iter().map(|a| a.outcome.as_str()).collect();
        assert_eq!(
            outcomes,
            ["sent", "bounced"],
            "the acceptance stays on record"
        );
        assert_eq!(
            (mail.state, mail.settled_at),
            (MailState::Refused, Some(town.now))
        );
        let mut fates = town.fates("marches").await;
        fates.retain(|(stage, _, _, _)| *stage == 15);
        assert_eq!(
            fates,
            [
                (15, ONE.into(), "failed".into(), Some("bounced".into())),
                (15, TWO.into(), "sent".into(), None)
            ]
        );
        assert_eq!(
            marked(&town).await,
            [(ONE.to_owned(), Way::Bounced, vec!["marches".to_owned()])]
        );
        assert_eq!(town.uncovered().await, 0);
        assert_eq!(told(&town).await, [TWO, CONTACT]);
        insta::assert_snapshot!(format!("bounced_{lang}"), text_to(&server, CONTACT, word));
        assert_eq!(names(&maildir.join("new")), [""; 0]);
        assert_eq!(names(&maildir.join("cur")), ["1795334403.M1.mx:2,S"]);

        // Seen again, by another process too: nothing more.
        std::fs::write(maildir.join("new/1795334403.M1.mx"), &bounce).unwrap();
        town.start_again().await;
        whole_pass(&town).await;
        let (_, attempts) = town.store().mail(mail.no).await.unwrap().unwrap();
        assert_eq!((attempts.len(), told(&town).await.len()), (2, 2));
        assert_eq!(names(&maildir.join("new")), [""; 0]);
        // A person may send it again.
        town.store()
            .retry(mail.no, "user:test", town.now)
            .await
            .unwrap();
        whole_pass(&town).await;
        assert_eq!(reminder(&town, ONE).await.state, MailState::Sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_after_a_bounce_counts_once_it_has_not_come_back_for_a_day() {
    let server = SmtpServer::start(Script::new());
    let (mut town, maildir) = town(&server, &token("marches", "2026-12-15", &[ONE])).await;
    let bounce = |town: &Town, name: &str, id: &str| {
        let told = notification(id, ONE, "failed", "5.1.1");
        std::fs::write(town.dir().join("bounces/new").join(name), told).unwrap();
    };
    whole_pass(&town).await;
    let first = reminder(&town, ONE).await;
    bounce(&town, "1", &first.message_id);
    whole_pass(&town).await;
    let since = town.now;
    assert_eq!(out_of_reach(&town).await, ["marches"]);

    // Stage 7 is accepted by the same relay, and comes back.
    town.now = at("2026-12-08T08:00:00Z");
    whole_pass(&town).await;
    assert_eq!(marks(&town).await[0].accepted_at, Some(town.now));
    assert_eq!(out_of_reach(&town).await, ["marches"]);
    bounce(&town, "2", &reminder(&town, ONE).await.message_id);
    whole_pass(&town).await;
    let mark = &marks(&town).await[0];
    assert_eq!(
        (mark.since, mark.at, mark.accepted_at),
        (since, town.now, None)
    );

    // Stage 1 is accepted and stays.
    town.now = at("2026-12-14T08:00:00Z");
    whole_pass(&town).await;
    town.now += Duration::hours(23);
    assert_eq!(marks(&town).await.len(), 1);
    town.now += Duration::hours(1);
    assert_eq!(
        (marks(&town).await, out_of_reach(&town).await),
        (vec![], vec![])
    );
    // What comes back later is a new mark.
    bounce(&town, "3", &reminder(&town, ONE).await.message_id);
    whole_pass(&town).await;
    assert_eq!(marks(&town).await[0].since, town.now);
    assert_eq!(names(&maildir.join("cur")).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_is_noted_and_what_took_too_long_marks_nobody() {
    let server = SmtpServer::start(Script::new());
    let (mut town, maildir) = town(&server, &token("marches", "2026-12-15", &[ONE, TWO])).await;
    whole_pass(&town).await;
    let mail = reminder(&town, ONE).await;
    let put = |name: &str, action: &str| {
        let told = notification(&mail.message_id, ONE, action, "4.4.1");
        std::fs::write(maildir.join("new").join(name), told).unwrap();
    };
    put("1", "delayed");
    whole_pass(&town).await;
    assert_eq!(reminder(&town, ONE).await.state, MailState::Sent);
    let (_, attempts) = town.store().mail(mail.no).await.unwrap().unwrap();
    assert_eq!(attempts[1].outcome, "delayed");
    assert_eq!((told(&town).await.len(), marked(&town).await.len()), (0, 0));

    town.now += Duration::days(1);
    put("2", "failed");
    whole_pass(&town).await;
    assert_eq!(reminder(&town, ONE).await.state, MailState::Failed);
    assert_eq!(marked(&town).await, [], "they were not refused for good");
    assert_eq!(told(&town).await, [TWO, CONTACT]);
    let said = text_to(&server, CONTACT, "non remis");
    assert!(said.contains("abandonné"), "{said}");
    assert_eq!(names(&maildir.join("cur")), ["1:2,S", "2:2,S"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_or_foreign_message_changes_nothing_and_stays_where_it_is() {
    let server = SmtpServer::start(Script::new());
    let tokens = token("marches", "2026-12-15", &[ONE, TWO]) + &token("new", "2027-12-15", &[TWO]);
    let (mut town, maildir) = town(&server, &tokens).await;
    whole_pass(&town).await;
    let (one, two) = (reminder(&town, ONE).await, reminder(&town, TWO).await);
    let dsn = |id: &str, to: &str, action: &str, status: &str| notification(id, to, action, status);
    let foreign = [
        dsn(&one.message_id, TWO, "failed", "5.1.1"),
        dsn(&two.message_id, "dsi@ville.example", "failed", "5.1.1"),
        dsn("nobody-sent-this@ville.example", ONE, "failed", "5.1.1"),
        dsn(&one.message_id, ONE, "delivered", "2.0.0"),
        dsn(&one.message_id, ONE, "failed", "2.1.5"),
        "Subject: Absence\n\nDe retour le 3.\n".to_owned(),
        String::new(),
        format!("Subject: x\n\n{}", "x".repeat(3 * 1024 * 1024)),
    ];
    for (n, message) in foreign.iter().enumerate() {
        std::fs::write(maildir.join(format!("new/{n}")), message).unwrap();
    }
    // Neither a directory, a link nor a pipe is a message.
    std::fs::create_dir(maildir.join("new/directory")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", maildir.join("new/link")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(maildir.join("new/pipe"))
        .status();
    assert!(pipe.unwrap().success());
    let before = (names(&maildir.join("new")), town.mails().await);
    for _ in 0..2 {
        town.now += Duration::minutes(1);
        whole_pass(&town).await;
        let read = town.rig().read_bounces(town.now).await.unwrap();
        assert_eq!(read, Read::default());
    }
    assert_eq!((names(&maildir.join("new")), town.mails().await), before);
    assert_eq!(names(&maildir.join("cur")), [""; 0]);
    assert_eq!(marked(&town).await, []);
    assert_eq!(town.store().bounces_trouble().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_never_left_cannot_come_back_and_one_in_doubt_can() {
    let server = SmtpServer::start(Script::new().first(
        1,
        crate::support::smtp_server::Phase::Dot,
        Act::TakeAndDrop,
    ));
    let (mut town, maildir) = town(&server, &token("marches", "2026-12-15", &[ONE])).await;
    town.rig().tick(town.now).await.unwrap();
    let mail = reminder(&town, ONE).await;
    let bounce = notification(&mail.message_id, ONE, "failed", "5.1.1");
    std::fs::write(maildir.join("new/1"), &bounce).unwrap();
    assert_eq!(
        town.rig().read_bounces(town.now).await.unwrap(),
        Read::default()
    );
    assert_eq!(reminder(&town, ONE).await.state, MailState::Queued);

    town.rig().deliver(town.now).await.unwrap();
    assert_eq!(reminder(&town, ONE).await.state, MailState::InDoubt);
    // The same file is known as none of ours; another copy is not.
    std::fs::write(maildir.join("new/2"), &bounce).unwrap();
    let read = town.rig().read_bounces(town.now).await.unwrap();
    assert_eq!(read.bounced, 1);
    assert_eq!(reminder(&town, ONE).await.state, MailState::Refused);
    assert_eq!(town.uncovered().await, 0);
    town.now += Duration::hours(2);
    whole_pass(&town).await;
    assert_eq!(
        reminder(&town, ONE).await.state,
        MailState::Refused,
        "not sent again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_of_a_note_marks_its_reader_and_makes_no_other_note() {
    let server = SmtpServer::start(Script::new().to(ONE, Act::Reply(GONE)));
    let (mut town, maildir) = town(&server, &token("marches", "2026-12-15", &[ONE, TWO])).await;
    whole_pass(&town).await;
    let notes = town.notes().await;
    let note = town.mails().await;
    let note = note
        .iter()
        .find(|m| m.kind != "reminder" && m.address == CONTACT);
    let bounce = notification(&note.unwrap().message_id, CONTACT, "failed", "5.1.1");
    std::fs::write(maildir.join("new/1"), bounce).unwrap();
    town.now += Duration::minutes(1);
    whole_pass(&town).await;
    assert_eq!(town.notes().await, notes);
    assert_eq!(town.store().lost_notes(CONTACT).await.unwrap(), 1);
    let who: Vec<String> = marks(&town)
        .await
        .into_iter()
        .map(|u| u.recipient)
        .collect();
    assert_eq!(who, [ONE, CONTACT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_renewed_meanwhile_is_not_told_of() {
    let server = SmtpServer::start(Script::new());
    let (mut town, maildir) = town(&server, &token("marches", "2026-12-15", &[ONE, TWO])).await;
    whole_pass(&town).await;
    let mail = reminder(&town, ONE).await;
    town.reload(&config(
        server.port(),
        &token("marches", "2028-06-15", &[ONE, TWO]),
    ))
    .await;
    let bounce = notification(&mail.message_id, ONE, "failed", "5.1.1");
    std::fs::write(maildir.join("new/1"), bounce).unwrap();
    whole_pass(&town).await;
    assert_eq!(reminder(&town, ONE).await.state, MailState::Refused);
    assert_eq!(marked(&town).await.len(), 1);
    assert_eq!(told(&town).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_bounces_from_being_read_is_on_record_until_it_is_over() {
    let server = SmtpServer::start(Script::new());
    let mut town = Town::start(
        &config(server.port(), &token("marches", "2026-12-15", &[ONE])),
        at(START),
    )
    .await;
    let trouble = |town: &Town| {
        let store = town.store().clone();
        async move { store.bounces_trouble().await.unwrap() }
    };
    whole_pass(&town).await;
    let since = town.now;
    assert_eq!(trouble(&town).await, Some((since, Hindrance::Missing)));
    std::fs::create_dir(town.dir().join("bounces")).unwrap();
    town.now += Duration::minutes(1);
    whole_pass(&town).await;
    assert_eq!(trouble(&town).await, Some((since, Hindrance::NotAMaildir)));
    let maildir = maildir(town.dir());
    whole_pass(&town).await;
    assert_eq!(trouble(&town).await, None);

    // What was read and cannot be put away is recorded once, and put away when it can be.
    let mail = reminder(&town, ONE).await;
    let bounce = notification(&mail.message_id, ONE, "failed", "5.1.1");
    std::fs::write(maildir.join("new/1"), bounce).unwrap();
    std::fs::create_dir(maildir.join("cur/1:2,S")).unwrap();
    for _ in 0..2 {
        whole_pass(&town).await;
        let why = trouble(&town).await.unwrap().1;
        assert!(matches!(why, Hindrance::Unmovable(_)), "{why:?}");
    }
    assert_eq!(reminder(&town, ONE).await.state, MailState::Refused);
    std::fs::remove_dir(maildir.join("cur/1:2,S")).unwrap();
    whole_pass(&town).await;
    assert_eq!(trouble(&town).await, None);
    assert_eq!(names(&maildir.join("cur")), ["1:2,S"]);
}
