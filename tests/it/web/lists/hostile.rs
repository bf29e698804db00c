//! Names of every kind, and any bytes as a question: no page breaks, and nothing that came from
//! outside is taken for markup, for a pattern or for a formula.

use super::{Board, PRESENT, WEB, link_targets};
use crate::support::daemon::{Town, head};

const NAMES: [&str; 9] = [
    "<script>alert(1)</script>",
    "\\\"><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% raw %} </main></body>",
    "👩‍👩‍👧‍👦 équipe 🏳️‍🌈",
    "=HYPERLINK(1)",
    "-2+3",
    "%_'%_'",
    "]]>&amp;<!-- ",
    "@SUM(1,2)",
];

fn config() -> String {
    let long = "É".repeat(128);
    let mut config = head(1) + WEB;
    for (n, name) in NAMES.iter().copied().chain([long.as_str()]).enumerate() {
        config += &format!(
            "[clients.\"client {n}/?#&é\"]\nname = \"{name}\"\n\
             [[token]]\nid = \"t{n}/?#&<é%2F\"\nname = \"{name}\"\nexpires = 2026-12-{:02}\n\
             client = \"client {n}/?#&é\"\nused_by = [\"{name}\"]\ntags = [\"{name}\"]\n\
             recipients = [{{ email = \"o'p+{n}%#&@ville.example\", name = \"{name}\", role = \"demandeur\" }}]\n",
            n + 1
        );
    }
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_breaks_a_page_or_a_link() {
    let town = Town::start(&config(), PRESENT()).await;
    town.rig().tick(town.now).await.unwrap();
    let board = Board::of(town).await;
    let mut pending = vec![
        "/tokens".to_owned(),
        "/clients".to_owned(),
        "/recipients".to_owned(),
        "/outbox".to_owned(),
        "/journal".to_owned(),
    ];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(path) = pending.pop() {
        let own = ["/tokens", "/clients", "/recipients", "/outbox", "/journal"]
            .iter()
            .any(|p| path.starts_with(p));
        if !own || !seen.insert(path.clone()) || seen.len() > 200 {
            continue;
        }
        let reply = board.get(&path).await;
        assert_eq!(reply.status, 200, "{path}");
        if path.contains(".csv") {
            continue;
        }
        let page = reply.body;
        for evil in [
            "<script",
            "<img",
            "onerror=alert(1)>",
            "</main></body>\"",
            "49 ",
        ] {
            assert!(!page.contains(evil), "{evil} in {path}: {page}");
        }
        assert_eq!(page.matches("</main>").count(), 1, "{path}");
        assert_eq!(page.matches("<h1>").count(), 1, "{path}");
        let links = link_targets(&path, &page).into_iter();
        pending.extend(links.filter(|l| !l.contains("lang=")));
    }
    // Each of the ten tokens, clients and people was reached by links alone.
    for (part, least) in [
        ("/tokens/", 10),
        ("/clients/", 10),
        ("/recipients/", 10),
        ("/outbox/", 1),
    ] {
        let reached = seen.iter().filter(|p| p.starts_with(part)).count();
        assert!(reached >= least, "{part}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_searched_for_is_data() {
    let town = Town::start(&config(), PRESENT()).await;
    let board = Board::of(town).await;
    for (q, rows) in [
        ("%25_'", 1),
        ("%25", 10),
        ("*", 1),
        ("[a-z]", 0),
        ("%3Cscript%3E", 1),
        ("%F0%9F%91%A9", 1),
        ("eee", 1),
        ("%C3%89%C3%89%C3%89", 1),
        ("%00", 0),
        ("%FF%FE", 0),
        ("o'p%2B3", 1),
    ] {
        let page = board.page(&format!("/tokens?q={q}&lang=en")).await;
        let found = page.matches("<th scope=\"row\">").count();
        assert_eq!(found, rows, "{q}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cell_of_a_file_is_a_formula() {
    let town = Town::start(&config(), PRESENT()).await;
    let board = Board::of(town).await;
    for path in ["/tokens.csv", "/clients.csv", "/recipients.csv"] {
        let text = board.page(path).await;
        let text = text.strip_prefix('\u{feff}').unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<_> = reader.records().map(|r| r.unwrap()).collect();
        assert_eq!(rows.len(), 10, "{path}");
        let mut defused = 0;
        for cell in rows.iter().flatten() {
            let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
            assert!(!is_formula || cell.parse::<i64>().is_ok(), "{path}: {cell}");
            defused += usize::from(cell.starts_with('\''));
        }
        assert!(defused >= 3, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_question_gets_an_answer() {
    let town = Town::start(&config(), PRESENT()).await;
    let board = Board::of(town).await;
    let long = "e".repeat(8_000);
    for path in [
        "/tokens",
        "/tokens.csv",
        "/clients",
        "/recipients",
        "/outbox",
        "/outbox.csv",
        "/journal",
    ] {
        for query in [
            "?",
            "?=&&==&",
            "?page=0",
            "?page=-1",
            "?page=18446744073709551616",
            "?q=%",
            "?q=%zz&state=%00",
            "?state[]=x&state=&sort=",
            "?client='%20OR%201=1--",
            "?recipient=@",
            "?tag=%F0%9F%98%80",
            "?from=2026-02-30&to=-1",
            "?before=&after=-",
            &format!("?q={long}"),
        ] {
            let reply = board.get(&format!("{path}{query}")).await;
            assert_eq!(reply.status, 200, "{path}{query}: {reply:?}");
        }
    }
}
