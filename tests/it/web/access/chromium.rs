//! The login in a real browser: by the keyboard alone, with the headers and the cookie that a
//! browser really sends, and against a page of somebody else's.

use super::{Client, PASSWORD, serving, users};
use crate::support::browser::{Browser, ENTER, TAB};
use crate::web::chromium::WORST_CONTRAST;

/// A page of no site that sends a form to ours.
fn forged(at: &str, path: &str, field: &str) -> String {
    format!(
        "data:text/html,<form id=f method=post action=http://{at}{path}><input name=csrf value={field}><button id=b>x</button></form>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_and_out_by_the_keyboard_and_nobody_does_it_for_them() {
    let Some(browser) = tokio::task::block_in_place(Browser::start) else {
        return;
    };
    let server = serving(&users()).await;
    let at = server.at.to_string();
    tokio::task::block_in_place(|| {
        browser.dress(400, 700, "light");
        browser.open(&format!("http://{at}/tokens?q=T&lang=en"));
        browser.wait_for("#password");
        for scheme in ["light", "dark"] {
            browser.dress(400, 700, scheme);
            let worst = browser.script(WORST_CONTRAST);
            assert!(worst[0].as_f64().unwrap() >= 7.0, "{scheme}: {worst}");
        }
        assert_eq!(browser.focus(), "name");
        browser.press(&["c.martin", TAB, "wrong", ENTER]);
        browser.wait_for("#error");
        assert!(
            browser
                .text()
                .contains("The name or the password is wrong.")
        );
        let typed = "return document.querySelector('#name').value + '/' + document.querySelector('#password').value";
        assert_eq!(browser.script(typed), "c.martin/");
        browser.script("document.querySelector('#password').focus()");
        browser.press(&[PASSWORD, ENTER]);
        browser.wait_for("nav.menu");
        let address = browser.script("return location.pathname + location.search");
        assert_eq!(address, "/tokens?q=T&lang=en");
        assert!(browser.text().contains("c.martin"));
        // No script of a page could read the cookie.
        let cookies = browser.script("return document.cookie");
        assert!(!cookies.as_str().unwrap().contains("jetond="), "{cookies}");

        // A page of somebody else's sends forms in this person's name: a logout, and a login.
        for path in ["/logout", "/login"] {
            browser.open(&forged(&at, path, "x"));
            browser.script("document.querySelector('#b').click()");
            browser.wait_for("pre");
            assert!(
                browser.text().contains("This form came from another site"),
                "{path}: {}",
                browser.text()
            );
        }
        browser.open(&format!("http://{at}/tokens"));
        browser.wait_for("nav.menu");
        assert!(browser.text().contains("c.martin"), "still inside");

        browser.script("document.querySelector('form[action$=logout] button').focus()");
        browser.press(&[ENTER]);
        browser.wait_for("#password");
        browser.open(&format!("http://{at}/tokens"));
        browser.wait_for("#password");
    });
    assert_eq!(Client::of(&server).get("/tokens").await.status, 303);
    server.stop().await;
}
