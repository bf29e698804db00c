//! The login page: the way there, the way back, and what is told to whom.

use super::{Client, HASH, PASSWORD, cookie, serving, users};

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_sent_to_the_login_and_back_to_what_it_asked_for() {
    let server = serving(&users()).await;
    let browser = Client::of(&server);
    for (path, to) in [
        ("/", "./login"),
        ("/?q=a&lang=en", "./login?to=%2F%3Fq%3Da%26lang%3Den"),
    ] {
        let page = browser.get(path).await;
        assert_eq!((page.status, page.header("location")), (303, Some(to)));
        assert_eq!(page.body, "");
    }
    let page = browser.get("/login?to=%2F%3Fq%3Da%26lang%3Den").await;
    assert_eq!(page.status, 200);
    let action = "action=\"login?to=%2F%3Fq%3Da%26lang%3Den\"";
    assert!(page.body.contains(action), "{}", page.body);
    assert!(!page.body.contains("<nav"), "{}", page.body);

    let form = [("name", "c.martin"), ("password", PASSWORD)];
    for (to, location) in [
        ("%2F%3Fq%3Da%26lang%3Den", "./?q=a&lang=en"),
        ("%2Ftokens%2Fx", "./tokens/x"),
        ("", "./"),
        ("%2F%2Fevil.example", "./"),
        ("https%3A%2F%2Fevil.example", "./"),
        ("%2F%5Cevil.example", "./"),
        ("%2Fa%0D%0ASet-Cookie%3A%20x%3Dy", "./"),
        ("%2F..%2F..%2Fx", "./"),
        ("%2Flogin", "./"),
        ("%FF%FE", "./"),
    ] {
        let reply = browser.post(&format!("/login?to={to}"), &form).await;
        assert_eq!(reply.status, 303, "{to}");
        assert_eq!(reply.header("location"), Some(location), "{to}");
    }
    // Who is logged in has no use for the page.
    let inside = browser.inside("c.martin").await;
    let page = inside.get("/login?to=%2Ftokens").await;
    assert_eq!(page.status, 303);
    assert_eq!(page.header("location"), Some("./tokens"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_401_with_a_challenge() {
    let server = serving(&users()).await;
    for client in [
        Client::of(&server).bare(),
        Client::of(&server).bare().with("Accept", "*/*"),
        Client::of(&server)
            .with("X", "y")
            .bare()
            .with("Authorization", "Bearer abc"),
    ] {
        let reply = client.get("/").await;
        assert_eq!(reply.status, 401);
        assert_eq!(
            reply.header("www-authenticate"),
            Some("Basic realm=\"jetond\", charset=\"UTF-8\"")
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_name_and_a_wrong_password_get_one_answer() {
    let server = serving(&users()).await;
    let browser = Client::of(&server);
    let told = async |name: &str, password: &str| {
        let reply = browser.log_in(name, password).await;
        assert_eq!(reply.header("set-cookie"), None, "{name}");
        (reply.status, reply.body.replace(name, "NAME"))
    };
    let wrong = told("c.martin", "something else").await;
    assert_eq!(wrong.0, 403);
    assert!(wrong.1.contains("The name or the password is wrong."));
    for (name, password) in [
        ("nobody", PASSWORD),
        ("C.MARTIN", PASSWORD),
        ("c.martin", ""),
        ("c.martin", HASH),
        ("n.diallo", &PASSWORD.to_uppercase()),
    ] {
        assert_eq!(told(name, password).await, wrong, "{name}");
    }
    // A name is shown again as text, whatever it holds.
    let reply = browser.log_in("\"><script>alert(1)</script>", "x").await;
    assert_eq!(reply.status, 403);
    assert!(!reply.body.contains("<script"), "{}", reply.body);
    assert!(!reply.body.contains(PASSWORD) && !wrong.1.contains("something else"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_the_login_is_refused() {
    let server = serving(&users()).await;
    let browser = Client::of(&server);
    let long = "x".repeat(5_000);
    for form in [
        &[][..],
        &[("name", "c.martin")],
        &[("password", PASSWORD)],
        &[("name", "c.martin"), ("name", "x"), ("password", PASSWORD)],
        &[
            ("name", "c.martin"),
            ("password", PASSWORD),
            ("password", ""),
        ],
        &[("name", "c.martin"), ("password", &long)],
    ] {
        let reply = browser.post("/login", form).await;
        assert_eq!(reply.status, 400, "{form:?}");
        assert_eq!(reply.header("set-cookie"), None);
    }
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let forged = browser.clone().with(name, value);
        let reply = forged.log_in("c.martin", PASSWORD).await;
        assert_eq!(reply.status, 403, "{name}: {value}");
        assert_eq!(reply.header("set-cookie"), None);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_for_this_host_alone_and_for_no_script() {
    let server = serving(&users()).await;
    let reply = Client::of(&server).log_in("c.martin", PASSWORD).await;
    let id = cookie(&reply);
    let set = reply.header("set-cookie").unwrap();
    assert_eq!(set, format!("{id}; Path=/; HttpOnly; SameSite=Strict"));
    let value = id.strip_prefix("jetond=").unwrap();
    assert_eq!(value.len(), 43, "256 bits");
    server.stop().await;

    let public = format!(
        "public_url = \"https://jetons.ville.example/x\"\n{}",
        users()
    );
    let server = serving(&public).await;
    let browser = Client::of(&server)
        .under("jetons.ville.example")
        .with("X-Forwarded-For", "192.0.2.7")
        .with("Origin", "https://jetons.ville.example");
    let reply = browser.log_in("c.martin", PASSWORD).await;
    let id = cookie(&reply);
    assert!(id.starts_with("__Host-jetond="));
    assert_eq!(
        reply.header("set-cookie").unwrap(),
        format!("{id}; Path=/; HttpOnly; SameSite=Strict; Secure")
    );
    assert_eq!(browser.clone().keeping(&id).get("/").await.status, 200);
    // Under the name without the prefix another host could have set it.
    let tossed = id.replace("__Host-", "");
    assert_eq!(browser.clone().keeping(&tossed).get("/").await.status, 303);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_speaks_both_languages() {
    let server = serving(&users()).await;
    let browser = Client::of(&server);
    let french = browser.get("/login?lang=fr").await;
    let english = browser.get("/login?lang=en").await;
    assert!(french.body.contains("lang=\"fr\"") && french.body.contains("Mot de passe"));
    assert!(english.body.contains("lang=\"en\"") && english.body.contains("Password"));
    for page in [french, english] {
        for mark in [
            "autocomplete=\"username\"",
            "autocomplete=\"current-password\"",
            "type=\"password\"",
            "for=\"name\"",
            "for=\"password\"",
        ] {
            assert!(page.body.contains(mark), "{mark}: {}", page.body);
        }
    }
    server.stop().await;
}
