//! What a verb changed, in words and as JSON: the token before and after, and which reminders
//! leave or no longer leave because of it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::verb::Event;
use crate::cli::{Context, Failure, when};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::renewal::verbs::words;
use crate::renewal::verbs::{Done, Planned, Remark, Standing};
use crate::store::quiet::Said;

/// The row of a verb's document.
pub(in crate::cli) fn row(done: &Done, calendar: &Calendar, dry_run: bool) -> Value {
    let planned = |list: &[Planned]| list.iter().map(|p| plan(p, calendar)).collect::<Vec<_>>();
    json!({
        "id": done.token,
        "dry_run": dry_run,
        "changed": done.changed(),
        "before": standing(&done.before, calendar),
        "after": standing(&done.after, calendar),
        "no_longer": planned(&done.no_longer),
        "from_now": planned(&done.from_now),
        "next": done.coming.first().map(|p| plan(p, calendar)),
        "remarks": done.remarks.iter().map(remark).collect::<Vec<_>>(),
    })
}

fn plan(p: &Planned, calendar: &Calendar) -> Value {
    json!({
        "at": when::rfc3339(p.at, calendar), "stage": p.stage, "recipient": p.recipient, "period": p.period,
    })
}

fn standing(s: &Standing, calendar: &Calendar) -> Value {
    let at = |at: DateTime<Utc>| when::rfc3339(at, calendar);
    json!({
        "state": s.state.word(), "issued": s.issued.map(at), "expires": at(s.expires),
        "revoked_at_end": s.ends_revoked, "jti": s.jti, "superseded_by": s.superseded_by,
        "said": s.said.iter().map(|s| said(s, calendar)).collect::<Vec<_>>(),
    })
}

/// What silences the early stages, for programs.
pub(in crate::cli) fn said(s: &Said, calendar: &Calendar) -> Value {
    let at = |at: DateTime<Utc>| when::rfc3339(at, calendar);
    json!({
        "kind": s.kind.word(), "at": at(s.at), "by": s.who, "filed_at": s.filed_at.map(at),
        "filed_by": s.filed_by, "reference": s.reference, "expires": s.expires.map(at),
        "until": s.until.map(at),
    })
}

fn remark(remark: &Remark) -> Value {
    match remark {
        Remark::AlreadyExpired => json!({"kind": "already_expired"}),
        Remark::FarAhead => json!({"kind": "far_ahead"}),
        Remark::RevocationTakenBack => json!({"kind": "revocation_taken_back"}),
        Remark::EndsEarlier => json!({"kind": "ends_earlier"}),
        Remark::LastWordsGoOn => json!({"kind": "last_words_go_on"}),
        Remark::ScopesLost(scopes) => json!({"kind": "scopes_lost", "scopes": scopes}),
        Remark::ScopesGained(scopes) => json!({"kind": "scopes_gained", "scopes": scopes}),
        Remark::Inherited(people) => json!({"kind": "inherited", "recipients": people}),
        Remark::ClosingNotes(n) => json!({"kind": "closing_notes", "count": n}),
        Remark::ToBeConfirmed => json!({"kind": "to_be_confirmed"}),
    }
}

/// Tells people; what they should look at goes to stderr.
pub(in crate::cli) fn print(
    done: &Done,
    event: &Event<'_>,
    calendar: &Calendar,
    context: &mut Context,
) -> Result<(), Failure> {
    let id = &done.token;
    let id = if event.dry_run {
        text!("{id} (dry run)", "{id} (essai à blanc)")
    } else {
        text!("{id}", "{id}")
    };
    let what = words::done(done, &event.verb, calendar);
    context
        .out
        .say(&text!("{{}}: {{}}", "{{}} : {{}}").with(&id).with(&what))?;
    if done.changed() {
        let no_longer = words::no_longer(&done.no_longer, calendar);
        for line in no_longer.into_iter().chain(words::from_now(&done.from_now)) {
            context.out.say(&line)?;
        }
    }
    context.out.say(&words::next(&done.coming, calendar))?;
    for remark in &done.remarks {
        let said = words_of(remark);
        if words::is_warning(remark) {
            context
                .out
                .note(&text!("warning: {{}}", "attention : {{}}").with(&said));
        } else {
            context.out.say(&said)?;
        }
    }
    Ok(())
}

/// A remark, with the option that mends what it is about.
fn words_of(remark: &Remark) -> Text {
    let said = words::remark(remark);
    match remark {
        Remark::FarAhead => text!(
            "{{}} `--correct` puts a wrong one right",
            "{{}} `--correct` rectifie une date erronée"
        )
        .with(&said),
        Remark::AlreadyExpired
        | Remark::RevocationTakenBack
        | Remark::EndsEarlier
        | Remark::LastWordsGoOn
        | Remark::ScopesLost(_)
        | Remark::ScopesGained(_)
        | Remark::Inherited(_)
        | Remark::ClosingNotes(_)
        | Remark::ToBeConfirmed => said,
    }
}
