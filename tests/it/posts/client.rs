//! Where posts may go: by https with a certificate that holds, to addresses that are judged, and
//! the judged one is connected to.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jetond::http::{Bounds, Client, Fault, Method, Names, Reach, Request, Roots};
use jetond::store::posts::WantedPosts;
use url::Url;

use super::{SHORT, december, fifteen_before, head, posts};
use crate::support::channel_server::{ChannelServer, Does};
use crate::support::daemon::Town;
use crate::support::smtp_server::Cert;

/// Resolves every name to these addresses, another one each time; counts how often it was asked.
fn names(answers: Vec<Vec<IpAddr>>) -> (Names, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let by = move |_: &str| {
        let n = counter.fetch_add(1, Ordering::Relaxed);
        answers[n.min(answers.len() - 1)].clone()
    };
    (Names::By(Arc::new(by)), asked)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn get(url: &str) -> Request {
    Request {
        method: Method::GET,
        url: Url::parse(url).unwrap(),
        headers: Vec::new(),
        body: Default::default(),
    }
}

fn client(reach: Reach, names: Names) -> Client {
    let bounds = Bounds {
        deadline: SHORT,
        keep: 100,
        reach,
    };
    Client::new(bounds, Roots::System, names)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_a_private_address_is_refused_and_nobody_is_asked() {
    let server = ChannelServer::start();
    let url = format!("http://chat.ville.example:{}/", server.port());
    for address in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "fd00::1",
    ] {
        let (names, asked) = names(vec![vec![ip(address)]]);
        let said = client(Reach::Open, names).send(&get(&url)).await;
        assert!(
            matches!(said, Err(Fault::Forbidden(_))),
            "{address}: {said:?}"
        );
        assert!(!said.unwrap_err().may_have_arrived());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
    // The name is asked for once: a later answer, which leads here, is never seen.
    let open = ip("240.0.0.1");
    let (rebinding, asked) = names(vec![vec![ip("2001:4860::1")], vec![ip("127.0.0.1")]]);
    let said = client(Reach::Open, rebinding).send(&get(&url)).await;
    assert!(
        said.is_err() && asked.load(Ordering::Relaxed) == 1,
        "{open} {said:?}"
    );
    // Of several addresses only the open ones are tried.
    let (mixed, _) = names(vec![vec![ip("127.0.0.1"), ip("2001:4860::1")]]);
    let said = client(Reach::Open, mixed).send(&get(&url)).await;
    assert!(
        matches!(said, Err(Fault::Connect(_) | Fault::Late(_))),
        "{said:?}"
    );
    assert_eq!(server.told().len(), 0);
    // Where it is allowed, the same name leads there.
    let (names, _) = names(vec![vec![ip("127.0.0.1")]]);
    let said = client(Reach::Anywhere, names).send(&get(&url)).await;
    assert_eq!(said.unwrap().body, b"ok");
}

/// A channel by https at a name, without `allow_private` unless `more` says so.
async fn town(server: &ChannelServer, more: &str) -> Town {
    let ca = server.ca_file().display();
    let port = server.port();
    let hook = format!(
        "[[notify]]\nname = \"dsi\"\nkind = \"mattermost\"\nurl = \"https://localhost:{port}/hooks/k3yk3yk3y\"\n\
         ca_file = \"{ca}\"\n{more}\n"
    );
    let town = Town::start(&(head() + &hook + &december("m")), fifteen_before()).await;
    town.pass().await;
    town
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_by_the_named_authority_is_taken() {
    for (cert, is_taken) in [
        (Cert::Valid, true),
        (Cert::Expired, false),
        (Cert::WrongHost, false),
        (Cert::UnknownCa, false),
    ] {
        let server = ChannelServer::start_tls(cert);
        let town = town(&server, "allow_private = true").await;
        let step = super::post(&town).await;
        assert_eq!(
            (step.sent == 1, step.deferred == 1),
            (is_taken, !is_taken),
            "{cert:?}"
        );
        assert_eq!(server.told().len(), usize::from(is_taken), "{cert:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_with_a_private_address_is_not_told_unless_that_is_said() {
    let server = ChannelServer::start_tls(Cert::Valid);
    let town = town(&server, "").await;
    assert_eq!(super::post(&town).await.deferred, 1);
    let reply = posts(&town).await.remove(0).reply.unwrap();
    assert!(reply.contains("an address of this machine"), "{reply}");
    assert_eq!(server.told().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_address_leads_to_the_named_hosts_only() {
    let server = ChannelServer::start();
    let port = server.port();
    let hook = "[[notify]]\nname = \"dsi\"\nkind = \"mattermost\"\nurl = { file = \"hook.url\" }\n\
                allowed_hosts = [\"127.0.0.1\"]\nallow_private = true\n";
    let mut town = Town::start(&(head() + hook + &december("m")), fifteen_before()).await;
    town.pass().await;
    super::secret(
        &town,
        "hook.url",
        &format!("http://localhost:{port}/hooks/k3yk3yk3y"),
    );
    assert_eq!(super::post(&town).await.deferred, 1);
    let reply = posts(&town).await.remove(0).reply.unwrap();
    assert!(
        reply.contains("allowed_hosts") && !reply.contains("k3y"),
        "{reply}"
    );
    super::secret(
        &town,
        "hook.url",
        &format!("http://127.0.0.1:{port}/hooks/k3yk3yk3y"),
    );
    town.now += chrono::Duration::minutes(10);
    assert_eq!(super::post(&town).await.sent, 1);
    assert_eq!(server.told()[0].line, "POST /hooks/k3yk3yk3y");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_an_answer_are_kept_without_the_key_of_the_address() {
    use crate::support::channel_server::Does;
    let server = ChannelServer::start();
    let hook = super::channel("dsi", "mattermost", &server, "alarms = false");
    let town = Town::start(&(head() + &hook + &december("m")), fifteen_before()).await;
    let said = "no hook k3yk3yk3y at /hooks/k3yk3yk3y \u{1b}[31m".to_owned() + &"x".repeat(5000);
    server.will([Does::Says(404, "", said)]);
    super::pass(&town).await;
    let post = posts(&town).await.remove(0);
    let reply = post.reply.unwrap();
    assert!(reply.starts_with("404 no hook …"), "{reply}");
    assert!(
        !reply.contains("k3y") && !reply.contains('\u{1b}'),
        "{reply}"
    );
    assert!(reply.chars().count() < 220, "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_exchange_has_one_deadline() {
    let (silent, _) = names(vec![vec![ip("127.0.0.1")]]);
    // Nobody accepts, nobody refuses: the backlog takes the connection and no more.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = client(Reach::Anywhere, silent)
        .send(&get(&format!("http://chat.ville.example:{port}/")))
        .await;
    assert_eq!(said, Err(Fault::Unanswered(SHORT)));
    // A channel's own deadline holds for a server that takes a post and never answers, too.
    let server = ChannelServer::start_tls(Cert::Valid);
    server.will([Does::Hangs]);
    let town = town(&server, "allow_private = true").await;
    let step = super::hurried(&town).step(WantedPosts::All, town.now).await;
    assert_eq!(step.unwrap().sent, 0);
}
