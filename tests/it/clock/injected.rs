//! The gate of the daemon, with a machine whose two clocks the test sets.

use chrono::{DateTime, Duration, Utc};
use jetond::app::gate::Gate;
use jetond::domain::timekeeping::{Hold, Reading};
use mail_parser::MessageParser;

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Script, SmtpServer};

/// A Friday, 11:00 in Paris; nothing is due.
const BEGIN: &str = "2026-11-20T10:00:00Z";
/// Stage 90 comes on 30 November, stage 60 on 30 December.
const EXPIRES: &str = "2027-02-28";

/// A machine: the true time is the town's; its wall clock differs by `wrong`.
struct Machine {
    town: Town,
    server: SmtpServer,
    gate: Gate,
    booted: DateTime<Utc>,
    wrong: Duration,
}

impl Machine {
    async fn start() -> Self {
        let server = SmtpServer::start(Script::new());
        let config = head(server.port()) + &token("marches", EXPIRES, &["a@ville.example"]);
        let town = Town::start(&config, at(BEGIN)).await;
        let booted = at(BEGIN) - Duration::hours(3);
        let reading = Reading {
            wall: at(BEGIN),
            boot: at(BEGIN) - booted,
        };
        let (gate, _) = Gate::open(town.store().clone(), reading).await.unwrap();
        let machine = Self {
            town,
            server,
            gate,
            booted,
            wrong: Duration::zero(),
        };
        assert_eq!(machine.pass().await, None);
        machine
    }

    fn reading(&self) -> Reading {
        Reading {
            wall: self.town.now + self.wrong,
            boot: self.town.now - self.booted,
        }
    }

    /// What the daemon does: a tick, then deliveries until nothing more leaves.
    async fn pass(&self) -> Option<&'static str> {
        let passed = self.gate.tick(self.town.rig(), self.reading()).await;
        passed.done.unwrap();
        loop {
            let step = self.gate.deliver(self.town.rig(), self.reading()).await;
            if step.done.unwrap().claimed == 0 {
                return step.hold.map(Hold::word);
            }
        }
    }

    /// A pass after some minutes of true time.
    async fn after(&mut self, minutes: i64) -> Option<&'static str> {
        self.town.now += Duration::minutes(minutes);
        self.pass().await
    }

    /// A pass in each minute up to an instant of true time; the holds, without repetitions.
    async fn until(&mut self, instant: &str) -> Vec<&'static str> {
        let mut holds = Vec::new();
        while self.town.now < at(instant) {
            holds.push(self.after(1).await.unwrap_or("trusted"));
            holds.dedup();
        }
        holds
    }

    /// The process ends and another one starts; the machine too, when `boots`.
    async fn start_again(&mut self) {
        self.town.start_again().await;
        let store = self.town.store().clone();
        self.gate = Gate::open(store, self.reading()).await.unwrap().0;
    }

    /// What arrived: the kind and the `Date` of each mail.
    async fn arrived(&self) -> Vec<(String, DateTime<Utc>)> {
        let mails = self.town.mails().await;
        self.server
            .accepted()
            .iter()
            .map(|a| {
                let parsed = MessageParser::default().parse(&a.bytes).unwrap();
                let id = parsed.message_id().unwrap();
                let row = mails.iter().find(|m| m.message_id == id).unwrap();
                let date = parsed.date().unwrap().to_timestamp();
                (row.kind.clone(), DateTime::from_timestamp(date, 0).unwrap())
            })
            .collect()
    }

    async fn kinds(&self) -> Vec<String> {
        self.arrived().await.into_iter().map(|(k, _)| k).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_days_ahead_nothing_leaves_and_after_it_all_is_as_if_nothing_had_been() {
    let mut machine = Machine::start().await;
    machine.wrong = Duration::days(40);
    assert_eq!(machine.after(1).await, Some("ahead"));
    assert_eq!(machine.after(9).await, Some("ahead"));
    assert!(machine.town.mails().await.is_empty(), "nothing is planned");
    machine.wrong = Duration::zero();
    assert_eq!(machine.after(1).await, None);
    machine.town.now = at("2026-11-30T07:55:00Z");
    assert_eq!(machine.until("2026-11-30T08:05:00Z").await, ["trusted"]);
    assert_eq!(
        machine.arrived().await,
        [("reminder".into(), at("2026-11-30T08:00:00Z"))]
    );
    assert_eq!(machine.town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hours_ahead_and_steady_is_believed_and_told() {
    let mut machine = Machine::start().await;
    machine.wrong = Duration::hours(2);
    let holds = machine.until("2026-11-20T10:15:00Z").await;
    assert_eq!(holds, ["ahead"]);
    assert!(machine.kinds().await.is_empty());
    // It was first seen a minute after the beginning.
    assert_eq!(machine.after(1).await, None);
    assert_eq!(machine.kinds().await, ["note_clock"]);
    machine.until("2026-11-20T11:00:00Z").await;
    assert_eq!(machine.kinds().await.len(), 1, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_either_way_sends_nothing_wrong() {
    for wrong in [-1, 1] {
        let mut machine = Machine::start().await;
        machine.town.now = at("2026-11-30T06:30:00Z");
        machine.pass().await;
        machine.wrong = Duration::hours(wrong);
        machine.until("2026-11-30T06:40:00Z").await;
        machine.wrong = Duration::zero();
        machine.until("2026-11-30T09:00:00Z").await;
        let mut reminders = machine.arrived().await;
        reminders.retain(|(kind, _)| kind == "reminder");
        assert_eq!(
            reminders,
            [("reminder".into(), at("2026-11-30T08:00:00Z"))],
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_between_a_tick_and_its_delivery_is_seen_there() {
    for (wrong, hold) in [(40, "ahead"), (-400, "behind")] {
        let mut machine = Machine::start().await;
        machine.town.now = at("2026-11-30T08:00:00Z");
        let rig = machine.town.rig();
        machine
            .gate
            .tick(rig, machine.reading())
            .await
            .done
            .unwrap();
        assert_eq!(machine.town.mails().await.len(), 1);
        machine.wrong = Duration::days(wrong);
        let step = machine.gate.deliver(rig, machine.reading()).await;
        assert_eq!(step.hold.map(Hold::word), Some(hold));
        assert_eq!(step.done.unwrap().claimed, 0);
        machine.wrong = Duration::zero();
        machine.after(1).await;
        assert_eq!(machine.kinds().await, ["reminder"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_days_behind_the_contact_is_told_and_nobody_else_hears() {
    let mut machine = Machine::start().await;
    machine.wrong = Duration::days(-400);
    assert_eq!(machine.until("2026-11-20T10:15:00Z").await, ["behind"]);
    assert!(machine.kinds().await.is_empty());
    // Over the slot of a stage, in the window, for ten days.
    machine.until("2026-11-20T10:20:00Z").await;
    machine.town.now = at("2026-11-30T08:10:00Z");
    assert_eq!(machine.until("2026-11-30T08:20:00Z").await, ["behind"]);
    let arrived = machine.arrived().await;
    assert_eq!(arrived.len(), 1);
    let (kind, date) = &arrived[0];
    assert_eq!(kind, "note_clock");
    assert_eq!(
        *date,
        at("2026-11-20T10:16:00Z"),
        "dated by the time that is known"
    );
    machine.wrong = Duration::zero();
    assert_eq!(machine.until("2026-11-30T08:25:00Z").await, ["trusted"]);
    assert_eq!(machine.kinds().await, ["note_clock", "reminder"]);
    assert_eq!(machine.town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_1970_plans_nothing_until_the_clock_is_set() {
    let mut machine = Machine::start().await;
    machine.town.now = at("2026-12-05T10:00:00Z");
    machine.wrong = at("1970-01-01T00:00:30Z") - machine.town.now;
    // The machine was off: its own clock begins anew as well.
    machine.booted = machine.town.now - Duration::seconds(30);
    machine.start_again().await;
    assert_eq!(machine.pass().await, Some("behind"));
    assert_eq!(machine.after(1).await, Some("behind"));
    assert!(machine.town.mails().await.is_empty());
    machine.wrong = Duration::zero();
    assert_eq!(machine.after(1).await, None);
    assert_eq!(machine.kinds().await, ["reminder"], "one catch-up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ahead_is_not_carried_over_a_start() {
    let mut machine = Machine::start().await;
    machine.wrong = Duration::days(40);
    assert_eq!(machine.after(1).await, Some("ahead"));
    let store = machine.town.store().clone();
    assert!(store.clock_record().await.unwrap().ahead.is_some());
    machine.start_again().await;
    assert_eq!(
        machine.town.store().clock_record().await.unwrap().ahead,
        None
    );
    // No one can know how long it was off.
    assert_eq!(machine.pass().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_believes_a_clock_that_is_ahead() {
    let mut machine = Machine::start().await;
    machine.wrong = Duration::days(40);
    assert_eq!(machine.after(1).await, Some("ahead"));
    let store = machine.town.store().clone();
    let released = store
        .release("user:camille", machine.town.now)
        .await
        .unwrap();
    assert_eq!(released.clock.map(Hold::word), Some("ahead"));
    assert_eq!(machine.after(1).await, None);
    assert_eq!(machine.kinds().await, ["reminder"]);
    let history = store.history(None, 100).await.unwrap();
    let entry = history.iter().find(|e| e.what == "clock_believed").unwrap();
    assert_eq!(
        (entry.who.as_str(), &entry.detail["was"]),
        ("user:camille", &"ahead".into())
    );
    // That answer was for this jump only.
    machine.wrong = Duration::days(80);
    assert_eq!(machine.after(1).await, Some("ahead"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_believes_a_clock_that_is_behind() {
    let mut machine = Machine::start().await;
    machine.wrong = Duration::days(-10);
    assert_eq!(machine.after(1).await, Some("behind"));
    let store = machine.town.store().clone();
    let wall = machine.reading().wall;
    // Without `--clock` it is not what was asked.
    let released = store.release("user:camille", wall).await.unwrap();
    assert_eq!(
        (released.clock, machine.after(1).await),
        (None, Some("behind"))
    );
    let calendar = &machine.town.config().calendar;
    let released = jetond::renewal::clock::believe(&store, calendar, "user:camille", wall)
        .await
        .unwrap();
    assert_eq!(released.clock.map(Hold::word), Some("behind"));
    assert_eq!(machine.after(1).await, None);
    // A later fall is held against that.
    machine.wrong = Duration::days(-20);
    assert_eq!(machine.after(1).await, Some("behind"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_slept_is_not_ahead() {
    let mut machine = Machine::start().await;
    machine.town.now = at("2026-12-05T10:00:00Z");
    assert_eq!(machine.pass().await, None);
    assert_eq!(machine.kinds().await, ["reminder"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_gap_no_delivery_comes_before_a_pass() {
    let mut machine = Machine::start().await;
    machine.town.now = at("2026-11-30T08:00:00Z");
    let rig = machine.town.rig();
    machine
        .gate
        .tick(rig, machine.reading())
        .await
        .done
        .unwrap();
    // The daemon is off for a week with that mail in its outbox.
    machine.town.now = at("2026-12-07T08:00:00Z");
    machine.start_again().await;
    let rig = machine.town.rig();
    let first = machine.gate.deliver(rig, machine.reading()).await;
    assert_eq!(first.done.unwrap().claimed, 0);
    machine
        .gate
        .tick(rig, machine.reading())
        .await
        .done
        .unwrap();
    let then = machine.gate.deliver(rig, machine.reading()).await;
    assert_eq!(then.done.unwrap().sent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn seconds_back_are_no_alarm() {
    let mut machine = Machine::start().await;
    machine.town.now = at("2026-11-30T08:00:00Z");
    assert_eq!(machine.pass().await, None);
    machine.wrong = Duration::seconds(-40);
    assert_eq!(machine.pass().await, None);
    assert_eq!(machine.kinds().await, ["reminder"], "and nothing twice");
    let mark = machine.town.store().clock_record().await.unwrap().mark;
    assert_eq!(mark, Some(machine.town.now));
}
