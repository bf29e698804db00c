//! The overview, the timeline and the page of health, as they are answered under a clock of the
//! test's own.

use axum::Router;
use chrono::{DateTime, Duration, Utc};
use jetond::app;
use jetond::domain::language::Lang;
use jetond::domain::lifecycle::Who;
use jetond::domain::reach::Hindrance;
use jetond::domain::timekeeping::Hold;
use jetond::health::{Checkup, Ill, Vitals};
use jetond::renewal::verbs::{self, Filing, Hand, Verb};
use jetond::store::coverage::{Uncovered, Why};
use jetond::web::{Limits, Site};

use super::Server;
use crate::mail::typography::{faults, visible};
use crate::support::daemon::{Town, at};
use crate::support::http_client::{request, talk};

/// A configuration whose pages anybody on this machine may look at.
pub(super) const HEAD: &str = "timezone = \"Europe/Paris\"\nlanguage = \"fr\"\norganisation = \"Ville d’Exemple\"\n\
     contact = \"dsi@ville.example\"\n[mail]\nfrom = \"Veille <jetons@ville.example>\"\n[web]\nlisten = \"127.0.0.1:8080\"\n";

const START: &str = "2026-08-20T08:00:00Z";
const PRESENT: fn() -> DateTime<Utc> = || at("2026-11-23T08:30:00Z");

/// The body of a page.
pub(super) async fn get(server: &Server, path: &str) -> String {
    let reply = talk(server.at, request("GET", path, "localhost", ""))
        .await
        .unwrap();
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.body
}

/// The overview once its forecast is known.
pub(super) async fn overview(server: &Server, path: &str) -> String {
    loop {
        let page = get(server, path).await;
        if ![">Being computed", ">Calcul en cours"]
            .iter()
            .any(|w| page.contains(w))
        {
            return page;
        }
    }
}

fn token(id: &str, name: &str, expires: &str, more: &str) -> String {
    format!(
        "[[token]]\nid = {id:?}\nname = {}\nexpires = {expires}\ndatapass_id = \"11244\"\n{more}\n\
         recipients = [{{ email = \"c.martin@ville.example\", name = \"Camille Martin\" }}]\n",
        toml::Value::String(name.to_owned())
    )
}

/// A town at its present, after a pass each day.
async fn lived(config: &str, from: &str) -> Town {
    let mut town = Town::start(config, at(from)).await;
    while town.now < PRESENT() {
        town.pass().await;
        town.now += Duration::days(1);
    }
    town.now = PRESENT();
    town.pass().await;
    town
}

fn site(town: &Town) -> Site {
    app::site(town.config(), town.rig().sender.clerk(), PRESENT)
}

/// The pages of a town, with what the daemon's last look found.
async fn served(town: &Town, ills: Vec<Ill>) -> Server {
    let site = site(town);
    let vitals = Vitals::look(town.store(), &town.config().calendar, PRESENT()).await;
    site.bulletin.put(Checkup {
        at: PRESENT() - Duration::minutes(1),
        vitals: Some(vitals.unwrap()),
        ills,
    });
    Server::on(site, Limits::default(), Router::new()).await
}

async fn act(town: &Town, who: Who, id: &str, verb: Verb) {
    let hand = Hand {
        calendar: &town.config().calendar,
        who,
        now: town.now,
    };
    verbs::act(town.store(), &hand, id, &verb)
        .await
        .unwrap()
        .unwrap();
}

async fn snapshots(server: &Server, of: &str, paths: &[&str]) {
    for path in paths {
        for lang in [Lang::Fr, Lang::En] {
            let page = overview(server, &format!("{path}?lang={lang}")).await;
            for absent in [
                "<script", "<img", "style=", " onclick", " onload", "http://", "@import",
            ] {
                assert!(!page.contains(absent), "{path}: {absent}");
            }
            assert_eq!(page.matches("<h1>").count(), 1, "{path}");
            if lang == Lang::Fr {
                let block = page.split("<pre").next().unwrap();
                let mut faults = faults(&visible(block));
                // Hours are written as everywhere on these pages, and an escaped sign is one.
                faults.retain(|f| {
                    f != "&amp;" && !f.trim_end_matches(['.', ',']).ends_with(char::is_numeric)
                });
                assert_eq!(faults, Vec::<String>::new(), "{path}");
            }
            let name = match path.trim_matches('/') {
                "" => "home",
                name => name,
            };
            let settings = {
                let mut settings = insta::Settings::clone_current();
                // What the machine says of itself.
                settings.add_filter(r"(?m)^(system +).*$", "${1}[system]");
                settings.add_filter(r"(jetond {2,})[\d.]+", "${1}[version]");
                settings.add_filter(r"(?m)^(sqlite +).*$", "${1}[sqlite]");
                settings.add_filter(r"(?m)^(store|config)( +)[^ ]*/", "${1}${2}[place]/");
                settings.add_filter(r"(?m)^(size +).*$", "${1}[size]");
                settings.add_filter(
                    r"(?:&#x2f;|/)[^ <]*(?:&#x2f;|/)(jetond.db|config.toml)",
                    "[place]/$1",
                );
                settings.add_filter(
                    r"<dd>[^<]*(libres, la base|left, the store)[^<]*</dd>",
                    "<dd>[room]</dd>",
                );
                settings
            };
            settings.bind(|| insta::assert_snapshot!(format!("{of}_{name}_{lang}"), page));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_town_is_told_what_burns_what_comes_and_whether_the_watch_is_well() {
    let config = [
        HEAD.to_owned(),
        "[clients.mairie-x]\nname = \"Mairie de X\"\ncontact = \"dsi@mairie-x.example\"\n"
            .to_owned(),
        token("cantines", "Inscriptions aux cantines", "2026-11-16", ""),
        token("taxe", "Taxe de séjour", "2026-11-30", ""),
        token(
            "aides",
            "Aides sociales",
            "2026-12-20",
            "tags = [\"social\"]",
        ),
        token(
            "marches",
            "Marchés publics",
            "2027-01-25",
            "client = \"mairie-x\"",
        ),
        token(
            "permis",
            "Permis & urbanisme",
            "2028-03-01",
            "issued = 2026-09-01",
        ),
    ]
    .concat();
    let mut town = lived(&config, START).await;
    town.now = at("2026-11-01T08:00:00Z");
    let filed = Filing {
        at: Some(town.now),
        ..Filing::default()
    };
    act(
        &town,
        Who::User("alex".to_owned()),
        "aides",
        Verb::File(filed),
    )
    .await;
    let declare = Verb::Declare { expires: None };
    act(
        &town,
        Who::Recipient("c.martin@ville.example".to_owned()),
        "marches",
        declare,
    )
    .await;
    town.now = PRESENT();
    let server = served(&town, Vec::new()).await;
    snapshots(&server, "town", &["/", "/timeline", "/health"]).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_store_has_calm_pages() {
    let town = Town::start(HEAD, PRESENT()).await;
    let server = served(&town, Vec::new()).await;
    snapshots(&server, "empty", &["/", "/timeline"]).await;
    server.stop().await;
    // Before the first look nothing is claimed.
    let server = Server::on(site(&town), Limits::default(), Router::new()).await;
    assert!(get(&server, "/?lang=en").await.contains("Not measured yet"));
    assert!(
        get(&server, "/health?lang=en")
            .await
            .contains("Not measured yet")
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_break_no_page() {
    let long = "Ж".repeat(128);
    let names = [
        "<script>alert('1')</script>\"&amp;]]>",
        "👩‍👩‍👧‍👦 famille 🇫🇷",
        "شهادة الرمز – עברית",
        &long,
    ];
    let mut config = HEAD.to_owned();
    for (n, name) in names.iter().enumerate() {
        config += &token(
            &format!("a/b?{n}#<é>"),
            name,
            "2026-11-30",
            "tags = [\"<b>\"]",
        );
    }
    let town = lived(&config, "2026-11-20T08:00:00Z").await;
    let server = served(&town, Vec::new()).await;
    for path in [
        "/",
        "/timeline",
        "/timeline?tag=%3Cb%3E&client=&state=urgent",
        "/health",
    ] {
        let page = get(&server, path).await;
        assert!(!page.contains("<script"), "{path}");
        assert!(!page.contains("<b>"), "{path}");
        assert_eq!(
            page.matches("<svg").count(),
            page.matches("</svg>").count(),
            "{path}"
        );
        if path != "/health" {
            for name in &names[1..] {
                assert!(
                    page.contains(&format!("<bdi>{name}</bdi>")),
                    "{path}: {name}"
                );
            }
            assert!(page.contains("&lt;script&gt;alert("), "{path}");
            assert!(page.contains("tokens/a%2Fb%3F0%23%3C%C3%A9%3E\""), "{path}");
        }
    }
    // What nobody has filters everything away, and says so.
    let none = get(&server, "/timeline?client=%3Cb%3E&lang=en").await;
    assert!(none.contains("There is no token to show."));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_a_bounded_number_of_rows_and_the_filters_are_those_of_the_list() {
    let mut config = format!("{HEAD}[clients.x]\nname = \"X\"\ncontact = \"x@ville.example\"\n");
    for n in 0..230 {
        let (end, more) = match n % 5 {
            0 => ("2026-11-10", "client = \"x\""),
            1 => ("2026-12-01", "tags = [\"rouge\"]"),
            2 => ("2027-02-01", ""),
            _ => ("2027-09-01", ""),
        };
        config += &token(&format!("t{n}"), &format!("Jeton {n}"), end, more);
    }
    let town = Town::start(&config, PRESENT()).await;
    let server = served(&town, Vec::new()).await;
    let rows = |page: &str| page.matches("<g class=\"lane ").count();
    assert_eq!(rows(&get(&server, "/").await), 30);
    let shown = async |path: &str| rows(&get(&server, path).await);
    assert_eq!(shown("/timeline").await, 200);
    assert_eq!(shown("/timeline?page=2").await, 30);
    assert_eq!(shown("/timeline?page=99").await, 30);
    assert_eq!(shown("/timeline?state=expired").await, 46);
    assert_eq!(shown("/timeline?state=urgent").await, 46);
    assert_eq!(shown("/timeline?state=to-renew").await, 92);
    assert_eq!(shown("/timeline?client=x").await, 46);
    assert_eq!(shown("/timeline?client=x&state=urgent").await, 0);
    assert_eq!(shown("/timeline?tag=rouge&state=urgent").await, 46);
    let second = get(&server, "/timeline?state=active&page=2&lang=en").await;
    assert!(
        second.contains("?state=active&amp;lang=en&amp;page=1"),
        "{second}"
    );
    server.stop().await;
}

/// Every illness, with what a server said in it.
fn ills() -> Vec<Ill> {
    let since = PRESENT() - Duration::hours(3);
    let by = Duration::hours(5);
    let why = "550 5.1.1 <camille@ville.example> unknown".to_owned();
    vec![
        Ill::Passes {
            since,
            why: why.clone(),
        },
        Ill::Deliveries {
            since,
            why: why.clone(),
        },
        Ill::Relay { since, why },
        Ill::Uncovered(2),
        Ill::ClockHeld(Hold::Ahead { since, by }),
        Ill::ClockHeld(Hold::Behind { until: since, by }),
        Ill::StormHeld(7),
        Ill::Disk { since },
        Ill::Unread(1),
        Ill::OutOfReach(3),
        Ill::Bounces {
            since,
            what: Hindrance::Missing,
        },
    ]
}

/// A text as it stands in a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#x27;")
        .replace('"', "&quot;")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_illness_is_told_with_what_to_do_and_without_an_address() {
    let config = format!("{HEAD}{}", token("t", "Jeton", "2027-09-01", ""));
    let town = Town::start(&config, PRESENT()).await;
    for ill in ills() {
        let server = served(&town, vec![ill.clone()]).await;
        for lang in [Lang::Fr, Lang::En] {
            for path in ["/", "/health"] {
                let page = get(&server, &format!("{path}?lang={lang}")).await;
                let (headline, advice) = (ill.headline(PRESENT()), ill.advice());
                assert!(
                    page.contains(&escaped(headline.in_lang(lang))),
                    "{path} {ill:?}: {page}"
                );
                assert!(
                    page.contains(&escaped(advice.in_lang(lang))),
                    "{path} {ill:?}: {page}"
                );
                assert!(!page.contains("camille@"), "{path} {ill:?}");
                assert!(!page.contains("good-note"), "{path} {ill:?}");
            }
        }
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_uncovered_is_named_and_a_store_that_was_not_read_claims_nothing() {
    let config = format!("{HEAD}{}", token("t", "Jeton", "2027-09-01", ""));
    let town = Town::start(&config, PRESENT()).await;
    let site = site(&town);
    let mut vitals = Vitals::look(town.store(), &town.config().calendar, PRESENT())
        .await
        .unwrap();
    vitals.uncovered.push(Uncovered {
        token: "a/<b>".to_owned(),
        stage: 30,
        recipient: "c.martin@ville.example".to_owned(),
        since: PRESENT() - Duration::days(2),
        why: Why::Late,
    });
    let put = |vitals| {
        site.bulletin.put(Checkup {
            at: PRESENT(),
            vitals,
            ills: Vec::new(),
        });
    };
    put(Some(vitals));
    let server = Server::on(site.clone(), Limits::default(), Router::new()).await;
    assert!(get(&server, "/?lang=en").await.contains("UNCOVERED"));
    let health = get(&server, "/health?lang=en").await;
    assert!(health.contains("a/&lt;b&gt;") && health.contains("tokens/a%2F%3Cb%3E"));
    assert!(health.contains("its mail waits too long"));
    put(None);
    let page = get(&server, "/?lang=en").await;
    assert!(
        page.contains("nobody knows whether a reminder is missing"),
        "{page}"
    );
    assert!(!page.contains("good-note"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_follows_what_is_written() {
    let config = format!("{HEAD}{}", token("t", "Jeton", "2026-12-20", ""));
    let mut town = lived(&config, "2026-11-22T08:00:00Z").await;
    let server = served(&town, Vec::new()).await;
    let filed = "<strong>1</strong> Filed, pending";
    assert!(!get(&server, "/?lang=en").await.contains(filed));
    town.now = PRESENT();
    act(
        &town,
        Who::User("alex".to_owned()),
        "t",
        Verb::File(Filing::default()),
    )
    .await;
    assert!(get(&server, "/?lang=en").await.contains(filed));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_block_for_support_holds_no_secret_and_no_address() {
    let config = HEAD.replace(
        "[mail]\n",
        "[heartbeat]\nurl = \"https://hc-ping.com/5e4a-key\"\n[mail]\ntransport = \"smtp\"\n",
    ) + "[mail.smtp]\nhost = \"smtp.ville.example\"\nusername = \"jetond@ville.example\"\npassword = { env = \"PASSWORD\" }\n"
        + &token("t", "Jeton", "2027-09-01", "");
    let town = Town::start(&config, PRESENT()).await;
    let server = served(&town, ills()).await;
    let page = get(&server, "/health?lang=fr").await;
    let block = page
        .split("<pre")
        .nth(1)
        .unwrap()
        .split("</pre>")
        .next()
        .unwrap();
    for there in [
        "smtp.ville.example",
        "hc-ping.com",
        "uncovered",
        "ill            relay:",
        "tokens 1",
    ] {
        assert!(block.contains(there), "{there} in {block}");
    }
    for absent in ["5e4a-key", "jetond@", "camille@", "dsi@", "jetons@"] {
        assert!(!block.contains(absent), "{absent} in {block}");
    }
    server.stop().await;
}
