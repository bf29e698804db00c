//! The documents beside the code: sections that comments name exist, links lead somewhere, and
//! the two READMEs have the same parts, commands and tables.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn comments_name_sections_of_the_rules_that_exist() {
    let rules = read("docs/rules.md");
    let sections: Vec<&str> = rules
        .lines()
        .filter_map(|l| l.strip_prefix("## "))
        .collect();
    let mut files = Vec::new();
    for dir in ["src", "tests", "benches"] {
        sources(&root().join(dir), &mut files);
    }
    let mut named = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let words = text
            .replace("\n", " ")
            .replace("//!", "")
            .replace("///", "");
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        for after in words.split("`docs/rules.md`, *").skip(1) {
            let section = after.split('*').next().unwrap();
            // This file's own words about it.
            if file.ends_with("documents.rs") {
                continue;
            }
            assert!(sections.contains(&section), "{}: {section}", file.display());
            named += 1;
        }
    }
    assert!(named > 5, "{named}");
}

/// The targets of Markdown links.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    targets.filter_map(|t| t.split(')').next()).collect()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-'].contains(c))
        .collect::<String>();
    kept.replace(' ', "-")
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    for document in [
        "README.md",
        "README.fr.md",
        "docs/rules.md",
        "docs/monitoring.md",
        "docs/notify.md",
        "docs/api.md",
    ] {
        let text = read(document);
        let beside = root().join(document).parent().unwrap().to_path_buf();
        for link in links(&text).into_iter().filter(|l| !l.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                root().join(document)
            } else {
                beside.join(file)
            };
            assert!(target.exists(), "{document}: {link}");
            if !heading.is_empty() {
                let there = std::fs::read_to_string(target).unwrap();
                let mut headings = there.lines().filter(|l| l.starts_with('#'));
                assert!(
                    headings.any(|l| anchor(l.trim_start_matches('#').trim()) == heading),
                    "{document}: {link}"
                );
            }
        }
    }
}

/// What both languages share: levels of headings, rows of tables, list items by section, and
/// the commands of code blocks without what stands behind `#`.
fn shape(text: &str) -> Vec<String> {
    let mut shape = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            code = !code;
        } else if code {
            let command = line.split('#').next().unwrap().trim();
            let command = command.replace("courriel.html", "mail.html");
            shape.push(command.replace("vous@", "you@"));
        } else if let Some((level, _)) = line.split_once("# ") {
            shape.push(format!("{level}#"));
        } else if line.starts_with("- ") {
            shape.push("-".to_owned());
        } else if line.starts_with('|') {
            shape.push("|".to_owned());
        }
    }
    shape
}

#[test]
fn both_readmes_have_the_same_parts_and_commands() {
    assert_eq!(shape(&read("README.md")), shape(&read("README.fr.md")));
}
