//! An operator with a keyboard, in both languages: logs in, finds the token, says what happened,
//! sees it done and in the journal. Who may look only is offered nothing.

use jetond::domain::lifecycle::Silence;
use serde_json::json;

use super::browser::{held, lost};
use super::house::House;
use super::large::{self, NAME, PASSWORD};
use crate::support::browser::{Browser, ENTER, TAB};

/// Puts the focus where a keyboard would bring it, and presses it.
fn press(browser: &Browser, selector: &str) {
    browser.wait_for(selector);
    let focus = format!("document.querySelector({selector:?}).focus()");
    browser.script(&focus);
    browser.press(&[ENTER]);
}

/// Types into a field of a form, and sends the form.
fn send(browser: &Browser, field: &str, value: &str) {
    browser.wait_for(field);
    let typed = format!("document.querySelector({field:?}).value = {value:?}");
    browser.script(&typed);
    let send = format!("document.querySelector({field:?}).form.querySelector('button').focus()");
    browser.script(&send);
    browser.press(&[ENTER]);
}

/// Confirms what is asked, and reads what is said then.
fn confirm(browser: &Browser) -> String {
    press(browser, "form[method=post][action^='?'] button");
    browser.wait_for(".good-note[role=status]");
    let said = browser.script("return document.querySelector('.good-note').innerText");
    said.as_str().unwrap().to_owned()
}

fn acts(browser: &Browser, house: &House, lang: &str) {
    let url = |path: &str| format!("http://{}{path}", house.at);
    let token = match lang {
        "fr" => "t16",
        _ => "t17",
    };
    let say = |en: &'static str, fr: &'static str| if lang == "fr" { fr } else { en };
    browser.dress(1280, 800, "light");
    // To the token by way of the login.
    browser.open(&url(&format!("/tokens?q={token}&lang={lang}")));
    browser.wait_for("#name");
    browser.script("document.querySelector('#name').focus()");
    browser.press(&[NAME, TAB, PASSWORD, ENTER]);
    let row = format!("main a[href$='tokens/{token}']");
    press(browser, &row);
    let to = |act: &str| format!("main a[href$='tokens/{token}/{act}']");

    press(browser, &to("filed"));
    send(browser, "#file-reference", "11245");
    assert!(confirm(browser).contains(say(
        "request is filed",
        "demande de renouvellement est déposée"
    )));
    assert!(browser.text().contains("11245"), "{}", browser.text());
    press(browser, &to("filed"));
    press(browser, "[name=do][value=undo] ~ .answers button");
    assert!(confirm(browser).contains(say("filed no longer", "plus considérée comme déposée")));

    press(browser, &to("snooze"));
    send(browser, "#snooze-until", "2026-10-20");
    assert!(confirm(browser).contains(say("put off", "en sommeil")));

    press(browser, &to("renew"));
    send(browser, "#renew-expires", "2029-06-15");
    browser.wait_for("#effect");
    let text = browser.text();
    assert!(text.contains(say("15 June 2029", "15 juin 2029")), "{text}");
    assert!(confirm(browser).contains(say("is renewed", "est renouvelé")));

    // One that is not later is refused, and what was typed stays.
    press(browser, &to("renew"));
    send(browser, "#renew-expires", "2029-01-01");
    browser.wait_for("#problem");
    let typed = browser.script("return document.querySelector('#renew-expires').value");
    assert_eq!(typed, "2029-01-01");

    browser.open(&url(&format!("/tokens/{token}")));
    press(browser, &to("revoke"));
    assert!(confirm(browser).contains(say("is revoked", "est révoqué")));
    browser.open(&url(&format!("/journal?token={token}")));
    let journal = browser.text();
    assert!(journal.contains(NAME), "{journal}");

    press(browser, "form[action$=logout] button");
    browser.wait_for("#name, #login, form[action^=login]");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_says_in_both_languages_what_happened() {
    let Some(browser) = tokio::task::block_in_place(Browser::start) else {
        return;
    };
    let house = large::house(300).await;
    tokio::task::block_in_place(|| {
        for lang in ["fr", "en"] {
            acts(&browser, &house, lang);
        }
    });
    let store = house.town.store();
    let events = store.history(None, 10_000).await.unwrap();
    for token in ["t16", "t17"] {
        let mine: Vec<&str> = events
            .iter()
            .filter(|e| e.token.as_deref() == Some(token) && e.who == format!("web:{NAME}"))
            .map(|e| e.what.as_str())
            .collect();
        assert_eq!(
            mine,
            ["filed", "filed_undone", "snoozed", "renewed", "revoked"]
        );
    }
    let said = store.all_said().await.unwrap();
    assert!(said.iter().any(|(_, s)| s.kind == Silence::Filed));
    // The mails: one is sent again, one cancelled, the held ones are released.
    let (refused, held) = (lost(&house).await, held(&house).await);
    tokio::task::block_in_place(|| {
        browser.introduce(&json!({"X-Remote-User": "sam"}));
        for (path, said) in [
            (
                format!("/outbox/{refused}/retry?lang=fr"),
                "prochaine occasion",
            ),
            (format!("/outbox/{held}/cancel?lang=en"), "is cancelled"),
            ("/outbox/release?lang=fr".to_owned(), "peuvent partir"),
        ] {
            browser.open(&format!("http://{}{path}", house.at));
            let note = confirm(&browser);
            assert!(note.contains(said), "{path}: {note}");
        }
        // Who may look only.
        browser.introduce(&json!({"X-Remote-User": "nina"}));
        for path in ["/tokens/t18", "/outbox", "/", &format!("/outbox/{held}")] {
            browser.open(&format!("http://{}{path}", house.at));
            let offered = browser.script(
                "return [...document.querySelectorAll('main form[method=post], main a')].map(e => new URL(e.action || e.href).pathname)
                    .filter(to => /(filed|renew|snooze|revoke|retry|cancel|release)$/.test(to))",
            );
            assert_eq!(offered, json!([]), "{path}");
        }
    });
    let events = store.history(None, 10_000).await.unwrap();
    for what in ["mail_retried", "mail_cancelled", "mails_released"] {
        assert!(
            events.iter().any(|e| e.what == what && e.who == "web:sam"),
            "{what}"
        );
    }
}
