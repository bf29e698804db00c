//! What people say happened to a token, and what then leaves or does not.

use chrono::{DateTime, Duration, Utc};
use jetond::domain::lifecycle::{State, Who};
use jetond::renewal::verbs::{self, Done, Filing, Hand, Refused, Remark, Renewal, Verb};

use crate::support::daemon::{Town, at, head, token};

/// A token of one town, 100 days before its end, told to two people.
async fn town() -> Town {
    let config = config(&[("a", "2026-12-15", &["c@ville.example", "t@editeur.example"])]);
    Town::start(&config, at("2026-09-06T08:30:00Z")).await
}

fn config(tokens: &[(&str, &str, &[&str])]) -> String {
    let mut config = head(9).replace("\"smtp\"\n[mail.smtp]", "\"file\"\n[mail.smtp]");
    for (i, (id, expires, people)) in tokens.iter().enumerate() {
        config += &token(id, expires, people).replace("11244", &format!("{}", 500 + i));
    }
    config
}

async fn act(town: &Town, id: &str, verb: Verb) -> Result<Done, Refused> {
    act_as(town, Who::User("alex".to_owned()), id, verb).await
}

async fn act_as(town: &Town, who: Who, id: &str, verb: Verb) -> Result<Done, Refused> {
    let hand = Hand {
        calendar: &town.config().calendar,
        who,
        now: town.now,
    };
    verbs::act(town.store(), &hand, id, &verb).await.unwrap()
}

/// Passes once a morning until that day, and answers what left: (day, kind, address).
async fn mornings(town: &mut Town, until: &str) -> Vec<String> {
    let before = town.mails().await.len();
    while town.now < at(until) {
        town.now += Duration::days(1);
        town.pass().await;
        town.pass().await;
    }
    left(town).await.split_off(before)
}

async fn left(town: &Town) -> Vec<String> {
    let day = |at: DateTime<Utc>| town.config().calendar.date(at);
    town.mails()
        .await
        .iter()
        .map(|m| {
            let at = m.settled_at.map(day).map(|d| d.to_string());
            format!(
                "{} {} {}",
                at.unwrap_or_else(|| m.state.word().to_owned()),
                m.kind,
                m.address
            )
        })
        .collect()
}

fn until(expires: &str) -> Verb {
    Verb::Renew(Renewal::until(at(expires), None))
}

async fn covered(town: &Town) {
    let open = town
        .store()
        .uncovered(&town.config().calendar, town.now)
        .await
        .unwrap();
    assert_eq!(open, []);
}

#[tokio::test]
async fn a_renewal_opens_a_period_and_closes_with_one_note_each() {
    let mut town = town().await;
    let first = mornings(&mut town, "2026-09-20T00:00:00Z").await;
    assert_eq!(
        first,
        [
            "2026-09-16 reminder c@ville.example",
            "2026-09-16 reminder t@editeur.example"
        ]
    );
    let done = act(&town, "a", until("2028-03-15T22:59:59Z"))
        .await
        .unwrap();
    assert_eq!(done.remarks, [Remark::ClosingNotes(2)]);
    assert_eq!(done.no_longer.len(), 2 * 10);
    assert_eq!(done.from_now.len(), 2 * 11);
    assert!(done.no_longer.iter().all(|p| p.period == 1));
    assert!(done.from_now.iter().all(|p| p.period == 2));
    let notes = mornings(&mut town, "2026-12-20T00:00:00Z").await;
    assert_eq!(
        notes,
        [
            "2026-09-21 note_renewed c@ville.example",
            "2026-09-21 note_renewed t@editeur.example"
        ]
    );
    covered(&town).await;
    // Said again, it changes nothing; an earlier date is refused.
    let again = act(&town, "a", until("2028-03-15T22:59:59Z"))
        .await
        .unwrap();
    assert!(!again.changed());
    let earlier = act(&town, "a", until("2028-03-14T22:59:59Z")).await;
    assert!(matches!(earlier, Err(Refused::NotLater { .. })));
}

#[tokio::test]
async fn a_renewal_without_a_reminder_closes_without_a_note() {
    let mut town = town().await;
    let done = act(&town, "a", until("2028-03-15T22:59:59Z"))
        .await
        .unwrap();
    assert_eq!(done.remarks, []);
    assert_eq!(mornings(&mut town, "2026-12-20T00:00:00Z").await, [""; 0]);
}

#[tokio::test]
async fn a_filed_request_silences_the_early_stages_and_never_the_last() {
    let mut town = town().await;
    mornings(&mut town, "2026-09-20T00:00:00Z").await;
    let filing = Filing {
        reference: Some("98765".to_owned()),
        ..Filing::default()
    };
    let done = act(&town, "a", Verb::File(filing)).await.unwrap();
    let silenced: Vec<i32> = done.no_longer.iter().map(|p| p.stage).collect();
    assert_eq!(silenced, [60, 60, 30, 30]);
    let mails = mornings(&mut town, "2026-12-01T00:00:00Z").await;
    assert_eq!(
        mails,
        [
            // 20 days without an answer: there is no demandeur here, so the contact is asked.
            "2026-10-10 note_filed dsi@ville.example",
            "2026-11-30 reminder c@ville.example",
            "2026-11-30 reminder t@editeur.example",
        ]
    );
    covered(&town).await;
}

#[tokio::test]
async fn a_refusal_brings_the_most_urgent_reminder_back() {
    let mut town = town().await;
    mornings(&mut town, "2026-09-20T00:00:00Z").await;
    act(&town, "a", Verb::File(Filing::default()))
        .await
        .unwrap();
    mornings(&mut town, "2026-11-20T00:00:00Z").await;
    let done = act(&town, "a", Verb::RefuseFiled).await.unwrap();
    let back: Vec<i32> = done.from_now.iter().map(|p| p.stage).collect();
    assert_eq!(back, [30, 30]);
    let mails = mornings(&mut town, "2026-11-29T00:00:00Z").await;
    assert_eq!(
        mails,
        [
            "2026-11-21 reminder c@ville.example",
            "2026-11-21 reminder t@editeur.example"
        ]
    );
    covered(&town).await;
    assert_eq!(
        act(&town, "a", Verb::RefuseFiled).await,
        Err(Refused::NothingFiled)
    );
}

#[tokio::test]
async fn a_queued_reminder_does_not_leave_once_the_request_is_filed() {
    let mut town = town().await;
    // The slot of stage 90 has come; the mail is queued and has not left.
    town.now = at("2026-09-16T08:30:00Z");
    town.rig().tick(town.now).await.unwrap();
    let done = act(&town, "a", Verb::File(Filing::default()))
        .await
        .unwrap();
    assert_eq!(done.no_longer.first().map(|p| p.stage), Some(90));
    assert_eq!(mornings(&mut town, "2026-09-20T00:00:00Z").await, [""; 0]);
    covered(&town).await;
}

#[tokio::test]
async fn a_snooze_speaks_again_on_its_day_through_the_most_urgent_stage() {
    let mut town = town().await;
    let verb = |until: &str| Verb::Snooze { until: at(until) };
    let late = act(&town, "a", verb("2026-12-01T23:00:00Z")).await;
    assert_eq!(
        late,
        Err(Refused::TooLate(Some("2026-11-30".parse().unwrap())))
    );
    let done = act(&town, "a", verb("2026-11-19T23:00:00Z")).await.unwrap();
    let (silent, heard): (Vec<i32>, Vec<i32>) = (
        done.no_longer.iter().map(|p| p.stage).collect(),
        done.from_now.iter().map(|p| p.stage).collect(),
    );
    assert_eq!((silent, heard), (vec![90, 90, 60, 60], vec![]));
    let mails = mornings(&mut town, "2026-11-29T00:00:00Z").await;
    assert_eq!(
        mails,
        [
            "2026-11-20 reminder c@ville.example",
            "2026-11-20 reminder t@editeur.example"
        ]
    );
    covered(&town).await;
}

#[tokio::test]
async fn a_declared_renewal_is_silent_early_and_the_contact_is_asked() {
    let mut town = town().await;
    mornings(&mut town, "2026-09-20T00:00:00Z").await;
    let who = Who::Recipient("c@ville.example".to_owned());
    let declare = Verb::Declare {
        expires: Some(at("2028-03-15T22:59:59Z")),
    };
    let done = act_as(&town, who.clone(), "a", declare.clone())
        .await
        .unwrap();
    assert_eq!(done.remarks, [Remark::ToBeConfirmed]);
    let again = act_as(&town, who, "a", declare).await.unwrap();
    assert!(!again.changed());
    let mails = mornings(&mut town, "2026-12-01T00:00:00Z").await;
    assert_eq!(
        mails,
        [
            "2026-09-21 note_declared dsi@ville.example",
            "2026-11-30 reminder c@ville.example",
            "2026-11-30 reminder t@editeur.example",
        ]
    );
    covered(&town).await;
}

#[tokio::test]
async fn a_revocation_to_come_is_the_end_and_nothing_comes_after_it() {
    let mut town = town().await;
    let done = act(
        &town,
        "a",
        Verb::Revoke {
            at: Some(at("2026-11-15T22:59:59Z")),
        },
    )
    .await
    .unwrap();
    assert!(done.after.ends_revoked);
    let late = act(
        &town,
        "a",
        Verb::Revoke {
            at: Some(at("2027-01-15T22:59:59Z")),
        },
    )
    .await;
    assert!(matches!(late, Err(Refused::ExpiresBefore(_))));
    let mails = mornings(&mut town, "2027-01-20T00:00:00Z").await;
    let of_one: Vec<&str> = mails
        .iter()
        .filter(|m| m.ends_with("c@ville.example"))
        .map(|m| &m[..10])
        .collect();
    // Stage 90 is past and comes as a catch-up; then 60, 30, 15, 7, 1.
    assert_eq!(
        of_one,
        [
            "2026-09-07",
            "2026-09-16",
            "2026-10-16",
            "2026-10-31",
            "2026-11-08",
            "2026-11-14"
        ]
    );
    let token = town.store().token("a").await.unwrap().unwrap();
    assert_eq!(token.state, State::Revoked);
    covered(&town).await;
    // Revoked by mistake: the former end counts again.
    let back = act(&town, "a", Verb::Restore).await.unwrap();
    assert_eq!(back.after.expires, at("2026-12-15T22:59:59Z"));
    town.pass().await;
    covered(&town).await;
}

#[tokio::test]
async fn a_successor_takes_the_place_and_inherits_who_is_told() {
    let tokens: &[(&str, &str, &[&str])] = &[
        ("old", "2026-12-15", &["c@ville.example"]),
        ("new", "2028-03-15", &[]),
    ];
    let mut town = Town::start(&config(tokens), at("2026-09-16T08:30:00Z")).await;
    town.pass().await;
    let by = |id: &str| Verb::Supersede { by: id.to_owned() };
    let done = act(&town, "old", by("new")).await.unwrap();
    assert_eq!(
        done.remarks,
        [
            Remark::Inherited(vec!["c@ville.example".to_owned()]),
            Remark::ClosingNotes(1)
        ]
    );
    let circle = act(&town, "new", by("old")).await;
    assert_eq!(circle, Err(Refused::Circle("new".to_owned())));
    let renewed = act(&town, "old", until("2029-01-01T00:00:00Z")).await;
    assert_eq!(renewed, Err(Refused::Superseded("new".to_owned())));
    let unknown = act(&town, "old", by("knew")).await;
    assert_eq!(unknown, Err(Refused::Unknown("knew".to_owned())));
    assert_eq!(
        mornings(&mut town, "2026-12-20T00:00:00Z").await,
        ["2026-09-17 note_superseded c@ville.example"]
    );
    // The next reading of the file does not undo what was inherited.
    town.reload(&(config(tokens) + "\n")).await;
    let new = town.store().token("new").await.unwrap().unwrap();
    let people = town.store().people(&[new.no]).await.unwrap();
    let mut told: Vec<&str> = people.iter().map(|p| p.key.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["c@ville.example", "dsi@ville.example"]);
    covered(&town).await;
}

#[tokio::test]
async fn an_archive_holds_against_the_file_until_it_is_restored() {
    let mut town = town().await;
    mornings(&mut town, "2026-09-20T00:00:00Z").await;
    act(&town, "a", Verb::Archive).await.unwrap();
    let config = std::fs::read_to_string(town.file()).unwrap();
    town.reload(&(config + "\n")).await;
    assert_eq!(mornings(&mut town, "2026-11-20T00:00:00Z").await, [""; 0]);
    let refused = act(&town, "a", Verb::File(Filing::default())).await;
    assert!(matches!(refused, Err(Refused::Archived(_))));
    let done = act(&town, "a", Verb::Restore).await.unwrap();
    assert_eq!(done.from_now.first().map(|p| p.stage), Some(30));
    let back = mornings(&mut town, "2026-11-22T00:00:00Z").await;
    assert_eq!(
        back,
        [
            "2026-11-21 reminder c@ville.example",
            "2026-11-21 reminder t@editeur.example"
        ]
    );
    covered(&town).await;
}

/// The file with a `jti` for its only token.
fn with_jti(config: &str) -> String {
    let line = "datapass_id = \"500\"";
    config.replace(line, &format!("{line}\njti = \"8c089a39-0001\""))
}

#[tokio::test]
async fn a_file_that_says_the_same_day_undoes_nothing() {
    let mut town = town().await;
    act(&town, "a", until("2028-06-15T21:59:59Z"))
        .await
        .unwrap();
    let config = std::fs::read_to_string(town.file()).unwrap();
    let expires = async |town: &Town| {
        let token = town.store().token("a").await.unwrap().unwrap();
        (token.period.expires, token.period_no, token.jti.is_some())
    };
    town.reload(&with_jti(&config)).await;
    let renewed = at("2028-06-15T21:59:59Z");
    assert_eq!(expires(&town).await, (renewed, 2, true));
    // Another time zone, or validity, shifts what the file says; that is no event either.
    for (old, new) in [
        ("\"Europe/Paris\"", "\"Europe/London\""),
        ("[mail]", "[schedule]\nvalidity_months = 12\n[mail]"),
    ] {
        let config = with_jti(&config).replace(old, new);
        assert!(config.contains(new));
        town.reload(&config).await;
        assert_eq!(expires(&town).await, (renewed, 2, true));
    }
    assert_eq!(mornings(&mut town, "2026-12-20T00:00:00Z").await, [""; 0]);
    // A revocation to come stands as well.
    town.reload(&config).await;
    let at_the_end = at("2027-10-10T21:59:59Z");
    act(
        &town,
        "a",
        Verb::Revoke {
            at: Some(at_the_end),
        },
    )
    .await
    .unwrap();
    town.reload(&config.replace("8c089a39-0001", "8c089a39-0002"))
        .await;
    town.reload(&with_jti(&config)).await;
    assert_eq!(expires(&town).await.0, at_the_end);
}

#[tokio::test]
async fn a_revocation_that_is_taken_back_has_every_stage_leave_again() {
    let mut town = Town::start(
        &config(&[("a", "2027-12-15", &["c@ville.example"])]),
        at("2026-09-01T08:30:00Z"),
    )
    .await;
    let revoke = Verb::Revoke {
        at: Some(at("2026-10-10T21:59:59Z")),
    };
    act(&town, "a", revoke).await.unwrap();
    let before = mornings(&mut town, "2026-10-09T23:00:00Z").await;
    assert_eq!(before.len(), 5, "{before:?}");
    let done = act(&town, "a", Verb::Restore).await.unwrap();
    let coming: Vec<i32> = done.coming.iter().map(|p| p.stage).collect();
    assert!(coming.starts_with(&[90, 60, 30, 15, 7, 1, 0]), "{coming:?}");
    let after = mornings(&mut town, "2027-12-16T00:00:00Z").await;
    let days: Vec<&str> = after.iter().map(|m| &m[..10]).collect();
    assert_eq!(
        days,
        [
            "2027-09-16",
            "2027-10-16",
            "2027-11-15",
            "2027-11-30",
            "2027-12-08",
            "2027-12-14",
            "2027-12-15"
        ]
    );
    covered(&town).await;
}

#[tokio::test]
async fn what_ended_twice_is_restored_whole() {
    let tokens: &[(&str, &str, &[&str])] = &[
        ("a", "2026-12-15", &["c@ville.example"]),
        ("b", "2028-12-15", &["d@ville.example"]),
    ];
    for first in [Verb::Archive, Verb::Revoke { at: None }] {
        let mut town = Town::start(&config(tokens), at("2026-09-16T07:00:00Z")).await;
        town.rig().tick(town.now).await.unwrap();
        act(&town, "a", first).await.unwrap();
        let by = "b".to_owned();
        act(&town, "a", Verb::Supersede { by }).await.unwrap();
        act(&town, "a", Verb::Restore).await.unwrap();
        assert_eq!(
            mornings(&mut town, "2026-09-18T00:00:00Z").await,
            ["2026-09-17 reminder c@ville.example"]
        );
        covered(&town).await;
    }
}

#[tokio::test]
async fn the_same_day_is_no_renewal_and_the_end_before_a_revocation_counts() {
    let town = town().await;
    let later_that_day = act(&town, "a", until("2026-12-15T12:00:00Z"))
        .await
        .unwrap();
    assert!(!later_that_day.changed());
    let declared = Verb::Declare {
        expires: Some(at("2026-12-15T12:00:00Z")),
    };
    let refused = act(&town, "a", declared).await;
    assert!(matches!(refused, Err(Refused::NotLater { .. })));
    let revoke = Verb::Revoke {
        at: Some(at("2026-11-15T22:59:59Z")),
    };
    act(&town, "a", revoke).await.unwrap();
    let between = act(&town, "a", until("2026-12-01T22:59:59Z")).await;
    let recorded = at("2026-12-15T22:59:59Z");
    assert!(matches!(between, Err(Refused::NotLater { recorded: r, .. }) if r == recorded));
}

#[tokio::test]
async fn a_token_that_ended_is_not_said_to_be_renewed() {
    let mut town = town().await;
    mornings(&mut town, "2026-09-20T00:00:00Z").await;
    act(&town, "a", Verb::Revoke { at: None }).await.unwrap();
    let config = std::fs::read_to_string(town.file()).unwrap();
    town.reload(&config.replace("2026-12-15", "2028-06-15"))
        .await;
    assert_eq!(mornings(&mut town, "2026-09-25T00:00:00Z").await, [""; 0]);
    let back = act(&town, "a", Verb::Restore).await.unwrap();
    assert_eq!(back.after.expires, at("2028-06-15T21:59:59Z"));
}

#[tokio::test]
async fn a_declaration_that_is_moot_is_not_asked_about() {
    let mut town = town().await;
    let who = Who::Recipient("c@ville.example".to_owned());
    act_as(&town, who, "a", Verb::Declare { expires: None })
        .await
        .unwrap();
    act(&town, "a", until("2028-06-15T21:59:59Z"))
        .await
        .unwrap();
    assert_eq!(mornings(&mut town, "2026-09-20T00:00:00Z").await, [""; 0]);
}

#[tokio::test]
async fn a_wrong_date_is_corrected_and_nothing_is_sent_again() {
    let mut town = town().await;
    mornings(&mut town, "2026-09-20T00:00:00Z").await;
    let slip = act(&town, "a", until("2126-06-15T21:59:59Z"))
        .await
        .unwrap();
    assert!(slip.remarks.contains(&Remark::FarAhead));
    let right = Renewal::until(at("2028-06-15T21:59:59Z"), None);
    let done = act(&town, "a", Verb::Correct(right.clone())).await.unwrap();
    assert_eq!(done.after.expires, right.expires);
    let again = act(&town, "a", Verb::Correct(right)).await.unwrap();
    assert!(!again.changed());
    let token = town.store().token("a").await.unwrap().unwrap();
    assert_eq!(token.period_no, 2);
    let notes = mornings(&mut town, "2026-12-20T00:00:00Z").await;
    assert_eq!(notes.len(), 2, "{notes:?}");
    covered(&town).await;
}

#[tokio::test]
async fn what_an_event_made_due_is_not_overdue_at_once() {
    let mut town = town().await;
    town.now = at("2026-11-20T08:30:00Z");
    let back = config(&[
        ("a", "2026-12-15", &["c@ville.example", "t@editeur.example"]),
        ("b", "2026-12-01", &["c@ville.example"]),
    ]);
    town.pass().await;
    town.reload(&back).await;
    // Stage 15 of the new token has been due for days, but only for a moment since it is known.
    covered(&town).await;
    town.now += Duration::minutes(3);
    let calendar = &town.config().calendar;
    let open = town.store().uncovered(calendar, town.now).await.unwrap();
    assert!(open.iter().all(|u| u.token == "b") && !open.is_empty());
}

#[tokio::test]
async fn who_is_inherited_again_stays_and_is_told_as_before() {
    let both = |people: &[&str]| {
        config(&[
            ("a", "2026-12-15", &["x@ville.example"]),
            ("b", "2026-12-20", people),
        ])
    };
    let mut town = Town::start(&both(&["x@ville.example"]), at("2026-09-15T07:00:00Z")).await;
    let without = both(&[]);
    // Reminded of neither yet: what `b` owed them is suppressed when they leave it.
    town.now = at("2026-09-22T06:00:00Z");
    town.rig().tick(town.now).await.unwrap();
    town.reload(&without).await;
    let open = async |town: &Town| {
        let all = town.store().all_notices().await.unwrap();
        all.into_iter()
            .filter(|(id, n)| id == "b" && n.recipient == "x@ville.example")
            .map(|(_, n)| n.state)
            .collect::<Vec<_>>()
    };
    assert_eq!(open(&town).await, ["suppressed"]);
    act(&town, "a", Verb::Supersede { by: "b".to_owned() })
        .await
        .unwrap();
    assert_eq!(open(&town).await, [""; 0]);
    town.reload(&(without + "# once more\n")).await;
    let b = town.store().token("b").await.unwrap().unwrap();
    let told = town.store().people(&[b.no]).await.unwrap();
    assert!(told.iter().any(|p| p.address == "x@ville.example"));
}
