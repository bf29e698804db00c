//! Who looks at a mail does not get the key that is in it; and who was forgotten, or whose mails
//! are no longer kept, is not found again on any page.

use chrono::Duration;
use jetond::domain::address::Address;
use jetond::store::privacy::Commit;
use mail_parser::MessageParser;

use super::{Board, OPERATOR, PRESENT, VIEWER, WEB, lived_in, unescaped};
use crate::support::daemon::{Town, at, token};

/// The tickets in a text.
fn tickets(text: &str) -> Vec<String> {
    text.split("/l/")
        .skip(1)
        .map(|rest| {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .filter(|t| t.len() >= 40)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_shows_a_link_that_opens() {
    let (board, server) = lived_in().await;
    let sent = server.accepted();
    let keys: Vec<String> = sent
        .iter()
        .filter_map(|m| MessageParser::default().parse(&m.bytes))
        .flat_map(|m| tickets(&m.body_text(0).unwrap()))
        .collect();
    assert!(!keys.is_empty());
    let mails = board.town.mails().await;
    let mut with_file = 0;
    for m in &mails {
        let no = m.no;
        for name in [VIEWER, OPERATOR] {
            let page = board.get_as(name, &format!("/outbox/{no}")).await;
            assert_eq!(page.status, 200);
            assert!(tickets(&unescaped(&page.body)).is_empty(), "{}", page.body);
        }
        let path = format!("/outbox/{no}.eml");
        let (shown, own) = (
            board.get_as(VIEWER, &path).await,
            board.get_as(OPERATOR, &path).await,
        );
        assert_eq!(shown.status, own.status);
        let body = board.town.store().body(no).await.unwrap();
        let Some(body) = body else {
            assert_eq!(own.status, 404);
            continue;
        };
        with_file += 1;
        for reply in [&shown, &own] {
            assert_eq!(reply.header("content-type"), Some("message/rfc822"));
            assert_eq!(
                reply.header("content-disposition"),
                Some(format!("attachment; filename=\"mail-{no}.eml\"").as_str())
            );
        }
        assert_eq!(own.body.as_bytes(), body, "operators get it as it left");
        // What a viewer gets says the same, and opens nothing.
        let (was, is) = (
            MessageParser::default().parse(&body).unwrap(),
            MessageParser::default()
                .parse(shown.body.as_bytes())
                .unwrap(),
        );
        assert_eq!(was.subject(), is.subject());
        assert_eq!(was.message_id(), is.message_id());
        let (was, is) = (was.body_text(0).unwrap(), is.body_text(0).unwrap());
        let mut masked = was.replace("\r\n", "\n");
        for key in &keys {
            masked = masked.replace(key, "***");
            assert!(!shown.body.contains(key));
        }
        assert_eq!(is.replace("\r\n", "\n"), masked);
    }
    assert!(with_file >= 3, "{with_file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_has_not_left_is_shown_with_a_sample_of_its_link() {
    let config = super::head(1) + WEB + &token("marches", "2026-12-15", &["a@ville.example"]);
    let town = Town::start(&config, PRESENT()).await;
    town.rig().tick(town.now).await.unwrap();
    let board = Board::of(town).await;
    for name in [VIEWER, OPERATOR] {
        let page = board.get_as(name, "/outbox/1?lang=en").await.body;
        let page = unescaped(&page);
        assert!(page.contains("as it would leave now"), "{page}");
        assert!(page.contains("/l/preview"), "{page}");
        assert!(tickets(&page).is_empty(), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_kept_is_said_to_be_so() {
    let (board, _server) = lived_in().await;
    let mails = board.town.mails().await;
    let sent = mails.iter().find(|m| m.state.word() == "sent").unwrap().no;
    let before = board.page(&format!("/outbox/{sent}?lang=en")).await;
    assert!(before.contains("as it left"), "{before}");
    let cleared = board
        .town
        .store()
        .forget_bodies(PRESENT() + Duration::days(1))
        .await
        .unwrap();
    assert!(cleared > 0);
    let after = board.page(&format!("/outbox/{sent}?lang=en")).await;
    assert!(after.contains("Its text is not kept"), "{after}");
    assert!(after.contains("250"), "the attempts stay: {after}");
    let file = board.get(&format!("/outbox/{sent}.eml")).await;
    assert_eq!(file.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_forgotten_is_a_pseudonym_everywhere() {
    const GONE: &str = "zoe.lefevre@ville.example";
    let people = |more: &str| {
        super::head(1).replace("transport = \"smtp\"", "transport = \"file\"")
            + WEB
            + &format!(
                "[[token]]\nid = \"marches\"\nname = \"Marchés\"\nexpires = 2026-12-15\n\
                 recipients = [\"a@ville.example\"{more}]\n"
            )
    };
    let theirs = format!(", {{ email = \"{GONE}\", name = \"Zoé Lefèvre\" }}");
    let mut town = Town::start(&people(&theirs), at("2026-11-20T08:30:00Z")).await;
    town.pass().await;
    let mails = town.mails().await;
    let no = mails.iter().find(|m| m.address == GONE).unwrap().no;
    town.reload(&people("")).await;
    town.pass_after(1440).await;
    town.store()
        .forget(
            &Address::parse(GONE).unwrap(),
            "user:alex",
            Commit::Yes,
            PRESENT(),
        )
        .await
        .unwrap()
        .unwrap();
    let board = Board::of(town).await;
    for path in [
        "/tokens".to_owned(),
        "/tokens/marches".to_owned(),
        "/recipients".to_owned(),
        "/recipients/forgotten-1@forgotten.invalid".to_owned(),
        "/outbox?state=all".to_owned(),
        format!("/outbox/{no}"),
        "/journal".to_owned(),
        "/journal.csv".to_owned(),
        "/outbox.csv?state=all".to_owned(),
    ] {
        let page = board.page(&path).await;
        let page = page.to_lowercase();
        for trace in ["zoe", "zoé", "lefevre", "lefèvre"] {
            assert!(!page.contains(trace), "{trace} in {path}: {page}");
        }
        if path.starts_with("/outbox") {
            assert!(page.contains("forgotten-1"), "{path}: {page}");
        }
    }
    let gone = board.get(&format!("/recipients/{GONE}")).await;
    assert_eq!(gone.status, 404);
}
