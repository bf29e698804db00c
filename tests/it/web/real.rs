//! The whole way, with the real program and a real HTTP client: mails that it wrote, the links
//! in them, what readers say by these, and what the program says and sends afterwards.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chrono::{Days, NaiveDate};
use mail_parser::MessageParser;

use super::HOST;
use super::links::links_to;
use super::run::own_address;
use crate::support::http_client::{request, talk};
use crate::support::program::{Program, Running, said};

const CAMILLE: &str = "c.martin@ville.example";
const TECH: &str = "tech@editeur.example";

fn config(at: SocketAddr, tokens: &[(&str, NaiveDate)]) -> String {
    let mut config = format!(
        "language = \"fr\"\ncontact = \"dsi@ville.example\"\n[schedule]\nwindow = \"00:00-24:00\"\n\
         [mail]\nfrom = \"j@ville.example\"\n[web]\nlisten = \"{at}\"\npublic_url = \"https://{HOST}\"\n"
    );
    for (id, expires) in tokens {
        config += &format!(
            "[[token]]\nid = \"{id}\"\nname = \"Jeton {id}\"\nexpires = {expires}\n\
             recipients = [{{ email = \"{CAMILLE}\", role = \"demandeur\" }}, \"{TECH}\"]\n"
        );
    }
    config
}

/// Who got which subjects, of the mails that name such a word in their subject.
fn mails_about(outbox: &Path, word: &str) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(outbox)
        .unwrap()
        .filter_map(|e| {
            let bytes = std::fs::read(e.unwrap().path()).unwrap();
            let mail = MessageParser::default().parse(&bytes)?;
            let to = mail.to()?.first()?.address()?.to_owned();
            mail.subject()?.contains(word).then_some(to)
        })
        .collect();
    found.sort();
    found
}

fn once(program: &Program) {
    let done = program.command(&["run", "--once"]).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_real_mails_are_opened_and_answered_by_the_running_daemon() {
    let at = own_address();
    let today = jetond::clock::now().date_naive();
    let end = today + Days::new(60);
    let tokens = [("marches", end), ("aides", end + Days::new(1))];
    let program = Program::new(&config(at, &tokens));
    once(&program);
    let outbox = program.place().join("outbox");
    let keys = program.place().join("jetond.db.keys");
    let mode = std::fs::metadata(&keys).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Both tokens in one mail, each with its own link; nobody's address in any of them.
    let (mine, theirs) = (links_to(&outbox, CAMILLE), links_to(&outbox, TECH));
    assert_eq!((mine.len(), theirs.len()), (2, 2), "{mine:?} {theirs:?}");
    let path = |link: &String| {
        link.strip_prefix(&format!("https://{HOST}"))
            .unwrap()
            .to_owned()
    };
    let (mine, theirs): (Vec<_>, Vec<_>) = (
        mine.iter().map(path).collect(),
        theirs.iter().map(path).collect(),
    );
    assert!(mine.iter().all(|link| !theirs.contains(link)));
    assert!(
        mine.iter()
            .all(|link| !link.contains('@') && !link.contains("martin"))
    );

    let running = Running::start(program.command(&["run"]));
    running.wait_for("watching");
    let get = async |path: String| talk(at, request("GET", &path, HOST, "")).await.unwrap();
    let post = async |path: String, form: &str| {
        talk(at, request("POST", &path, HOST, form))
            .await
            .unwrap()
            .status
    };
    let first = get(mine[0].clone()).await;
    assert!(first.body.contains("Jeton marches"), "{}", first.body);
    let before = program.json(&["history"]).len();
    for link in &mine {
        for part in ["", "/filed", "/renewed", "/not-for-me"] {
            assert_eq!(get(format!("{link}{part}")).await.status, 200);
        }
    }
    assert_eq!(
        program.json(&["history"]).len(),
        before,
        "a look changes nothing"
    );
    assert_eq!(
        post(format!("{}/filed", mine[0]), "say=yes&number=11244").await,
        303
    );
    let later = today + Days::new(600);
    let renewed = format!("say=yes&date={later}");
    assert_eq!(post(format!("{}/renewed", theirs[1]), &renewed).await, 303);
    assert_eq!(
        post(format!("{}/not-for-me", theirs[0]), "say=yes").await,
        303
    );

    let history = program.json(&["history"]);
    let by = |who: &str| {
        let mut told: Vec<&str> = history
            .iter()
            .filter(|e| e["who"] == who)
            .map(|e| e["what"].as_str().unwrap())
            .collect();
        told.sort_unstable();
        told
    };
    assert_eq!(by(&format!("recipient:{CAMILLE}")), ["filed"]);
    assert_eq!(
        by(&format!("recipient:{TECH}")),
        ["not_for_me", "renewal_declared"]
    );

    // What is only shown opens nothing.
    let shown = program.command(&["preview", "marches"]).output().unwrap();
    assert!(
        said(&shown).contains(&format!("https://{HOST}/l/preview/filed")),
        "{}",
        said(&shown)
    );
    assert_eq!(get("/l/preview/filed".to_owned()).await.status, 410);

    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
    once(&program);
    assert_eq!(mails_about(&outbox, "À confirmer"), ["dsi@ville.example"]);
    assert_eq!(
        mails_about(&outbox, "Pas pour cette personne"),
        [CAMILLE, "dsi@ville.example"]
    );

    // The keys outlive a restart; a renewal ends the links of the former period.
    program.rewrite(&config(
        at,
        &[("marches", later), ("aides", end + Days::new(1))],
    ));
    let running = Running::start(program.command(&["run"]));
    running.wait_for("watching");
    assert_eq!(get(mine[0].clone()).await.status, 410);
    assert_eq!(get(mine[1].clone()).await.status, 200);

    // Keys that are deleted end every link at the next reload; new ones are made.
    std::fs::remove_file(&keys).unwrap();
    let reload = program.command(&["reload"]).output().unwrap();
    assert_eq!(reload.status.code(), Some(0), "{}", said(&reload));
    assert_eq!(get(mine[1].clone()).await.status, 410);
    assert!(keys.exists());
    // A file that is no longer a secret is refused, and what was in force stays so.
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o644)).unwrap();
    let reload = program.command(&["reload"]).output().unwrap();
    assert_ne!(reload.status.code(), Some(0));
    assert!(
        said(&reload).contains("jetond.db.keys"),
        "{}",
        said(&reload)
    );
    assert_eq!(get(mine[1].clone()).await.status, 410);
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
    let start = program.command(&["run"]).output().unwrap();
    assert_eq!(start.status.code(), Some(8), "{}", said(&start));
    assert!(said(&start).contains("chmod 600"), "{}", said(&start));
}
