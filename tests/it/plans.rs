//! How SQLite goes through the store: a statement that is given a list goes from the list to the
//! rows it names, and never through a whole table for each of them.
//!
//! The statements are read from the source, so that a new one is looked at too.

use std::path::Path;

use jetond::store::Store;

/// Of what a statement with a list may read every row, once: few channels, their open posts, what
/// people said, when one of them is forgotten, and what the API said, at a reload.
const FEW: [&str; 4] = [
    "channel_trouble",
    "mail USING INDEX mail_post",
    "quiet",
    "probe",
];

/// The string literals of a source file, their continued lines joined.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut chars = source.chars().peekable();
    while chars.by_ref().any(|c| c == '"') {
        let mut text = String::new();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' if chars.next_if_eq(&'\n').is_some() => {
                    while chars.next_if(|c| c.is_whitespace()).is_some() {}
                }
                '\\' => text.extend(chars.next()),
                c => text.push(c),
            }
        }
        found.push(text);
    }
    found
}

fn statements() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store")];
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            // Comments may hold quotes that do not pair.
            let code: String = source
                .lines()
                .filter(|l| !l.trim_start().starts_with("//"))
                .flat_map(|l| [l, "\n"])
                .collect();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            for text in literals(&code) {
                let begins = ["SELECT ", "UPDATE ", "INSERT ", "DELETE ", "WITH "];
                let is_whole = begins.iter().any(|b| text.starts_with(b));
                if is_whole && text.contains("_each($") && !text.contains('{') {
                    found.push((file.clone(), text));
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn a_list_is_gone_through_once_and_no_table_for_each_of_it() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("jetond.db")).await.unwrap();
    let statements = statements();
    assert!(statements.len() > 30, "{} were found", statements.len());
    let (mut slow, mut parts) = (Vec::new(), Vec::new());
    for (file, sql) in &statements {
        // What is put together from parts is no statement yet.
        let Ok(plan) = store.query_plan(sql).await else {
            parts.push(sql);
            continue;
        };
        for step in &plan {
            let scanned = step.strip_prefix("SCAN ");
            let no_table = |name: &str| {
                let first = name.split(' ').next().unwrap_or_default();
                let is_named = sql
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|w| w == first);
                // What the statement does not name is looked at for a foreign key's sake only, and
                // only in a transaction that has broken one.
                name.contains(" VIRTUAL TABLE")
                    || name.starts_with('(')
                    || name == "CONSTANT ROW"
                    || !is_named
            };
            if let Some(name) = scanned
                && !no_table(name)
                && !FEW.iter().any(|few| name.starts_with(few))
            {
                slow.push(format!("{file}: {step}\n  {sql}\n  {plan:#?}"));
            }
        }
        // The other way round: the list is looked through for each row.
        let last_list = plan.iter().rposition(|s| s.contains("VIRTUAL TABLE"));
        let first_row = plan.iter().position(|s| s.starts_with("SEARCH "));
        if let (Some(list), Some(row)) = (last_list, first_row)
            && row < list
            && !plan.iter().any(|s| s.contains("SUBQUERY"))
        {
            slow.push(format!("{file}: the list within\n  {sql}\n  {plan:#?}"));
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n\n"));
    assert!(parts.len() < 5, "{parts:#?}");
}
