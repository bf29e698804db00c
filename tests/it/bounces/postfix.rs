//! With a real Postfix that takes a mail, finds that nobody has that name, and sends it back into
//! a Maildir which the running daemon reads.

use chrono::Duration;

use super::{CONTACT, names};
use crate::support::daemon::{head, token};
use crate::support::postfix::Postfix;
use crate::support::program::{Program, Running};

const GONE: &str = "parti@ville.example";
const HERE: &str = "camille@ville.example";

#[test]
fn a_mail_that_postfix_accepts_and_sends_back_is_told_to_the_others() {
    let Some(postfix) = Postfix::bouncing(GONE, "jetons@ville.example") else {
        return;
    };
    let bounces = postfix.bounces();
    let day = (jetond::clock::now() + Duration::days(10)).date_naive();
    let config = head(postfix.port()).replace(
        "[mail]\n",
        &format!(
            "[mail]\nbounces = {{ maildir = {:?} }}\n",
            bounces.display()
        ),
    ) + "[schedule]\nwindow = \"00:00-24:00\"\n[reports]\nweekly = false\n"
        + &token("marches", &day.to_string(), &[GONE, HERE]);
    let program = Program::new(&config);
    let running = Running::start(program.command(&["run"]));
    postfix.wait_for_bounces(1);
    // The next pass comes within a minute; a reload asks for one now.
    running.signal("HUP");
    running.wait_for("came back");
    // The reminder to the other one, the notes to them and to the contact.
    let mails = postfix.messages(3);
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
    assert_eq!(mails.iter().filter(|m| is_note(m)).count(), 2);

    assert_eq!(names(&bounces.join("new")), [""; 0]);
    assert_eq!(names(&bounces.join("cur")).len(), 1);
    let history = program.json(&["history", "marches"]);
    let of_gone: Vec<&str> = history
        .iter()
        .filter(|e| e["detail"]["recipient"] == GONE)
        .map(|e| e["what"].as_str().unwrap())
        .collect();
    assert_eq!(of_gone, ["mail_sent", "mail_bounced"]);
    let status = &program.json(&["status"])[0];
    assert_eq!(status["unreachable"][0]["recipient"], GONE);
    let reply = status["unreachable"][0]["reply"].as_str().unwrap();
    assert!(
        reply.contains("5.1.1") && reply.contains("unknown user"),
        "{reply}"
    );
    assert_eq!(status["uncovered"], 0);
    let told: Vec<String> = program
        .json(&["outbox", "list", "--all"])
        .iter()
        .filter(|m| m["kind"] == "note_refused")
        .map(|m| m["recipient"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&CONTACT.to_owned()) && told.contains(&HERE.to_owned()));
}

fn is_note(message: &[u8]) -> bool {
    let parsed = mail_parser::MessageParser::default()
        .parse(message)
        .unwrap();
    parsed.subject().unwrap().contains("revenu")
}
