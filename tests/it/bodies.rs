//! The bodies of mails: kept as they were handed over, shown by `outbox show`, cleared when a
//! caller says so, and never written by a claim that is void.

use std::sync::Arc;

use jetond::domain::body::{Body, Form, Seams};
use jetond::store::Store;
use jetond::store::mailbook::Which;
use jetond::store::outbox::{Bounds, Doubt, ENTER_DOUBT, MailState, Wanted};
use jetond::store::settle::{Entered, Settled, Settlement};

use crate::support::daemon::{Town, at, head, token};
use crate::support::program::{Program, said};
use crate::support::smtp_server::{Act, Script, SmtpServer};

const ONE: &str = "un@ville.example";
const TWO: &str = "deux@ville.example";
const THREE: &str = "trois@ville.example";
const MORNING: &str = "2026-11-16T09:00:00Z";

fn config(server: &SmtpServer, people: &[&str]) -> String {
    let tokens = people.iter().enumerate();
    let tokens: String = tokens
        .map(|(n, who)| token(&format!("t{n}"), "2026-12-15", &[who]))
        .collect();
    head(server.port()) + &tokens
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_took_is_kept_byte_for_byte() {
    let refused = Act::Reply("550 5.1.1 nobody of that name");
    let server = SmtpServer::start(Script::new().to(TWO, refused));
    let town = Town::start(&config(&server, &[ONE, TWO]), at(MORNING)).await;
    let step = town.pass().await;
    assert!(step.refused == 1 && step.sent >= 1, "{step:?}");
    let taken = server.accepted();
    for mail in town.mails().await {
        let body = town.store().body(mail.no).await.unwrap();
        match mail.state {
            MailState::Sent => {
                let body = body.unwrap();
                assert!(taken.iter().any(|m| m.bytes == body), "{mail:?}");
                let id = format!("Message-ID: <{}>", mail.message_id);
                assert!(String::from_utf8(body).unwrap().contains(&id));
            }
            // It was refused before any byte of it was handed over.
            _ => assert_eq!(body, None, "{mail:?}"),
        }
    }
}

/// Takes everything up, and answers what would be its commit before the dot.
async fn doubts(town: &Town) -> Vec<Doubt> {
    town.rig().tick(town.now).await.unwrap();
    let clerk = town.rig().sender.clerk();
    let batch = clerk.take_up(town.now, 10).await.unwrap();
    let ready = batch.ready.iter();
    ready
        .map(|r| Doubt {
            mail: r.mail.no,
            fence: r.mail.fence,
            content: Body::Whole(format!("the bytes of {}\r\n\0", r.mail.message_id).into_bytes()),
            carried: r.addressed.as_ref().unwrap().carried,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commit_before_the_dot_takes_each_mail_of_a_group_by_itself() {
    let server = SmtpServer::start(Script::new());
    let town = Town::start(&config(&server, &[ONE, TWO, THREE]), at(MORNING)).await;
    let mut group = doubts(&town).await;
    assert_eq!(group.len(), 3);
    // One claim is void, one mail no longer carries what was composed.
    group[0].fence -= 1;
    group[1].carried += 1;
    let may = town.store().enter_doubt(&group, town.now).await.unwrap();
    assert_eq!(may, [false, false, true]);
    for (doubt, may) in group.iter().zip(may) {
        let body = town.store().body(doubt.mail).await.unwrap();
        assert_eq!(body, may.then(|| doubt.content.bytes().unwrap()));
    }
    assert!(
        town.store()
            .enter_doubt(&[], town.now)
            .await
            .unwrap()
            .is_empty()
    );

    let plan = town.store().query_plan(ENTER_DOUBT).await.unwrap();
    assert!(plan[0].contains("SCAN j"), "{plan:?}");
    let searched = plan
        .iter()
        .any(|p| p.contains("SEARCH mail USING INTEGER PRIMARY KEY"));
    assert!(
        searched && !plan.iter().any(|p| p.contains("SCAN mail")),
        "{plan:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn old_bodies_are_cleared_and_those_that_may_go_out_again_are_not() {
    let server = SmtpServer::start(Script::new());
    let mut town = Town::start(&config(&server, &[ONE]), at(MORNING)).await;
    assert_eq!(town.pass().await.sent, 1);
    // A month later another mail is in doubt.
    town.now = at("2026-12-08T09:00:00Z");
    let doubt = doubts(&town).await.remove(0);
    let entered = std::slice::from_ref(&doubt);
    assert_eq!(
        town.store().enter_doubt(entered, town.now).await.unwrap(),
        [true]
    );
    let store = town.store();
    let sent = store.mails(Which::All, 10).await.unwrap();
    let sent = sent.iter().find(|m| m.state == MailState::Sent).unwrap();

    assert_eq!(
        store.forget_bodies(at(MORNING)).await.unwrap(),
        0,
        "it is not older than that"
    );
    assert!(store.body(sent.no).await.unwrap().is_some());
    let later = town.now + chrono::Duration::days(1);
    assert_eq!(store.forget_bodies(later).await.unwrap(), 1);
    assert_eq!(store.body(sent.no).await.unwrap(), None);
    assert_eq!(
        store.body(doubt.mail).await.unwrap(),
        Some(doubt.content.bytes().unwrap())
    );
    assert_eq!(store.forget_bodies(later).await.unwrap(), 0);
    // A copy to try things out on carries what may go out again.
    let path = town.dir().join("jetond.db");
    let copy = Store::copy_of(&path).await.unwrap();
    assert_eq!(
        copy.body(doubt.mail).await.unwrap(),
        Some(doubt.content.bytes().unwrap())
    );
}

/// The forms that a store keeps.
async fn forms(path: &std::path::Path) -> i64 {
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap())
        .await
        .unwrap();
    let n = sqlx::query_scalar("SELECT count(*) FROM form")
        .fetch_one(&pool)
        .await
        .unwrap();
    pool.close().await;
    n
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bodies_share_is_kept_once_and_gone_with_the_last_of_them() {
    let server = SmtpServer::start(Script::new());
    let town = Town::start(&config(&server, &[ONE, TWO, THREE]), at(MORNING)).await;
    let mut group = doubts(&town).await;
    let form = Arc::new(Form::new(b"every word that all of them say".to_vec()));
    for (doubt, who) in group.iter_mut().zip([ONE, TWO, THREE]) {
        let mut seams = Seams::default();
        seams.own(who.len());
        seams.shared(form.shared.len());
        let own = seams.own_of(&[who.as_bytes(), &form.shared].concat());
        let form = Arc::clone(&form);
        doubt.content = Body::Sparse { form, own };
    }
    let store = town.store();
    let path = town.dir().join("jetond.db");
    assert_eq!(
        store.enter_doubt(&group[..2], town.now).await.unwrap(),
        [true; 2]
    );
    assert_eq!(
        store.enter_doubt(&group[2..], town.now).await.unwrap(),
        [true]
    );
    assert_eq!(forms(&path).await, 1);
    let whole = |doubt: &Doubt| Some(doubt.content.bytes().unwrap());
    let copy = Store::copy_of(&path).await.unwrap();
    for doubt in &group {
        assert_eq!(store.body(doubt.mail).await.unwrap(), whole(doubt));
        assert_eq!(copy.body(doubt.mail).await.unwrap(), whole(doubt));
    }
    // What is in doubt comes again with the same bytes.
    store.void_claims(town.now).await.unwrap();
    let later = town.now + chrono::Duration::minutes(31);
    let again = store
        .claim(Wanted::All, later, 10, &Bounds::default())
        .await
        .unwrap();
    assert_eq!(again.len(), 3);
    for mail in &again {
        let doubt = group.iter().find(|d| d.mail == mail.no).unwrap();
        let flight = mail.content.as_ref().map(|c| c.bytes.clone());
        assert_eq!(flight, whole(doubt));
    }
    let settled: Vec<Settled> = again
        .iter()
        .map(|mail| Settled {
            mail: mail.no,
            fence: mail.fence,
            outcome: Settlement::Sent {
                subject: String::new(),
                body: None,
            },
            entered: Entered::Yes,
            reply: String::new(),
        })
        .collect();
    store.settle(&settled[..1], &[], later).await.unwrap();
    let day = chrono::Duration::days(1);
    assert_eq!(store.forget_bodies(later + day).await.unwrap(), 1);
    assert_eq!(forms(&path).await, 1, "others use it");
    let open = &group.iter().find(|d| d.mail == again[1].no).unwrap();
    assert_eq!(store.body(open.mail).await.unwrap(), whole(open));
    store.settle(&settled[1..], &[], later).await.unwrap();
    assert_eq!(store.forget_bodies(later + day).await.unwrap(), 2);
    assert_eq!(forms(&path).await, 0);
}

#[test]
fn outbox_show_shows_a_mail_exactly_as_it_left() {
    let server = SmtpServer::start(Script::new());
    let expires = (jetond::clock::now() + chrono::Days::new(20)).date_naive();
    let text = format!(
        "timezone = \"UTC\"\nlanguage = \"fr\"\ncontact = \"dsi@ville.example\"\n[schedule]\nwindow = \"00:00-24:00\"\n\
         [mail]\nfrom = \"jetons@ville.example\"\ntransport = \"WAY\"\n\
         [mail.smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n{}",
        server.port(),
        token("été", &expires.to_string(), &[ONE]).replace("id = \"été\"", "id = \"ete\""),
    );
    for way in ["smtp", "file"] {
        let program = Program::new(&text.replace("WAY", way));
        program.json(&["run", "--once"]);
        let left = match way {
            "smtp" => server.accepted()[0].bytes.clone(),
            _ => {
                let mut files = std::fs::read_dir(program.place().join("outbox")).unwrap();
                std::fs::read(files.next().unwrap().unwrap().path()).unwrap()
            }
        };
        let shown = program
            .command(&["outbox", "show", "1", "--eml"])
            .output()
            .unwrap();
        assert_eq!(shown.status.code(), Some(0), "{}", said(&shown));
        assert_eq!(shown.stdout, left, "{way}");
        let row = &program.json(&["outbox", "show", "1"])[0];
        assert_eq!(row["eml"].as_str().unwrap().as_bytes(), left);
        let words = row["text"].as_str().unwrap();
        assert!(
            words.starts_with(row["subject"].as_str().unwrap()),
            "{words}"
        );
        assert!(
            words.contains("« Jeton été »") || words.contains("Jeton été"),
            "{words}"
        );
        assert!(!words.contains('\r'));
        let shown = program
            .command(&["--lang", "en", "outbox", "show", "1"])
            .output()
            .unwrap();
        assert!(said(&shown).contains("as it left:"), "{}", said(&shown));
    }
}
