//! The real sender with mails as files, against the oracle: what lies in the directory is what
//! the oracle says.

use std::collections::BTreeMap;

use mail_parser::MessageParser;

use crate::oracle::civil::{Instant, MINUTE};
use crate::oracle::life::{expected, interesting};
use crate::oracle::report;
use crate::oracle::scenario::Scenario;
use crate::whole_life::drive::{Daemon, Medium, utc, without_mails};

#[tokio::test]
async fn the_senders_files_are_the_oracles_mails() {
    let scenario = Scenario::random(32, 6, 12);
    let scheduled = interesting(&scenario, &scenario.hours());
    let mut daemon = Daemon::first_start(&scenario, Medium::Memory).await;
    let mut now = scenario.start;
    let mut digest = String::new();
    let mut sender = None;
    while now < scenario.end {
        daemon.tick(now).await;
        if digest != daemon.config.digest || sender.is_none() {
            digest.clone_from(&daemon.config.digest);
            sender = Some(daemon.sender());
        }
        let sender = sender.as_ref().unwrap();
        let step = sender.drain(utc(now)).await.unwrap();
        assert!(!step.is_troubled(), "{step:?}");
        now = daemon.wait(&scheduled, now).await;
    }

    let mut written: BTreeMap<(Instant, String), String> = BTreeMap::new();
    for entry in std::fs::read_dir(daemon.place.path().join("outbox")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let mail = MessageParser::default().parse(&bytes).unwrap();
        let to = mail.to().unwrap().first().unwrap().address().unwrap();
        let at = mail.date().unwrap().to_timestamp();
        let text = mail.body_text(0).unwrap().into_owned();
        let minute = at.div_euclid(MINUTE) * MINUTE;
        let before = written.insert((minute, to.to_lowercase()), text);
        assert_eq!(before, None, "two mails to {to} in one minute");
    }
    let wanted = expected(&scenario);
    let found = daemon.outcome().await;
    assert_eq!(
        report::diff(
            &scenario,
            &without_mails(&wanted),
            &without_mails(&found),
            6
        ),
        None
    );
    assert!(wanted.mails.len() > 20, "a life too quiet to show anything");
    for mail in &wanted.mails {
        let text = written.remove(&(mail.at, mail.recipient.clone()));
        let text = text.unwrap_or_else(|| panic!("missing: {mail:?}"));
        for notice in &mail.notices {
            let name = format!("Jeton {}", notice.token);
            assert!(
                text.replace('\u{a0}', " ").contains(&name),
                "{name}:\n{text}"
            );
        }
    }
    assert!(written.is_empty(), "not owed: {:?}", written.keys());
}
