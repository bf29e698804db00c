//! `simulate`: every mail that will leave, in advance.

use std::io::IsTerminal as _;

use chrono::{DateTime, NaiveDate, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::app;
use crate::cli::output::Out;
use crate::cli::when::{self, Bare};
use crate::cli::{Context, Exit, Failure};
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::renewal::reconcile::{Brake, reconcile};
use crate::simulate::{Announced, run as simulate};
use crate::store::Store;
use crate::words::count;

/// The kind of the weekly report.
const REPORT: &str = "note_report";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// From this date on; before today: as if the daemon had run with this file since
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Up to this date, inclusive [default: 18 months after the beginning]
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    #[command(flatten)]
    at: super::At,
}

/// What a run of the command covers.
struct Span {
    start: DateTime<Utc>,
    /// Mails before it are not shown.
    shown_from: DateTime<Utc>,
    end: DateTime<Utc>,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let calendar = &config.calendar;
    let now = args.at.now(calendar)?;
    let from = args
        .from
        .as_deref()
        .map(|w| when::instant(w, calendar, Bare::StartOfDay))
        .transpose()?;
    let to = args
        .to
        .as_deref()
        .map(|w| when::instant(w, calendar, Bare::EndOfDay))
        .transpose()?;

    let past = from.filter(|from| calendar.date(*from) < calendar.date(now));
    let (store, start) = match past {
        Some(from) => {
            let store = Store::in_memory().await?;
            reconcile(&store, app::declaration(&config), Brake::Archive, from).await?;
            (store, from)
        }
        None => (app::copy(&config, now).await?, now),
    };
    let span = Span {
        start,
        shown_from: from.unwrap_or(start),
        end: to
            .unwrap_or_else(|| calendar.add_months(from.unwrap_or(start), config.validity_months)),
    };
    if span.end < span.start {
        return Err(Failure::usage(text!(
            "--to lies before the beginning",
            "--to précède le début"
        )));
    }
    let count = if context.out.json {
        print_json(&config, store, &span, context).await?
    } else {
        print_words(&config, store, &span, context).await?
    };
    let (start, end) = (
        when::day(span.shown_from, calendar),
        when::day(span.end, calendar),
    );
    let Text { en, fr } = count::mails(count);
    context.out.note(&text!(
        "{en} from {start} to {end}",
        "{fr} du {start} au {end}"
    ));
    Ok(Exit::Done)
}

async fn print_json(
    config: &Config,
    store: Store,
    span: &Span,
    context: &mut Context,
) -> Result<usize, Failure> {
    context.out.open_data("simulate")?;
    let (mut count, mut failed) = (0, None);
    play(config, store, span, |mail| {
        if failed.is_none() {
            failed = context
                .out
                .row(count == 0, &row(&mail, &config.calendar))
                .err();
        }
        count += 1;
    })
    .await?;
    if let Some(e) = failed {
        return Err(e.into());
    }
    context.out.close_data()?;
    Ok(count)
}

/// A mail is a line with when and to whom, then its subject and its tokens, indented; a blank
/// line stands between days. Reports that follow each other and say the same are told once.
async fn print_words(
    config: &Config,
    store: Store,
    span: &Span,
    context: &mut Context,
) -> Result<usize, Failure> {
    let mut page = Page::default();
    let (mut count, mut failed) = (0, None);
    play(config, store, span, |mail| {
        if failed.is_none() {
            failed = page.take(mail, &config.calendar, &mut context.out).err();
        }
        count += 1;
    })
    .await?;
    if failed.is_none() {
        failed = page.end(&config.calendar, &mut context.out).err();
    }
    match failed {
        Some(e) => Err(e.into()),
        None => Ok(count),
    }
}

/// What is printed, and the reports that may still turn out to be repeated.
#[derive(Default)]
struct Page {
    day: Option<NaiveDate>,
    reports: Vec<Repeated>,
}

/// A report, how often it follows, and when it does so for the last time.
struct Repeated {
    mail: Announced,
    more: usize,
    last: DateTime<Utc>,
}

impl Page {
    fn take(&mut self, mail: Announced, calendar: &Calendar, out: &mut Out) -> std::io::Result<()> {
        if mail.kind != REPORT {
            self.end(calendar, out)?;
            return self.print(&mail, None, calendar, out);
        }
        let same = |r: &&mut Repeated| r.mail.recipient == mail.recipient;
        match self.reports.iter_mut().find(same) {
            Some(r) if r.mail.subject == mail.subject => {
                r.more += 1;
                r.last = mail.at;
                return Ok(());
            }
            Some(_) => self.end(calendar, out)?,
            None => {}
        }
        let last = mail.at;
        self.reports.push(Repeated {
            mail,
            more: 0,
            last,
        });
        Ok(())
    }

    /// Nothing follows on the reports that are kept back.
    fn end(&mut self, calendar: &Calendar, out: &mut Out) -> std::io::Result<()> {
        for r in std::mem::take(&mut self.reports) {
            let until = when::day(r.last, calendar);
            let times = r.more;
            let more = match times {
                0 => None,
                _ => Some(text!(
                    "and each week until {until}: {times} more",
                    "puis chaque semaine jusqu’au {until} : {times} de plus"
                )),
            };
            self.print(&r.mail, more, calendar, out)?;
        }
        Ok(())
    }

    fn print(
        &mut self,
        mail: &Announced,
        more: Option<Text>,
        calendar: &Calendar,
        out: &mut Out,
    ) -> std::io::Result<()> {
        let date = calendar.date(mail.at);
        if self.day.replace(date).is_some_and(|before| before != date) {
            out.line("")?;
        }
        let at = when::minute(mail.at, calendar);
        out.line(&format!("{at}  {}", mail.recipient))?;
        out.indented(4, &mail.subject)?;
        let tokens: Vec<String> = mail
            .notices
            .iter()
            .map(|n| format!("{} ({})", n.token, n.stage))
            .collect();
        if !tokens.is_empty() {
            out.indented(4, &tokens.join(", "))?;
        }
        match more {
            Some(more) => {
                let more = out.pick(&more).to_owned();
                out.indented(4, &more)
            }
            None => Ok(()),
        }
    }
}

async fn play(
    config: &Config,
    store: Store,
    span: &Span,
    mut each: impl FnMut(Announced),
) -> Result<(), Failure> {
    let clerk = app::clerk(config, store);
    let progress = progress(span);
    simulate(
        &clerk,
        &app::planner(config),
        app::reporter(config).as_ref(),
        span.start,
        span.end,
        |now, mails| {
            let done = (now - span.start).num_days().max(0);
            progress.set_position(done.unsigned_abs());
            for mail in mails {
                if mail.at >= span.shown_from {
                    each(mail);
                }
            }
        },
    )
    .await?;
    progress.finish_and_clear();
    Ok(())
}

/// Progress in days, on a terminal only, and not where the mails themselves show it.
fn progress(span: &Span) -> ProgressBar {
    let days = (span.end - span.start).num_days().max(1).unsigned_abs();
    let bar = ProgressBar::new(days);
    if !std::io::stderr().is_terminal() || std::io::stdout().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}

fn row(mail: &Announced, calendar: &Calendar) -> Value {
    let notices: Vec<Value> = mail
        .notices
        .iter()
        .map(|n| {
            json!({
                "token": n.token,
                "stage": n.stage,
                "days_left": n.days_left,
                "expires": when::rfc3339(n.expires, calendar),
            })
        })
        .collect();
    json!({
        "at": when::rfc3339(mail.at, calendar),
        "kind": mail.kind,
        "recipient": mail.recipient,
        "subject": mail.subject,
        "notices": notices,
    })
}
