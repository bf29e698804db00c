//! Forms: one is believed only from a page of ours, with the token of the session that sends it.

use super::{Client, serving, users};

/// What a form can be sent to, with what is answered when it counts.
const FORMS: [(&str, u16); 1] = [("/logout", 303)];

#[tokio::test(flavor = "multi_thread")]
async fn a_form_counts_with_the_token_of_its_own_session_only() {
    let server = serving(&users()).await;
    let browser = Client::of(&server);
    let (mine, other) = (
        browser.inside("c.martin").await,
        browser.inside("c.martin").await,
    );
    let (token, others) = (mine.csrf().await, other.csrf().await);
    assert_ne!(token, others, "two sessions of one person");
    assert_eq!(token, mine.csrf().await);
    let shorter = &token[1..];
    let flipped = format!(
        "{}{}",
        if token.starts_with('0') { '1' } else { '0' },
        shorter
    );
    for (path, done) in FORMS {
        for form in [
            &[][..],
            &[("csrf", "")],
            &[("csrf", others.as_str())],
            &[("csrf", shorter)],
            &[("csrf", &flipped)],
            &[("csrf", &token.to_uppercase())],
            &[("CSRF", &token)],
            &[("csrf", &token), ("csrf", &token)],
        ] {
            let reply = mine.post(path, form).await;
            assert_eq!(reply.status, 403, "{path} {form:?}");
            assert!(reply.body.contains("nothing was changed"), "{reply:?}");
        }
        // In the address, or in a header, it is no field of a form.
        let beside = mine.clone().with("X-CSRF-Token", &token);
        let reply = beside.post(&format!("{path}?csrf={token}"), &[]).await;
        assert_eq!(reply.status, 403, "{path}");
        assert_eq!(mine.get("/").await.status, 200, "{path}: still inside");
        let reply = mine.post(path, &[("csrf", &token)]).await;
        assert_eq!(reply.status, done, "{path}: {reply:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_from_another_site_changes_nothing_though_its_token_is_right() {
    let server = serving(&users()).await;
    let own = format!("http://{}", server.at);
    let port = server.at.port();
    let inside = Client::of(&server).inside("c.martin").await;
    let token = inside.csrf().await;
    for (path, _) in FORMS {
        for (name, value) in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Origin", ""),
            ("Origin", "http://127.0.0.1"),
            ("Origin", &format!("http://localhost:{port}")),
            ("Origin", &format!("{own}.evil.example")),
            ("Origin", &format!("{own} {own}")),
            ("Origin", &format!("{own}/")),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Sec-Fetch-Site", ""),
            ("Sec-Fetch-Site", "Same-Origin"),
        ] {
            let forged = inside.clone().with(name, value);
            let reply = forged.post(path, &[("csrf", &token)]).await;
            assert_eq!(reply.status, 403, "{path} {name}: {value}");
            assert!(reply.body.contains("another site"), "{reply:?}");
        }
        // One that is right does not speak for another.
        let mixed = inside
            .clone()
            .with("Origin", &own)
            .with("Sec-Fetch-Site", "cross-site");
        assert_eq!(mixed.post(path, &[("csrf", &token)]).await.status, 403);
        let doubled = inside
            .clone()
            .with("Origin", &own)
            .with("Origin", "https://evil.example");
        assert_eq!(doubled.post(path, &[("csrf", &token)]).await.status, 403);
    }
    assert_eq!(inside.get("/").await.status, 200, "nothing has ended it");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_own_headers_are_taken_here_and_behind_a_proxy() {
    let server = serving(&users()).await;
    let at = server.at.to_string();
    for headers in [
        &[][..],
        &[
            ("Origin", format!("http://{at}")),
            ("Sec-Fetch-Site", "same-origin".to_owned()),
        ],
        // A proxy with TLS passes the name on, and the browser names what it sees.
        &[("Origin", format!("https://{at}"))],
        &[("Sec-Fetch-Site", "none".to_owned())],
    ] {
        let mut browser = Client::of(&server).inside("c.martin").await;
        let token = browser.csrf().await;
        for (name, value) in headers {
            browser = browser.with(name, value);
        }
        let reply = browser.post("/logout", &[("csrf", &token)]).await;
        assert_eq!(reply.status, 303, "{headers:?}");
    }
    server.stop().await;

    let public = format!(
        "public_url = \"https://jetons.ville.example:8443/j\"\nhosts = [\"a.ville.example\"]\n{}",
        users()
    );
    let server = serving(&public).await;
    for (host, origin, status) in [
        (
            "jetons.ville.example:8443",
            "https://jetons.ville.example:8443",
            303,
        ),
        // Some proxies leave the port out, or ask by an address of their own.
        (
            "jetons.ville.example",
            "https://jetons.ville.example:8443",
            303,
        ),
        ("127.0.0.1:8080", "https://jetons.ville.example:8443", 303),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", 303),
        ("a.ville.example", "https://a.ville.example", 303),
        ("a.ville.example", "http://a.ville.example", 403),
        (
            "jetons.ville.example:8443",
            "https://jetons.ville.example",
            403,
        ),
        (
            "jetons.ville.example:8443",
            "http://jetons.ville.example:8443",
            403,
        ),
    ] {
        let browser = Client::of(&server).under(host);
        let inside = browser.inside("c.martin").await;
        let token = inside.csrf().await;
        let sent = inside.with("Origin", origin);
        let reply = sent.post("/logout", &[("csrf", &token)]).await;
        assert_eq!(reply.status, status, "{host} {origin}");
    }
    server.stop().await;
}
