//! A mail's life (`docs/rules.md`), against a scripted server: the right class for each answer,
//! the right next time, the right people told, and nothing lost.

use jetond::domain::body::Body;
use jetond::store::mailbook::Refusal;
use jetond::store::outbox::{Doubt, MailState};

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Accepted, Act, Phase, Script, SmtpServer};

/// 15 days before the end of every token here, at the opening.
const MORNING: &str = "2026-11-30T08:00:00Z";
const EXPIRES: &str = "2026-12-15";

const ONE: &str = "a@ville.example";
const TWO: &str = "b@ville.example";

async fn town(server: &SmtpServer, recipients: &[&str]) -> Town {
    // Declared the evening before, so that stage 15 is due on its day.
    let config = head(server.port()) + &token("marches", EXPIRES, recipients);
    let mut town = Town::start(&config, at("2026-09-01T08:00:00Z")).await;
    for stage in [
        "2026-09-16T08:00:00Z",
        "2026-10-16T08:00:00Z",
        "2026-11-15T08:00:00Z",
    ] {
        // The earlier stages are not what these tests are about: nothing leaves at night.
        town.now = at(stage) + chrono::Duration::hours(14);
        town.pass().await;
    }
    town.now = at(MORNING);
    town
}

/// RCPT's argument begins with the address in angle brackets.
fn is_to(mail: &Accepted, address: &str) -> bool {
    mail.to
        .iter()
        .any(|to| to.starts_with(&format!("<{address}>")))
}

fn message_ids(server: &SmtpServer, to: &str) -> Vec<String> {
    let id = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let line = text.lines().find(|l| l.starts_with("Message-ID:")).unwrap();
        line["Message-ID:".len()..].trim().to_owned()
    };
    server
        .accepted()
        .iter()
        .filter(|a| is_to(a, to))
        .map(|a| id(&a.bytes))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_mail_is_sent_and_every_due_stage_is_settled() {
    let server = SmtpServer::start(Script::new());
    let town = town(&server, &[ONE, TWO]).await;
    let step = town.pass().await;
    assert_eq!((step.sent, step.is_troubled()), (2, false));
    assert_eq!(
        town.reminders().await,
        [(ONE.into(), MailState::Sent), (TWO.into(), MailState::Sent)]
    );
    for recipient in [ONE, TWO] {
        let fates = town.fates("marches").await;
        let theirs: Vec<_> = fates
            .iter()
            .filter(|f| f.1 == recipient)
            .map(|f| (f.0, f.2.as_str(), f.3.as_deref()))
            .collect();
        let expected = [
            (90, "absorbed", Some("60")),
            (60, "absorbed", Some("30")),
            (30, "absorbed", Some("15")),
            (15, "sent", None),
        ];
        assert_eq!(theirs, expected);
    }
    assert_eq!(town.uncovered().await, 0);
    assert_eq!(server.accepted().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn greylisting_defers_one_recipient_and_holds_up_nobody() {
    let server = SmtpServer::start(Script::new().to(ONE, Act::Reply("450 4.7.1 greylisted")));
    let mut town = town(&server, &[ONE, TWO]).await;
    let step = town.pass().await;
    assert_eq!((step.sent, step.deferred), (1, 1));
    let mail = town
        .mails()
        .await
        .into_iter()
        .find(|m| m.address == ONE)
        .unwrap();
    let wait = (mail.next_at.unwrap() - town.now).num_seconds();
    assert!(
        (240..=365).contains(&wait),
        "five minutes, a fifth more or less: {wait} s"
    );
    assert!(mail.reply.unwrap().contains("greylisted"));
    assert_eq!(town.pass_after(2).await.claimed, 0, "not before its time");
    assert_eq!(town.pass_after(6).await.deferred, 1);
    assert!(
        town.notes().await.is_empty(),
        "an hour of greylisting is nobody's business"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_deferred_for_a_day_is_told_and_after_five_days_given_up() {
    let server = SmtpServer::start(Script::new().to(ONE, Act::Reply("450 4.2.2 mailbox full")));
    let mut town = town(&server, &[ONE, TWO]).await;
    town.pass().await;
    let started = town.now;
    let (mut told_after, mut failed_after) = (None, None);
    while failed_after.is_none() && (town.now - started).num_days() < 9 {
        let step = town.pass_after(60).await;
        let hours = (town.now - started).num_hours();
        if told_after.is_none() && !town.notes().await.is_empty() {
            told_after = Some(hours);
        }
        if step.failed > 0 {
            failed_after = Some(hours);
        }
    }
    // Nothing is tried at night, so the first try after a day may come the morning after.
    assert!((24..=49).contains(&told_after.unwrap()), "{told_after:?}");
    assert!(
        (120..=145).contains(&failed_after.unwrap()),
        "{failed_after:?}"
    );
    let notes = town.notes().await;
    let expected = [
        ("note_deferred".to_owned(), "dsi@ville.example".to_owned()),
        ("note_failed".into(), "dsi@ville.example".into()),
    ];
    assert_eq!(notes, expected);
    let failed: Vec<_> = town
        .fates("marches")
        .await
        .into_iter()
        .filter(|f| f.2 == "failed")
        .collect();
    assert_eq!(
        failed,
        [(15, ONE.into(), "failed".into(), Some("failed".into()))]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_address_is_told_to_the_contact_and_the_other_recipients() {
    let server = SmtpServer::start(Script::new().to(ONE, Act::Reply("550 5.1.1 no such user")));
    let mut town = town(&server, &[ONE, TWO]).await;
    let step = town.pass().await;
    assert_eq!((step.refused, town.uncovered().await), (1, 0));
    town.pass_after(1).await;
    let notes = town.notes().await;
    assert_eq!(
        notes,
        [
            ("note_refused".to_owned(), TWO.to_owned()),
            ("note_refused".into(), "dsi@ville.example".into())
        ]
    );
    let note = server
        .accepted()
        .into_iter()
        .find(|a| is_to(a, "dsi@ville.example"))
        .unwrap();
    let parsed = mail_parser::MessageParser::default()
        .parse(&note.bytes)
        .unwrap()
        .into_owned();
    assert_eq!(
        parsed.subject(),
        Some("Adresse refusée\u{a0}: a@ville.example")
    );
    assert!(parsed.body_text(0).unwrap().contains("no such user"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_refused_at_the_dot_is_parked_and_can_be_retried() {
    let server = SmtpServer::start(Script::new().first(1, Phase::Dot, Act::Reply("554 5.6.0 no")));
    let mut town = town(&server, &[ONE]).await;
    assert_eq!(town.pass().await.parked, 1);
    assert_eq!(
        town.notes().await,
        [("note_parked".to_owned(), "dsi@ville.example".to_owned())]
    );
    let parked = town
        .mails()
        .await
        .into_iter()
        .find(|m| m.state == MailState::Parked)
        .unwrap();
    town.store()
        .retry(parked.no, "user:test", town.now)
        .await
        .unwrap();
    assert_eq!(
        town.uncovered().await,
        0,
        "what is retried is on its way again"
    );
    assert_eq!(town.pass_after(1).await.sent, 1);
    // The note about its first fate left in the first pass.
    assert_eq!(server.accepted().len(), 2);
    assert!(matches!(
        town.store().retry(parked.no, "user:test", town.now).await,
        Err(Refusal::State(_, MailState::Sent))
    ));
    assert!(matches!(
        town.store().retry(99, "user:test", town.now).await,
        Err(Refusal::NotFound(99))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_last_reply_is_in_doubt_and_repeated_with_the_same_bytes() {
    let server = SmtpServer::start(Script::new().first(1, Phase::Dot, Act::TakeAndDrop));
    let mut town = town(&server, &[ONE]).await;
    assert_eq!(town.pass().await.in_doubt, 1);
    assert_eq!(town.reminders().await, [(ONE.into(), MailState::InDoubt)]);
    assert_eq!(
        town.pass_after(20).await.claimed,
        0,
        "half an hour of patience"
    );
    assert_eq!(town.pass_after(11).await.sent, 1);
    let accepted = server.accepted();
    assert_eq!(accepted.len(), 2);
    assert_eq!(accepted[0].bytes, accepted[1].bytes);
    assert_eq!(town.reminders().await, [(ONE.into(), MailState::Sent)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_in_doubt_three_times_is_parked_and_told() {
    let server = SmtpServer::start(Script::new().at(Phase::Dot, Act::TakeAndDrop));
    let mut town = town(&server, &[ONE]).await;
    town.pass().await;
    town.pass_after(31).await;
    let step = town.pass_after(31).await;
    assert_eq!(step.parked, 1);
    assert_eq!(
        town.notes().await,
        [("note_parked".to_owned(), "dsi@ville.example".to_owned())]
    );
    let ids = message_ids(&server, ONE);
    assert_eq!(ids.len(), 3, "never more than three times");
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_out_of_reach_charges_no_mail_and_is_probed_later_and_later() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let config = head(closed) + &token("marches", EXPIRES, &[ONE, TWO]);
    let mut town = Town::start(&config, at(MORNING)).await;
    let step = town.pass().await;
    assert_eq!((step.returned, step.deferred), (2, 0));
    assert_eq!(
        town.reminders().await,
        [
            (ONE.into(), MailState::Queued),
            (TWO.into(), MailState::Queued)
        ]
    );
    let (since, why) = town.rig().sender.relay_trouble().unwrap();
    assert_eq!((since - town.now).num_seconds(), 0);
    assert!(why.contains("connection"), "{why}");
    // 30 s, then 1, 2, 5, 10, 15 minutes: one probe each.
    let mut probes = Vec::new();
    for minute in 1..=40 {
        if town.pass_after(1).await.claimed > 0 {
            probes.push(minute);
        }
    }
    assert_eq!(probes, [1, 2, 4, 9, 19, 34]);
    // A server comes back on the configured port: everything leaves.
    let server = SmtpServer::start(Script::new());
    town.reload(&(head(server.port()) + &token("marches", EXPIRES, &[ONE, TWO])))
        .await;
    assert_eq!(town.pass_after(15).await.sent, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_waits_a_quarter_of_an_hour() {
    let server =
        SmtpServer::start(Script::new().at(Phase::Auth, Act::Reply("535 5.7.8 bad credentials")));
    let config = head(server.port()).replace(
        "connections = 2",
        "connections = 2\nusername = \"jetond\"\npassword = { file = \"secret\" }",
    ) + &token("marches", EXPIRES, &[ONE]);
    let mut town = Town::start(&(head(1) + &token("marches", EXPIRES, &[ONE])), at(MORNING)).await;
    let secret = town.dir().join("secret");
    crate::support::private_file(&secret, "hunter2\n");
    town.reload(&config).await;
    let step = town.pass().await;
    assert_eq!(step.returned, 1);
    assert_eq!(town.pass_after(14).await.claimed, 0);
    assert_eq!(town.pass_after(2).await.claimed, 1);
    assert!(server.accepted().is_empty());
    let reply = town.mails().await[0].reply.clone().unwrap();
    assert!(
        reply.contains("AUTH") && !reply.contains("hunter2"),
        "{reply}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_does_not_knock_again_at_a_locked_account_unless_it_is_another_one() {
    let server =
        SmtpServer::start(Script::new().at(Phase::Auth, Act::Reply("535 5.7.8 bad credentials")));
    let file = |username: &str, more: &str| {
        let account =
            format!("connections = 2\nusername = {username:?}\npassword = {{ file = \"secret\" }}");
        head(server.port()).replace("connections = 2", &account)
            + &token("marches", EXPIRES, &[ONE])
            + more
    };
    let mut town = Town::start(&(head(1) + &token("marches", EXPIRES, &[ONE])), at(MORNING)).await;
    let secret = town.dir().join("secret");
    let write = |word: &str| crate::support::private_file(&secret, word);
    write("hunter2");
    town.reload(&file("jetond", "")).await;
    assert_eq!(town.pass().await.returned, 1);
    let knocked = server.connections();

    // Another mail is due, and could leave now: the account is left alone all the same.
    let more = token("portail", EXPIRES, &[TWO]);
    town.reload(&file("jetond", &more)).await;
    assert_eq!(town.pass_after(1).await.claimed, 0);
    assert_eq!(server.connections(), knocked);

    town.reload(&file("other", &more)).await;
    assert_eq!(town.pass_after(1).await.returned, 1, "another account");
    write("hunter22");
    town.reload(&file("other", &more)).await;
    assert_eq!(
        town.pass_after(1).await.claimed,
        0,
        "no mail's time has come"
    );
    assert!(
        town.rig().sender.relay_trouble().is_none(),
        "another password"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_refusals_on_three_domains_are_about_us() {
    let server = SmtpServer::start(Script::new().at(Phase::Rcpt, Act::Reply("550 5.7.1 blocked")));
    let recipients = [
        "x@un.example",
        "x@deux.example",
        "x@trois.example",
        "x@quatre.example",
    ];
    let town = town(&server, &recipients).await;
    let step = town.pass().await;
    assert_eq!(step.refused, 2, "two domains may be right");
    assert_eq!(step.returned, 2, "the third says that it is about us");
    assert!(town.rig().sender.relay_trouble().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_while_a_mail_waits_stops_it() {
    let server =
        SmtpServer::start(Script::new().first(1, Phase::Rcpt, Act::Reply("450 4.3.2 later")));
    let mut town = town(&server, &[ONE]).await;
    town.pass().await;
    let report = town
        .reload(&(head(server.port()) + &token("marches", "2028-06-15", &[ONE])))
        .await;
    assert_eq!(report.renewed, ["marches"]);
    assert_eq!(town.pass_after(60).await.claimed, 0);
    assert!(server.accepted().is_empty());
    assert_eq!(town.reminders().await, [(ONE.into(), MailState::Cancelled)]);
    let last = town.fates("marches").await.pop().unwrap();
    assert_eq!(
        (last.0, last.2.as_str(), last.3.as_deref()),
        (15, "suppressed", Some("renewed"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_stops_the_repeat_of_a_mail_in_doubt() {
    let server = SmtpServer::start(Script::new().first(1, Phase::Dot, Act::TakeAndDrop));
    let mut town = town(&server, &[ONE]).await;
    assert_eq!(town.pass().await.in_doubt, 1);
    town.reload(&(head(server.port()) + &token("marches", "2028-06-15", &[ONE])))
        .await;
    // Who may have been reminded gets the closing note; the reminder does not leave again.
    assert_eq!(town.pass_after(60).await.claimed, 1);
    let mails = town.mails().await;
    let left: Vec<_> = mails.iter().map(|m| (m.kind.as_str(), m.state)).collect();
    assert_eq!(
        left,
        [
            ("reminder", MailState::Cancelled),
            ("note_renewed", MailState::Sent)
        ]
    );
    assert_eq!(server.accepted().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_with_mails_on_their_way_loses_nothing() {
    let server = SmtpServer::start(Script::new());
    let mut town = town(&server, &[ONE, TWO]).await;
    town.rig().tick(town.now).await.unwrap();
    let batch = town
        .rig()
        .sender
        .clerk()
        .take_up(town.now, 1)
        .await
        .unwrap();
    assert_eq!(batch.claimed(), 1);
    drop(batch);
    town.start_again().await;
    let step = town.pass_after(1).await;
    assert_eq!(step.sent, 2);
    assert_eq!(server.accepted().len(), 2);
    assert_eq!(town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_stops_nobody_else() {
    let server = SmtpServer::start(Script::new());
    let town = town(&server, &[ONE, TWO]).await;
    town.rig().tick(town.now).await.unwrap();
    // Somebody wrote into the database by hand.
    let path = town.dir().join("jetond.db");
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap())
        .await
        .unwrap();
    sqlx::query("UPDATE mail SET address = 'not an address' WHERE address = $1")
        .bind(ONE)
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let step = town.rig().deliver(town.now).await.unwrap();
    // The reminder of the other one, and the note about this one.
    assert_eq!((step.sent, step.parked), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_defers_and_never_drops() {
    let server = SmtpServer::start(Script::new());
    let recipients: Vec<String> = (0..7).map(|n| format!("r{n}@ville.example")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let config = head(server.port()).replace(
        "transport = \"smtp\"",
        "transport = \"smtp\"\nrate = \"3/min\"",
    ) + &token("marches", EXPIRES, &recipients);
    let mut town = Town::start(&config, at(MORNING)).await;
    let mut sent = vec![town.pass().await.sent];
    for _ in 0..3 {
        sent.push(town.pass_after(1).await.sent);
    }
    assert_eq!(sent, [3, 3, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_mail_does_not_leave_and_its_notices_say_so() {
    let server = SmtpServer::start(Script::new());
    let town = town(&server, &[ONE]).await;
    town.rig().tick(town.now).await.unwrap();
    let mail = town.mails().await.pop().unwrap();
    town.store()
        .cancel(mail.no, "user:test", town.now)
        .await
        .unwrap();
    assert_eq!(town.pass().await.claimed, 0);
    let last = town.fates("marches").await.pop().unwrap();
    assert_eq!(
        (last.2.as_str(), last.3.as_deref()),
        ("suppressed", Some("cancelled"))
    );
    assert_eq!(town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_vanish_at_once_are_kept_at_a_start_and_told() {
    let server = SmtpServer::start(Script::new());
    let tokens: Vec<String> = (0..4)
        .map(|n| token(&format!("t{n}"), EXPIRES, &[ONE]))
        .collect();
    let mut town = Town::start(&(head(server.port()) + &tokens.concat()), at(MORNING)).await;
    let slip = head(server.port()) + &tokens[0];
    let reload = town.reload(&slip).await;
    assert_eq!(
        reload.refused,
        ["t1", "t2", "t3"],
        "a running daemon refuses the file"
    );
    let start = town.start_again().await;
    assert_eq!(
        (start.kept.len(), start.archived.len()),
        (3, 0),
        "a start runs and keeps them"
    );
    assert_eq!(
        town.notes().await,
        [("note_missing".to_owned(), "dsi@ville.example".to_owned())]
    );
    town.start_again().await;
    assert_eq!(
        town.notes().await.len(),
        1,
        "once for each state of the file"
    );
    let step = town.pass().await;
    assert_eq!(
        step.sent, 2,
        "the reminder of all four tokens, and the alarm"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_wrong_type_stops_nobody_else() {
    let server = SmtpServer::start(Script::new());
    let town = town(&server, &[ONE, TWO]).await;
    town.rig().tick(town.now).await.unwrap();
    let path = town.dir().join("jetond.db");
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap())
        .await
        .unwrap();
    let damage = "UPDATE mail SET message_id = x'ff00' WHERE address = $1";
    sqlx::query(damage).bind(ONE).execute(&pool).await.unwrap();
    pool.close().await;
    assert_eq!(town.rig().deliver(town.now).await.unwrap().sent, 1);
}

/// Kills the sender after the commit before the dot: what a crash with the dot in flight leaves.
async fn crash_in_doubt(town: &mut Town) {
    let batch = town
        .rig()
        .sender
        .clerk()
        .take_up(town.now, 10)
        .await
        .unwrap();
    for ready in &batch.ready {
        let carried = ready.addressed.as_ref().unwrap().carried;
        let doubt = Doubt {
            mail: ready.mail.no,
            fence: ready.mail.fence,
            content: Body::Whole(b"Subject: in flight\r\n\r\n".to_vec()),
            carried,
        };
        assert_eq!(
            town.store().enter_doubt(&[doubt], town.now).await.unwrap(),
            [true]
        );
    }
    town.start_again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_dies_with_the_dot_in_flight_repeats_a_mail_twice_at_most() {
    let server = SmtpServer::start(Script::new());
    let mut town = town(&server, &[ONE]).await;
    town.rig().tick(town.now).await.unwrap();
    for _ in 0..3 {
        crash_in_doubt(&mut town).await;
        town.now += chrono::Duration::minutes(31);
    }
    assert_eq!(town.pass().await.parked, 1);
    let notes: Vec<_> = town.notes().await;
    assert_eq!(
        notes,
        [("note_parked".to_owned(), "dsi@ville.example".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_mail_in_doubt_leaves_in_the_pass_that_settles_it() {
    let server = SmtpServer::start(Script::new());
    let tokens = token("a", "2026-12-15", &[ONE]) + &token("b", "2026-12-16", &[ONE]);
    let mut town = Town::start(&(head(server.port()) + &tokens), at("2026-12-14T08:00:00Z")).await;
    town.rig().tick(town.now).await.unwrap();
    crash_in_doubt(&mut town).await;
    // Stage 0 of one token and stage 1 of the other are due on the next morning.
    town.now = at("2026-12-15T08:00:00Z");
    let step = town.pass().await;
    assert_eq!(
        step.sent, 2,
        "the repeat, and what waited for it: stages 1 and 0 may be second"
    );
    assert_eq!(town.uncovered().await, 0);
    let sent: Vec<_> = town
        .fates("a")
        .await
        .into_iter()
        .filter(|f| f.2 == "sent")
        .map(|f| f.0)
        .collect();
    assert_eq!(sent, [1, 0]);
    // On a later day the words are made anew: "tomorrow" would be false.
    let said = String::from_utf8(server.accepted()[0].bytes.clone()).unwrap();
    assert!(!said.contains("in flight"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_goes_on_waiting_for_a_mail_in_doubt_that_is_put_off() {
    let server =
        SmtpServer::start(Script::new().first(1, Phase::Rcpt, Act::Reply("450 4.2.2 later")));
    let mut town = Town::start(
        &(head(server.port()) + &token("a", "2026-12-15", &[ONE])),
        at("2026-12-14T08:00:00Z"),
    )
    .await;
    town.rig().tick(town.now).await.unwrap();
    crash_in_doubt(&mut town).await;
    town.now = at("2026-12-15T08:00:00Z");
    assert_eq!(town.pass().await.deferred, 1, "the repeat is put off");
    let mail = town.mails().await.pop().unwrap();
    assert_eq!(
        mail.notices,
        [("a".to_owned(), 1)],
        "it may have arrived: it stays what it was"
    );
    assert_eq!(mail.state, MailState::InDoubt);
    assert_eq!(
        town.pass_after(6).await.sent,
        2,
        "the repeat, and what waited for it: stages 1 and 0 may be second"
    );
    assert_eq!(server.accepted().len(), 2);
    assert_eq!(town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_joined_late_is_not_given_up_with_the_old_ones() {
    let server = SmtpServer::start(Script::new().to(ONE, Act::Reply("450 4.2.2 mailbox full")));
    let tokens = token("old", "2026-12-15", &[ONE]) + &token("young", "2026-12-19", &[ONE]);
    let mut town = Town::start(&(head(server.port()) + &tokens), at("2026-11-29T08:00:00Z")).await;
    // "young" has stage 15 on 4 December, four days after stage 15 of "old".
    while town.now < at("2026-12-05T17:00:00Z") {
        town.pass_after(60).await;
    }
    let state = |fates: Vec<(i32, String, String, Option<String>)>| {
        fates.into_iter().find(|f| f.0 == 15).map(|f| f.2)
    };
    assert_eq!(state(town.fates("old").await).as_deref(), Some("failed"));
    assert_eq!(state(town.fates("young").await).as_deref(), Some("owed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_contact_is_not_reached_the_others_are_told() {
    let contact = "dsi@ville.example";
    let server = SmtpServer::start(Script::new().first(1, Phase::Dot, Act::Reply("554 5.6.0 no")));
    let config = head(server.port()).replace("connections = 2", "connections = 1")
        + &token("marches", EXPIRES, &[contact, TWO]);
    let town = Town::start(&config, at(MORNING)).await;
    assert_eq!(town.pass().await.parked, 1);
    let parked = town
        .mails()
        .await
        .into_iter()
        .find(|m| m.state == MailState::Parked)
        .unwrap();
    let told = if parked.address == contact {
        TWO
    } else {
        contact
    };
    assert_eq!(
        town.notes().await,
        [("note_parked".to_owned(), told.to_owned())]
    );
    town.store()
        .cancel(parked.no, "user:test", town.now)
        .await
        .unwrap();
    assert!(
        town.mails()
            .await
            .iter()
            .all(|m| m.state != MailState::Parked),
        "put aside"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accented_address_travels_with_smtputf8() {
    let accented = "zoé@ville.example";
    let server = SmtpServer::start(Script::new().with("SMTPUTF8").with("8BITMIME"));
    let town = town(&server, &[accented]).await;
    assert_eq!(town.pass().await.sent, 1);
    let header = String::from_utf8(server.accepted()[0].bytes.clone()).unwrap();
    assert!(header.contains("To: zoé@ville.example"), "{header}");
    let plain = SmtpServer::start(Script::new());
    let town = self::town(&plain, &[accented]).await;
    let step = town.pass().await;
    assert_eq!(
        (step.sent, step.refused),
        (1, 1),
        "without it: refused, and the contact told"
    );
}
