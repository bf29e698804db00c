//! The lists in a real browser, narrow and wide, in both schemes and on paper: every text stands
//! out, nothing scrolls sideways but what says so, every field has its words.
//!
//! Each page is kept as a picture, in `pages` of the directory that cargo gives to tests, for
//! people to look at.

use std::path::Path;

use super::lived_in_behind;
use crate::support::browser::Browser;
use crate::web::chromium::WORST_CONTRAST;

/// What is wrong with a page for those who cannot see it whole.
const AWKWARD: &str = "
    const found = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) found.push('scrolls sideways: ' + root.scrollWidth);
    for (const e of document.querySelectorAll('button, input, select, a.button'))
        if (e.getBoundingClientRect().right > root.clientWidth) found.push(e.name + ' is cut');
    for (const e of document.querySelectorAll('input, select'))
        if (e.type !== 'hidden' && !e.labels.length) found.push(e.name + ' has no label');
    for (const t of document.querySelectorAll('table'))
        if (!t.caption || !t.querySelector('th[scope]')) found.push('a table without caption or heads');
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(id + ' twice');
    let level = 0;
    for (const h of document.querySelectorAll('h1, h2, h3')) {
        if (h.tagName[1] - level > 1) found.push('heading ' + h.innerText + ' leaps');
        level = +h.tagName[1];
    }
    if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
    return found;";

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_are_readable_everywhere() {
    let Some(browser) = Browser::start() else {
        return;
    };
    // On this machine, without login: a browser cannot be given a proxy's header.
    let (board, _server) = lived_in_behind("[web]\nlisten = \"127.0.0.1:8080\"\n").await;
    let mails = board.town.mails().await;
    let no = |state: &str| mails.iter().find(|m| m.state.word() == state).unwrap().no;
    let (sent, refused) = (no("sent"), no("refused"));
    let at = board.server.at;
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    for lang in ["fr", "en"] {
        for (name, path) in [
            ("tokens", "tokens?state=all".to_owned()),
            ("token", "tokens/marches".to_owned()),
            ("clients", "clients".to_owned()),
            ("client", "clients/mairie-x".to_owned()),
            ("recipients", "recipients".to_owned()),
            ("recipient", "recipients/parti@ville.example".to_owned()),
            ("outbox", "outbox?state=all".to_owned()),
            ("mail", format!("outbox/{sent}")),
            ("mail_refused", format!("outbox/{refused}")),
            ("journal", "journal".to_owned()),
        ] {
            let sign = if path.contains('?') { '&' } else { '?' };
            browser.open(&format!("http://{at}/{path}{sign}lang={lang}"));
            for (width, height) in [(320, 568), (1280, 800)] {
                for scheme in ["light", "dark"] {
                    browser.dress(width, height, scheme);
                    let worst = browser.script(WORST_CONTRAST);
                    let ratio = worst[0].as_f64().unwrap();
                    assert!(ratio >= 7.0, "{name} {scheme}: {worst}");
                    let awkward = browser.script(AWKWARD);
                    assert_eq!(
                        awkward.as_array().unwrap().len(),
                        0,
                        "{name} {width}: {awkward}"
                    );
                    browser.picture(&pictures.join(format!("{name}-{lang}-{width}-{scheme}.png")));
                }
            }
        }
    }
}
