//! The pages in a real browser: on a narrow screen, by the keyboard alone, in both schemes.
//!
//! Each page is kept as a picture, in `pages` of the directory that cargo gives to tests, for
//! people to look at.

use std::path::Path;

use jetond::domain::lifecycle::Silence;

use super::links::{CAMILLE, Place, TECH};
use crate::support::browser::{Browser, ENTER, SHIFT, TAB};

/// The contrast of every text with what it stands on, as the browser shows them: the worst one.
pub(super) const WORST_CONTRAST: &str = "
    const parts = c => c.match(/[\\d.]+/g).map(Number);
    const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = c => { const [r, g, b] = parts(c); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
    const ground = e => {
        for (; e; e = e.parentElement) {
            const c = getComputedStyle(e).backgroundColor;
            if ((parts(c)[3] ?? 1) > 0) return c;
        }
        return 'rgb(255, 255, 255)';
    };
    let worst = [21, ''];
    const look = (e, what) => {
        const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < worst[0]) worst = [ratio, what];
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) if (texts.currentNode.data.trim()) look(texts.currentNode.parentElement, texts.currentNode.data);
    for (const input of document.querySelectorAll('input')) look(input, input.id);
    return worst;";

/// What is too small for a finger, or too wide for the screen.
const AWKWARD: &str = "
    const found = [];
    if (document.documentElement.scrollWidth > document.documentElement.clientWidth) found.push('scrolls sideways');
    for (const e of document.querySelectorAll('button, input, a.button')) {
        const box = e.getBoundingClientRect();
        if (box.height < 44 || box.width < 44) found.push(e.innerText + ' is small');
        if (box.right > document.documentElement.clientWidth) found.push(e.innerText + ' is cut');
    }
    for (const e of document.querySelectorAll('input'))
        if (!e.labels.length) found.push(e.id + ' has no label');
    if (!document.querySelector('main h1')) found.push('no heading');
    if (!document.documentElement.lang) found.push('no language');
    return found;";

const RING: &str = "const s = getComputedStyle(document.activeElement); return s.outlineStyle + ' ' + s.outlineWidth";

fn judge(browser: &Browser, name: &str) {
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
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
            browser.picture(&pictures.join(format!("{name}-{width}-{scheme}.png")));
        }
    }
    browser.dress(320, 568, "light");
}

/// Where the focus comes by, from the top of the page, key by key.
fn stops(browser: &Browser, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| {
            browser.press(&[TAB]);
            let ring = browser.script(RING);
            assert_eq!(ring, "solid 3px", "{} shows its focus", browser.focus());
            browser.focus()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_with_a_narrow_screen_and_a_keyboard_says_everything() {
    let Some(browser) = tokio::task::block_in_place(Browser::start) else {
        return;
    };
    let place = Place::start().await;
    let url = |to: &str, part: &str| {
        let path = place.page(to, "/filed");
        format!("http://{}{}", place.server.at, path.replace("/filed", part))
    };
    tokio::task::block_in_place(|| {
        browser.dress(320, 568, "light");
        browser.open(&url(CAMILLE, ""));
        judge(&browser, "overview");
        assert_eq!(
            stops(&browser, 5),
            [
                "English",
                "J’ai déposé la demande",
                "Il est renouvelé",
                "Ce n’est pas pour moi",
                "formulaire Data Pass"
            ]
        );
        // Back to the first choice, and into it.
        browser.press(&[SHIFT, TAB, SHIFT, TAB, SHIFT, TAB, ENTER]);
        browser.wait_for("#number");
        judge(&browser, "filed");
        assert_eq!(
            stops(&browser, 4),
            ["English", "← Ce jeton", "number", "La demande est déposée"]
        );
        // A number that is none is told, kept, and mended.
        browser.press(&[SHIFT, TAB, "11/244", ENTER]);
        browser.wait_for("#error");
        judge(&browser, "filed-slip");
        assert_eq!(
            browser.script("return document.querySelector('#number').value"),
            "11/244"
        );
        browser.press(&[TAB, TAB, TAB, "11244", ENTER]);
        browser.wait_for(".said");
        judge(&browser, "filed-said");
        assert!(
            browser.text().contains("n°\u{a0}11244 est déposée"),
            "{}",
            browser.text()
        );
        assert!(
            browser
                .script("return location.href")
                .as_str()
                .unwrap()
                .ends_with("/filed?lang=fr")
        );
    });
    assert_eq!(
        place.said().await,
        [(Silence::Filed, format!("recipient:{CAMILLE}"))]
    );

    tokio::task::block_in_place(|| {
        // Loaded again, nothing is sent again; taken back on the same page.
        browser.open(&url(CAMILLE, "/filed"));
        assert_eq!(
            stops(&browser, 3),
            [
                "English",
                "← Ce jeton",
                "Annuler\u{a0}: elle n’est pas déposée"
            ]
        );
        browser.press(&[ENTER]);
        browser.wait_for("#number");
    });
    assert_eq!(place.said().await, []);

    tokio::task::block_in_place(|| {
        // The language of the reader, the other one by the switch, which stays.
        browser.open(&url(TECH, "/renewed"));
        assert!(browser.text().contains("New date of expiry"));
        browser.press(&[TAB, ENTER]);
        browser.wait_for("html[lang=fr] #date");
        judge(&browser, "renewed");
        browser.script("document.querySelector('#date').value = '2028-06-15'");
        browser.script("document.querySelector('#date').focus()");
        browser.press(&[ENTER]);
        browser.wait_for(".said");
        judge(&browser, "renewed-said");
        assert!(
            browser.text().contains("jusqu’au 15 juin 2028"),
            "{}",
            browser.text()
        );

        browser.open(&url(TECH, "/not-for-me"));
        judge(&browser, "not-for-me");
        assert_eq!(
            stops(&browser, 3),
            ["Français", "← This token", "Tell the others"]
        );
        browser.press(&[ENTER]);
        browser.wait_for(".said");
        judge(&browser, "not-for-me-said");
        browser.open(&url(TECH, ""));
        judge(&browser, "overview-said");
        browser.open(&url(TECH, "").replace("/l/A", "/l/B"));
        judge(&browser, "gone");
    });
    assert_eq!(
        place.said().await,
        [(Silence::Declared, format!("recipient:{TECH}"))]
    );
}
