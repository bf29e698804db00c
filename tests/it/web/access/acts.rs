//! Acts: who may do something by a page, and that nobody does it in their name.

use super::{Client, PASSWORD, Server, serving, users};
use crate::web::access::basic::authorization;

/// Every address by which something is done to the record.
const ACTS: [&str; 6] = [
    "/tokens/t/filed",
    "/tokens/t/renew",
    "/tokens/t/snooze",
    "/tokens/t/revoke",
    "/outbox/1/retry",
    "/outbox/release",
];

/// A form that does something, where its sender may.
fn form(csrf: &str) -> Vec<(&str, &str)> {
    vec![
        ("csrf", csrf),
        ("do", "file"),
        ("on", "2026-10-01"),
        ("sure", "yes"),
    ]
}

/// How much is on record.
async fn events(server: &Server) -> usize {
    let site = server.live.site();
    site.store.history(None, 10_000).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_operator_acts() {
    let server = serving(&users()).await;
    let before = events(&server).await;
    let browser = Client::of(&server);
    let viewer = browser.inside("n.diallo").await;
    let csrf = viewer.csrf().await;
    let program = Client::of(&server)
        .bare()
        .with("Authorization", &authorization("c.martin", PASSWORD));
    for act in ACTS {
        let reply = viewer.post(act, &form(&csrf)).await;
        assert_eq!(reply.status, 403, "{act}: {reply:?}");
        // An operator's password with each request is no session.
        assert_eq!(program.post(act, &form(&csrf)).await.status, 401, "{act}");
        // Nobody in particular.
        assert_eq!(browser.post(act, &form(&csrf)).await.status, 303, "{act}");
    }
    assert_eq!(events(&server).await, before);
    server.stop().await;

    let server = serving("").await;
    let before = events(&server).await;
    for act in ACTS {
        let local = Client::of(&server);
        assert_eq!(local.post(act, &form("")).await.status, 403, "{act}");
    }
    assert_eq!(events(&server).await, before);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_counts_with_the_token_of_its_own_session_from_a_page_of_ours() {
    let server = serving(&users()).await;
    let before = events(&server).await;
    let browser = Client::of(&server);
    let (mine, other) = (
        browser.inside("c.martin").await,
        browser.inside("c.martin").await,
    );
    let (csrf, others) = (mine.csrf().await, other.csrf().await);
    for act in ACTS {
        for token in ["", "x", &others, &csrf[1..]] {
            let reply = mine.post(act, &form(token)).await;
            assert_eq!(reply.status, 403, "{act} {token}");
        }
        assert_eq!(mine.post(act, &[("do", "file")]).await.status, 403, "{act}");
        for (name, value) in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            let forged = mine.clone().with(name, value);
            let reply = forged.post(act, &form(&csrf)).await;
            assert_eq!(reply.status, 403, "{act} {name}: {value}");
        }
        // A link of somebody else's asks, and never does.
        let link = format!("{act}?csrf={csrf}&do=file&on=2026-10-01&sure=yes");
        let asked = mine.get(&link).await.status;
        assert!([200, 404].contains(&asked), "{act}: {asked}");
    }
    assert_eq!(events(&server).await, before, "nothing was done");
    for act in ACTS {
        let reply = mine.post(act, &form(&csrf)).await;
        assert_ne!(reply.status, 403, "{act}: {reply:?}");
        assert!(reply.status < 500, "{act}: {reply:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_proxy_names_acts_with_the_token_of_that_name() {
    let server = serving(
        "[web.auth]\nproxy = { header = \"X-Remote-User\", from = [\"127.0.0.9\"], operators = [\"c.martin\"] }\n",
    )
    .await;
    let before = events(&server).await;
    let named = |name: &str| {
        Client::of(&server)
            .from("127.0.0.9")
            .with("X-Remote-User", name)
    };
    let (martin, diallo) = (named("c.martin"), named("n.diallo"));
    let (csrf, others) = (martin.csrf().await, diallo.csrf().await);
    for act in ACTS {
        assert_eq!(martin.post(act, &form(&others)).await.status, 403, "{act}");
        assert_eq!(martin.post(act, &form("")).await.status, 403, "{act}");
        assert_eq!(diallo.post(act, &form(&others)).await.status, 403, "{act}");
        let forged = martin.clone().with("Origin", "null");
        assert_eq!(forged.post(act, &form(&csrf)).await.status, 403, "{act}");
        // The name and the token are known, the address is not the proxy's.
        let spoofed = Client::of(&server).with("X-Remote-User", "c.martin");
        assert_eq!(spoofed.post(act, &form(&csrf)).await.status, 403, "{act}");
    }
    assert_eq!(events(&server).await, before);
    let reply = martin.post(ACTS[0], &form(&csrf)).await;
    assert_ne!(reply.status, 403, "{reply:?}");
    server.stop().await;
}
