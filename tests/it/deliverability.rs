//! `check --online` and `send-test`: what the relay and the DNS say, without a mail and without
//! a password on the screen.

use std::process::Command;

use crate::support::debian;
use crate::support::name_server::NameServer;
use crate::support::postfix::Postfix;
use crate::support::program::{Program, said};
use crate::support::smtp_server::{Act, Cert, Phase, Script, SmtpServer};

const SECRET: &str = "s3cr3t-of-the-relay";

/// Mails from `jetons@ville.example` over SMTP, as `smtp` says.
fn program(smtp: &str) -> Program {
    Program::new(&format!(
        "contact = \"dsi@ville.example\"\nlanguage = \"en\"\n\
         [mail]\nfrom = \"jetons@ville.example\"\ntransport = \"smtp\"\n[mail.smtp]\n{smtp}\n\
         [[token]]\nid = \"t\"\nname = \"T\"\nexpires = 2027-06-15\n\
         recipients = [\"c.martin@ville.example\"]\n"
    ))
}

/// A relay that wants an account, over STARTTLS.
fn with_account(server: &SmtpServer) -> Program {
    program(&format!(
        "host = \"localhost\"\nport = {}\nca_file = \"{}\"\nusername = \"jetond\"\n\
         password = {{ env = \"RELAY_PASSWORD\" }}",
        server.port(),
        server.ca_file().display()
    ))
}

/// What the program said: exit code, stdout, stderr.
fn run(program: &Program, args: &[&str]) -> (i32, String, String) {
    let mut command: Command = program.command(args);
    let output = command.env("RELAY_PASSWORD", SECRET).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(!said(&output).contains("panicked"), "{}", said(&output));
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A port of this machine where nobody answers.
fn nobody() -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().to_string()
}

#[test]
fn check_online_tells_what_the_relay_offers_and_sends_nothing() {
    let server = SmtpServer::start(Script::new().tls(Cert::Valid));
    let place = with_account(&server);
    let (code, out, err) = run(&place, &["check", "--online", "--dns", &nobody()]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("answers and lets us in (TLS 1.3"), "{out}");
    assert!(out.contains("account jetond"), "{out}");
    assert!(out.contains("jetons@ville.example may send"), "{out}");
    assert!(out.contains("extensions: "), "{out}");
    assert!(out.contains("no name server answers"), "{out}");
    assert!(!(out + &err).contains(SECRET));
    assert_eq!(server.count(), 0);
    let heard: Vec<String> = server.heard().into_iter().map(|h| h.line).collect();
    assert!(
        heard.iter().any(|l| l.starts_with("MAIL FROM:<jetons@")),
        "{heard:?}"
    );
    assert!(!heard.iter().any(|l| l.starts_with("RCPT")), "{heard:?}");
    assert!(heard.iter().any(|l| l == "RSET"), "{heard:?}");
}

#[test]
fn a_sender_that_the_relay_refuses_is_told_with_the_dialogue() {
    let refused = Act::Reply("553 5.7.1 sender address rejected: not owned by user jetond");
    let server = SmtpServer::start(Script::new().tls(Cert::Valid).at(Phase::Mail, refused));
    let place = with_account(&server);
    let (code, out, err) = run(&place, &["check", "--online", "--dns", &nobody()]);
    assert_eq!(code, 6, "{out}{err}");
    assert!(
        out.contains("does not take mails from jetons@ville.example"),
        "{out}"
    );
    assert!(out.contains("mail.from"), "{out}");
    assert!(err.contains("> AUTH PLAIN ****"), "{err}");
    assert!(err.contains("< 553 5.7.1 sender address rejected"), "{err}");
}

#[test]
fn a_small_limit_and_a_missing_extension_are_advice_and_exit_with_0() {
    let script = Script::new()
        .without("SIZE")
        .without("SMTPUTF8")
        .with("SIZE 20000");
    let server = SmtpServer::start(script);
    let place = Program::new(&format!(
        "contact = \"dsi@ville.example\"\nlanguage = \"en\"\n\
         [mail]\nfrom = \"jetons@ville.example\"\ntransport = \"smtp\"\n\
         [mail.smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         [[token]]\nid = \"t\"\nname = \"T\"\nexpires = 2027-06-15\nrecipients = [\"hélène@ville.example\"]\n",
        server.port()
    ));
    let (code, out, _) = run(&place, &["check", "--online", "--json", "--dns", &nobody()]);
    assert_eq!(code, 0, "{out}");
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    let advice: Vec<&str> = document["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["check"] == "extensions")
        .inspect(|row| assert_eq!(row["severity"], "warning"))
        .map(|row| row["message"].as_str().unwrap())
        .collect();
    assert_eq!(advice.len(), 2, "{advice:?}");
    assert!(advice[0].contains("20 kB at most"), "{advice:?}");
    assert!(advice[1].contains("hélène@ville.example"), "{advice:?}");
}

#[test]
fn a_name_server_that_is_no_address_is_refused() {
    let place = program("host = \"127.0.0.1\"\ntls = \"none\"");
    let (code, _, err) = run(&place, &["check", "--online", "--dns", "dns.example"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("write an IP address"), "{err}");
    let (code, ..) = run(&place, &["check", "--dkim-selector", "s1"]);
    assert_eq!(code, 2);
}

#[test]
fn send_test_shows_the_dialogue_with_the_password_masked() {
    // This server answers with what it was told, as some do in their logs.
    let echo = Act::Reply("235 2.7.0 welcome s3cr3t-of-the-relay");
    for script in [
        Script::new().tls(Cert::Valid),
        Script::new().tls(Cert::Valid).at(Phase::Auth, echo),
        Script::new()
            .tls(Cert::Valid)
            .without("AUTH")
            .with("AUTH LOGIN"),
    ] {
        let server = SmtpServer::start(script);
        let place = with_account(&server);
        let (code, out, err) = run(&place, &["send-test", "c.martin@ville.example"]);
        assert_eq!(code, 0, "{out}{err}");
        assert_eq!(server.count(), 1);
        for line in [
            "* connected to 127.0.0.1",
            "> STARTTLS",
            "certificate of localhost verified",
            "> MAIL FROM:<jetons@ville.example>",
            "> RCPT TO:<c.martin@ville.example>",
            "< 354",
            "and the final dot)",
            "> QUIT",
        ] {
            assert!(err.contains(line), "{line}\n{err}");
        }
        assert!(err.contains("****"), "{err}");
        let encoded = base64_of(SECRET);
        let shown = out + &err;
        assert!(
            !shown.contains(SECRET) && !shown.contains(&encoded),
            "{shown}"
        );
    }
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn the_domain_of_the_sender_is_looked_up_at_a_real_name_server() {
    let records = "\
        ville MX 10 mx.ville\nmx.ville A 192.0.2.25\n\
        ville TXT \"v=spf1 mx \" \"-all\"\nville TXT \"other\"\n\
        s1._domainkey.ville TXT \"v=DKIM1; k=rsa; p=MIIB\"\nold._domainkey.ville TXT \"v=DKIM1; p=\"\n\
        _dmarc.ville TXT \"v=DMARC1; p=reject; sp=quarantine\"\n\
        jetons.ville TXT \"v=spf1 a\"\njetons.ville TXT \"v=spf1 mx\"\n\
        silent MX 0 .\nsilent TXT \"v=spf1 +all\"\n_dmarc.silent TXT \"v=DMARC1; p=oui\"\n\
        house A 192.0.2.1\n";
    let Some(dns) = NameServer::start(records) else {
        return;
    };
    let server = SmtpServer::start(Script::new());
    let look = |domain: &str, more: &[&str]| {
        let place = Program::new(&format!(
            "contact = \"dsi@ville.example\"\nlanguage = \"en\"\n\
             [mail]\nfrom = \"jetons@{domain}\"\ntransport = \"smtp\"\n\
             [mail.smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
             [[token]]\nid = \"t\"\nname = \"T\"\nexpires = 2027-06-15\nrecipients = [\"a@ville.example\"]\n",
            server.port()
        ));
        let at = dns.address().to_string();
        let mut args = vec!["check", "--online", "--json", "--dns", &at];
        args.extend(more);
        let (code, out, err) = run(&place, &args);
        assert_eq!(code, 0, "{out}{err}");
        let document: serde_json::Value = serde_json::from_str(&out).unwrap();
        document["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|r| {
                ["mx", "spf", "dkim", "dmarc", "dns"].contains(&r["check"].as_str().unwrap())
            })
            .map(|r| {
                let word = |key: &str| r[key].as_str().unwrap().to_owned();
                format!(
                    "{} {}: {}",
                    word("check"),
                    word("severity"),
                    word("message")
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        look("ville.example", &[]),
        [
            "mx ok: ville.example receives mail at mx.ville.example",
            "spf ok: v=spf1 mx -all (others are refused)",
            "dkim ok: ville.example has keys",
            "dmarc ok: by ville.example: mail that passes neither SPF nor DKIM is refused",
        ]
    );
    assert_eq!(
        look("jetons.ville.example", &[]),
        [
            "mx warning: jetons.ville.example receives no mail: no MX, no address",
            "spf warning: jetons.ville.example has 2 SPF records, which counts as none",
            "dkim warning: jetons.ville.example has no keys: its mails are not signed",
            "dmarc ok: by ville.example: mail that passes neither SPF nor DKIM goes to the spam folder",
        ]
    );
    assert_eq!(
        look("silent.example", &[]),
        [
            "mx warning: silent.example says that it takes no mail",
            "spf warning: v=spf1 +all (anyone may send)",
            "dkim warning: silent.example has no keys: its mails are not signed",
            "dmarc warning: the DMARC record means nothing: v=DMARC1; p=oui",
        ]
    );
    assert_eq!(
        look("house.example", &[])[..2],
        [
            "mx ok: house.example receives mail at its own address",
            "spf warning: house.example has no SPF record",
        ]
    );
    assert_eq!(
        look("nowhere.example", &[])[0],
        "mx warning: there is no domain nowhere.example"
    );
    for (selector, told) in [
        ("s1", "dkim ok: there is a key s1"),
        ("old", "dkim warning: the key old was withdrawn"),
        ("s2", "dkim warning: there is no key s2"),
    ] {
        let told_of = look("ville.example", &["--dkim-selector", selector]);
        assert!(told_of.iter().any(|l| l == told), "{told_of:?}");
    }
}

#[test]
fn a_real_postfix_is_looked_at_and_takes_the_test_mail() {
    let Some(postfix) = Postfix::start(&[]) else {
        return;
    };
    assert!(debian::unpacked(&["postfix"]).is_some());
    let place = program(&format!(
        "host = \"127.0.0.1\"\nport = {}\ntls = \"none\"",
        postfix.port()
    ));
    let (code, out, err) = run(&place, &["check", "--online", "--dns", &nobody()]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("PIPELINING, 8BITMIME, SMTPUTF8, DSN"), "{out}");
    let (code, out, err) = run(&place, &["send-test", "c.martin@ville.example"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(postfix.messages(1).len(), 1);
}
