//! The page's looks that a program can judge: contrast, structure, nothing from outside.

use jetond::domain::language::Lang;

use super::{compose, envelope, letters};

/// The relative luminance of `#rrggbb` (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn property<'a>(rule: &'a str, name: &str) -> Option<&'a str> {
    rule.split(';')
        .filter_map(|p| p.split_once(':'))
        .find(|(n, _)| n.trim() == name)
        .map(|(_, v)| v.trim())
}

#[test]
fn every_text_colour_stands_out_from_its_ground_in_both_schemes() {
    stands_out(include_str!("../../../templates/style.css"));
}

/// Every rule of a style sheet that sets a text colour sets a ground from which it stands out by
/// 7:1, in the light scheme and in the dark one.
pub(crate) fn stands_out(css: &str) {
    let (light, dark) = css.split_once("prefers-color-scheme: dark").unwrap();
    for scheme in [light, dark] {
        let mut pairs = 0;
        for rule in scheme
            .split('{')
            .skip(1)
            .filter_map(|r| r.split('}').next())
        {
            if let Some(colour) = property(rule, "color") {
                let ground = property(rule, "background").expect("a colour names its ground");
                let ratio = contrast(colour, ground);
                assert!(ratio >= 7.0, "{colour} on {ground}: {ratio:.2}");
                pairs += 1;
            }
        }
        assert!(pairs >= 8, "{pairs}");
    }
    // What the light scheme colours, the dark one colours too.
    let selectors = |css: &str| -> Vec<String> {
        let rules = css.lines().filter(|l| property_of_line(l));
        rules
            .flat_map(|l| l.split('{').next().unwrap_or_default().split(','))
            .map(|s| s.trim().to_owned())
            .collect()
    };
    let dark = selectors(dark);
    for selector in selectors(light) {
        assert!(dark.contains(&selector), "{selector}");
    }
}

fn property_of_line(line: &str) -> bool {
    line.split_once('{')
        .is_some_and(|(_, r)| property(r.trim_end_matches('}'), "color").is_some())
}

#[test]
fn a_page_is_structured_and_loads_nothing() {
    for lang in [Lang::Fr, Lang::En] {
        for (name, letter, now) in letters() {
            let html = compose(&letter, &envelope(lang, now)).html;
            assert!(html.contains(&format!("<html lang=\"{lang}\"")), "{name}");
            assert!(html.contains("name=\"color-scheme\" content=\"light dark\""));
            assert_eq!(html.matches("<h1>").count(), 1, "{name}");
            let tables = html.matches("<table").count();
            assert_eq!(html.matches("<caption>").count(), tables, "{name}");
            assert_eq!(
                html.matches("<th ").count() + html.matches("<th>").count(),
                html.matches("<th scope=").count(),
                "{name}"
            );
            let buttons = html.matches("class=\"button\"").count();
            let single = !name.starts_with("digest") && name != "note";
            assert_eq!(buttons, usize::from(single), "{name}");
            for absent in [
                "<img",
                "<script",
                "<link",
                "<iframe",
                "src=",
                "url(",
                "@import",
                "@font-face",
                "http://",
            ] {
                assert!(!html.contains(absent), "{name}: {absent}");
            }
        }
    }
}
