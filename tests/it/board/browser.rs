//! Every page in a real browser: judged by axe-core, narrow and wide, light and dark, by the
//! keyboard, printed, and read by the standard's parser; with nothing from elsewhere.
//!
//! Pictures and prints of all of them go to `screenshots` in the target directory, for people to
//! look at.

use std::path::{Path, PathBuf};

use jetond::store::mailbook::Which;
use jetond::store::outbox::MailState;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::catalogue::{self, Page};
use super::house::House;
use super::large::{self, HOSTILE, long};
use super::markup;
use crate::support::browser::{Browser, TAB};

const AXE: &str = include_str!("../support/axe/axe.min.js");

/// What axe-core finds: every rule of WCAG up to AAA, the contrast of 7:1 among them, and what
/// its authors hold to be good practice.
const VIOLATIONS: &str = "
    const tags = ['wcag2a', 'wcag2aa', 'wcag2aaa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const rules = {'color-contrast-enhanced': {enabled: true}, 'target-size': {enabled: true}};
    // In the dark nothing is otherwise but the colours.
    const colours = ['color-contrast', 'color-contrast-enhanced', 'link-in-text-block'];
    const options = matchMedia('(prefers-color-scheme: dark)').matches
        ? {runOnly: {type: 'rule', values: colours}} : {runOnly: {type: 'tag', values: tags}, rules};
    return axe.run(document, {...options, resultTypes: ['violations']})
        .then(found => found.violations.map(v => v.id + ': ' + v.help + ' '
            + v.nodes.slice(0, 3).map(n => n.target + ' ' + n.html.slice(0, 160) + ' ' + n.failureSummary).join(' | ')));";

/// What is wider than the window, without a place of its own to scroll in.
const SIDEWAYS: &str = "
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    return [...document.querySelectorAll('body *')]
        .filter(e => e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest('.scroll'))
        .slice(0, 5).map(e => e.outerHTML.slice(0, 160)).concat('scrolls sideways');";

/// Has the page write down where the focus comes by, and how it is shown.
const WATCH_FOCUS: &str = "
    window.stops = new Set(); window.ringless = [];
    window.all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex=\"0\"]')]
        .filter(e => !e.disabled && e.checkVisibility({visibilityProperty: true}));
    addEventListener('focusin', e => {
        window.stops.add(e.target);
        window.first ??= e.target;
        const s = getComputedStyle(e.target);
        if (s.outlineStyle === 'none' || parseFloat(s.outlineWidth) < 2) window.ringless.push(e.target.outerHTML.slice(0, 160));
    });
    return window.all.length + 6 * document.querySelectorAll('input[type=date]').length + 2;";

const MISSED: &str = "
    const missed = window.all.slice(0, arguments[0]).filter(e => !window.stops.has(e)).map(e => 'never reached: ' + e.outerHTML.slice(0, 160));
    return missed.concat(window.ringless.map(e => 'no ring: ' + e)).slice(0, 5);";

/// More stops than these are not walked.
const STEPS: u64 = 150;

/// What the page has loaded, and from where.
const LOADED: &str = "
    return performance.getEntriesByType('resource').map(e => e.name)
        .concat([...document.querySelectorAll('[src], link[href]')].map(e => e.src || e.href))
        .filter(url => !url.startsWith(location.origin + '/'));";

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots")
}

#[test]
fn the_judge_is_the_one_that_its_note_names() {
    let sum: String = Sha256::digest(AXE)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let note = include_str!("../support/axe/README");
    assert!(note.contains(&sum), "{sum}");
    assert!(AXE.starts_with("/*! axe v4.14.1\n") && note.contains("4.14.1"));
}

/// One page in one language, in every dress. Answers what is wrong.
fn judge(browser: &Browser, house: &House, page: &Page, lang: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let joint = if page.path.contains('?') { '&' } else { '?' };
    let url = format!("http://{}{}{joint}lang={lang}", house.at, page.path);
    let who = match page.who {
        "" => json!({}),
        who => json!({"X-Remote-User": who}),
    };
    browser.introduce(&who);
    browser.dress(1280, 800, "light");
    // What the page before was complained of late is not this one's.
    browser.complaints();
    browser.open(&url);
    browser.script(AXE);
    let name = format!("{}-{lang}", page.name);
    for (width, height) in [(1280, 800), (320, 568)] {
        for scheme in ["light", "dark"] {
            browser.dress(width, height, scheme);
            for found in browser.script(VIOLATIONS).as_array().unwrap() {
                faults.push(format!("{name} {width} {scheme}: {found}"));
            }
            let file = pictures().join(format!("{name}-{width}-{scheme}.png"));
            browser.picture_of_the_top(&file, width, if width < 600 { 1600 } else { 1800 });
        }
        for found in browser.script(SIDEWAYS).as_array().unwrap() {
            faults.push(format!("{name} {width}: {found}"));
        }
    }
    for found in browser.script(LOADED).as_array().unwrap() {
        faults.push(format!("{name} loads {found}"));
    }
    let pdf = browser.print();
    assert!(pdf.starts_with(b"%PDF-"), "{name} is printed");
    std::fs::write(pictures().join(format!("{name}.pdf")), pdf).unwrap();
    // Only what the page's own status makes the browser say.
    let said = browser.complaints().into_iter();
    faults.extend(
        said.filter(|c| page.status == 200 || !c.contains("the server responded with a status of"))
            .map(|c| format!("{name}: {c}")),
    );
    faults
}

/// Walks through a page by the keyboard.
fn walk(browser: &Browser, house: &House, page: &Page) -> Vec<String> {
    browser.dress(1280, 800, "light");
    browser.open(&format!("http://{}{}", house.at, page.path));
    browser.script("document.activeElement.blur()");
    let steps = browser.script(WATCH_FOCUS).as_u64().unwrap().min(STEPS);
    for _ in 0..steps.div_ceil(25) {
        browser.press(&[TAB; 25]);
    }
    let mut faults = Vec::new();
    let missed = MISSED.replace("arguments[0]", &(STEPS - 20).to_string());
    for found in browser.script(&missed).as_array().unwrap() {
        faults.push(format!("{}: {found}", page.name));
    }
    let first = browser.script("return window.first?.className");
    if first != "skip" && page.name != "login" {
        faults.push(format!(
            "{}: the way past the menu comes not first",
            page.name
        ));
    }
    faults
}

/// The pages of the catalogue that are there, read by the standard's parser.
async fn read(house: &House, page: &Page, lang: &str) -> Vec<String> {
    let joint = if page.path.contains('?') { '&' } else { '?' };
    let path = format!("{}{joint}lang={lang}", page.path);
    let reply = house.get(&path, page.who).await;
    let mut faults = markup::Page::read(&reply.body).faults();
    if reply.status != page.status {
        faults.push(format!("answers {}", reply.status));
    }
    if !reply.body.contains(&format!("<html lang=\"{lang}\"")) {
        faults.push("not in its language".to_owned());
    }
    let named = faults.into_iter();
    named
        .map(|f| format!("{} {lang}: {f}", page.name))
        .collect()
}

async fn catalogue_of(house: &House) -> Vec<Page> {
    catalogue::pages(lost(house).await, held(house).await)
}

/// A mail that was refused and may be sent again.
pub(super) async fn lost(house: &House) -> i64 {
    let mails = house
        .town
        .store()
        .mails(Which::Unfinished, 100_000)
        .await
        .unwrap();
    for mail in mails.iter().filter(|m| m.state == MailState::Refused) {
        let path = format!("/outbox/{}/retry", mail.no);
        if house.get(&path, "alex").await.status == 200 {
            return mail.no;
        }
    }
    panic!("of no refused mail anything is owed");
}

/// A mail that the storm brake holds.
pub(super) async fn held(house: &House) -> i64 {
    let mails = house
        .town
        .store()
        .mails(Which::Unfinished, 100_000)
        .await
        .unwrap();
    mails
        .iter()
        .find(|m| m.state == MailState::Held)
        .unwrap()
        .no
}

#[tokio::test]
async fn every_page_is_well_formed_in_both_languages() {
    let house = large::house(300).await;
    let mut faults = Vec::new();
    for page in catalogue_of(&house).await {
        for lang in ["fr", "en"] {
            faults.extend(read(&house, &page, lang).await);
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_stands_before_axe_in_every_dress() {
    let Some(browser) = tokio::task::block_in_place(Browser::start) else {
        return;
    };
    let house = large::house(2_000).await;
    let pages = catalogue_of(&house).await;
    let mut faults = Vec::new();
    for page in &pages {
        for lang in ["fr", "en"] {
            faults.extend(read(&house, page, lang).await);
        }
        tokio::task::block_in_place(|| {
            for lang in ["fr", "en"] {
                faults.extend(judge(&browser, &house, page, lang));
            }
            faults.extend(walk(&browser, &house, page));
        });
        // For whoever does not want to wait for the last page.
        std::fs::write(pictures().join("faults.txt"), faults.join("\n")).unwrap();
    }
    assert!(faults.is_empty(), "{} faults: {faults:#?}", faults.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_text_whatever_stands_in_it() {
    let Some(browser) = tokio::task::block_in_place(Browser::start) else {
        return;
    };
    let house = large::house(300).await;
    let pages = catalogue_of(&house).await;
    let long = long();
    tokio::task::block_in_place(|| {
        browser.introduce(&json!({"X-Remote-User": "alex"}));
        let mut seen = 0;
        for page in pages.iter().filter(|p| p.who == "alex") {
            browser.dress(320, 568, "light");
            browser.open(&format!("http://{}{}", house.at, page.path));
            let made = browser.script("return document.querySelectorAll('.hostile').length");
            assert_eq!(made, 0, "{}: a name has become markup", page.name);
            let wide = browser.script(SIDEWAYS);
            assert_eq!(wide, json!([]), "{}", page.name);
            let text = browser.script("return document.body.textContent.replace(/\\s+/g, ' ')");
            let text = text.as_str().unwrap();
            seen += usize::from(text.contains(HOSTILE)) + usize::from(text.contains(&long));
            if let "token" | "act-revoke" = page.name {
                assert!(text.contains(HOSTILE), "{}: {text}", page.name);
            }
            if let "token-long" | "act-renew" = page.name {
                assert!(text.contains(&long), "{}: {text}", page.name);
            }
        }
        assert!(seen >= 8, "the names are seen on {seen} pages only");
        let said = browser.complaints().into_iter();
        let said: Vec<_> = said
            .filter(|c| !c.contains("the server responded with a status of"))
            .collect();
        assert_eq!(said, Vec::<String>::new());
    });
}
