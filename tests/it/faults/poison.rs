//! One bad row: a token, a recipient, a notice or a mail whose stored values make no sense.
//!
//! The others leave; what cannot be read is parked or told, and never stops them. A value of
//! another type than its column's is no such row but a damaged store: that is told, with 8.

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::campaign::{each, tell};
use super::oracle::{Judged, message_id};
use super::site::{Lanes, Site, ended_in};
use crate::support::smtp_server::{Act, Phase, Script};

const MAILS: usize = 8;

/// What is damaged of the third one, once it is in the outbox.
const POISONS: [&str; 10] = [
    "UPDATE mail SET address = 'no address' WHERE recipient = 'p3@ville.example'",
    "UPDATE mail SET address = x'ff00' WHERE recipient = 'p3@ville.example'",
    "UPDATE mail SET address = 'a@b' || char(13) || char(10) || 'RCPT TO:<x@y.example>' \
     WHERE recipient = 'p3@ville.example'",
    "UPDATE mail SET message_id = 'a' || char(10) || 'Bcc: x@y.example' \
     WHERE recipient = 'p3@ville.example'",
    "UPDATE mail SET urgency = 9223372036854775807 WHERE recipient = 'p3@ville.example'",
    "UPDATE mail SET note = '{not json' WHERE recipient = 'p3@ville.example'",
    "UPDATE token SET name = 'Jeton' || char(13) || char(10) || 'Bcc: x@y.example' WHERE id = 't3'",
    "UPDATE token SET tags = '{not json' WHERE id = 't3'",
    "UPDATE recipient SET language = 'tlh' WHERE key = 'p3@ville.example'",
    "UPDATE period SET expires = 9223372036854775807 WHERE token = (SELECT no FROM token WHERE id = 't3')",
];

fn poisoned(sql: &str, lanes: Lanes) -> Option<Judged> {
    // The first pass queues all mails, and none leaves.
    let script = Script::new().first(64, Phase::Greeting, Act::Reply("421 4.3.2 not yet"));
    let mut site = Site::new(script, MAILS, lanes)?;
    let mut broken = Vec::new();
    broken.extend(ended_in(&site.once(), &[6]).err());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new()
            .filename(site.store())
            .foreign_keys(false);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let sql = format!("PRAGMA ignore_check_constraints = ON; {sql}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    });
    // The server is done refusing after some passes.
    for _ in 0..70 {
        site.now += chrono::Duration::minutes(31);
        broken.extend(ended_in(&site.once(), &[0, 6]).err());
        if site.server.count() >= MAILS - 1 || !broken.is_empty() {
            break;
        }
    }
    let taken = site.server.accepted();
    let mut judged = Judged {
        mails: MAILS - 1,
        broken,
        ..Judged::default()
    };
    for n in (0..MAILS).filter(|n| *n != 3) {
        let to = format!("<{}>", super::site::recipient(n));
        let copies = taken.iter().filter(|m| m.to[0].contains(&to)).count();
        judged.lost += usize::from(copies == 0);
        judged.repeated += copies.saturating_sub(1);
    }
    if judged.lost > 0 || judged.repeated > 0 {
        judged.broken.push(format!(
            "{} of the others were lost, {} repeated",
            judged.lost, judged.repeated
        ));
    }
    for message in &taken {
        let to_another = message.to.len() != 1 || message.to[0].contains("y.example");
        let text = String::from_utf8_lossy(&message.bytes);
        if to_another || text.lines().any(|l| l.starts_with("Bcc:")) {
            let id = message_id(message);
            judged
                .broken
                .push(format!("{id}: a stored value became a line of its own"));
        }
    }
    Some(judged.at(sql))
}

#[test]
fn one_bad_row_holds_up_nobody_else() {
    let cases: Vec<usize> = (0..POISONS.len()).collect();
    let done = each(&cases, |n| {
        poisoned(POISONS[*n], Lanes::ALL[n % Lanes::ALL.len()])
    });
    let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    tell("poison", cases.len(), &Judged::sum(done));
}
