//! What comes back of mails that a server had accepted: which message counts, what it changes,
//! and what stays where it is.

use chrono::Duration;
use jetond::delivery::bounces::Read;
use jetond::domain::reach::{Hindrance, Way};
use jetond::store::outbox::MailState;

use super::{
    CONTACT, GONE, ONE, START, TWO, config, maildir, marked, marks, names, notification,
    out_of_reach, reminder, text_to, told, town, whole_pass,
};
use crate::support::daemon::{Town, at, token};
use crate::support::pipe;
use crate::support::smtp_server::{Act, Phase, Script, SmtpServer};

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
    pipe(&maildir.join("new/pipe"));
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
    let server = SmtpServer::start(Script::new().first(1, Phase::Dot, Act::TakeAndDrop));
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
