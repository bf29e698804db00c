//! Section 1: a page for the program and one for each command, from clap's definitions.

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold};

use crate::cli::man::page::{Page, entry, head, paragraph, part, see_also, tidy};
use crate::cli::{Cli, Exit};
use crate::domain::language::Lang;

const MANUAL: &str = "jetond";

const WHAT_IT_IS: &str = "`jetond` watches over API Entreprise tokens. It knows each token's issue date, \
    sets its expiry at 18 months, and mails the right people 90, 60, 30, 15, 7 and 1 days before it, on the day and after \
    it, each mail with the Data Pass renewal link, until the token is renewed.";

const HOW: &str = "Tokens are declared in a file, see `jetond.toml`(5). `jetond run` is the daemon; the other commands \
    look at what it does, and may run at any time. What is on record is in one SQLite file. Installed as a package, the \
    daemon is the service `jetond.service`; run the other commands as its user, `sudo -u jetond jetond status`.";

const FILES: [(&str, &str); 4] = [
    (
        "config.toml",
        "in the current directory: the config, when `-c` names none",
    ),
    (
        "/etc/jetond/config.toml",
        "the config, when there is none in the current directory",
    ),
    (
        "/etc/jetond/conf.d/*.toml",
        "more tokens, groups and clients; always looked for beside the config",
    ),
    (
        "/var/lib/jetond/jetond.db",
        "the record of the packaged service",
    ),
];

const ENVIRONMENT: [(&str, &str); 5] = [
    (
        "CREDENTIALS_DIRECTORY",
        "where systemd puts the credentials that the config names",
    ),
    (
        "LC_ALL, LC_MESSAGES, LANG",
        "the language of human words, French or English, unless `--lang` or, failing these, the config says",
    ),
    ("NO_COLOR", "set to anything: no colours"),
    ("COLUMNS", "the width of tables and texts"),
    ("RUST_LOG", "what `jetond run` logs, as `jetond=debug`"),
];

const SIGNALS: [(&str, &str); 2] = [
    ("HUP", "read the config again; a bad file changes nothing"),
    (
        "TERM, INT",
        "end: no new mail is taken up, replies are waited for, 15 seconds at most",
    ),
];

const EXAMPLES: [(&str, &str); 5] = [
    (
        "jetond check",
        "what is wrong with the config, the record and the mail server, and how to mend it",
    ),
    (
        "jetond simulate --to 2027-12-31",
        "every mail that will leave until then",
    ),
    (
        "jetond preview marches-publics --stage 30 --format html > mail.html",
        "one mail as it will be",
    ),
    ("jetond list --json", "the tokens, for programs"),
    ("jetond run --once", "one pass, for cron and timers"),
];

/// One page for each command that is not hidden.
pub(super) fn pages(date: &str) -> Vec<Page> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    add(&root, None, date, &mut pages);
    pages
}

fn add(command: &Command, above: Option<&str>, date: &str, pages: &mut Vec<Page>) {
    let name = name(command);
    pages.push(Page {
        text: text(command, above, date),
        name: name.clone(),
        section: 1,
        lang: Lang::En,
    });
    for below in shown(command) {
        add(below, Some(&name), date, pages);
    }
}

/// The commands below this one that people are told about.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|c| !c.is_hide_set())
}

fn name(command: &Command) -> String {
    let shown = command.get_display_name();
    shown.unwrap_or_else(|| command.get_name()).to_owned()
}

fn text(command: &Command, above: Option<&str>, date: &str) -> String {
    let name = name(command);
    let man = Man::new(command.clone());
    let mut parts = vec![
        of_ours(|roff| head(roff, &name, "1", date, MANUAL)),
        drawn(|w| man.render_name_section(w)),
        drawn(|w| man.render_synopsis_section(w)),
    ];
    match above {
        None => parts.push(of_ours(|roff| {
            part(roff, "DESCRIPTION");
            paragraph(roff, WHAT_IT_IS);
            paragraph(roff, HOW);
        })),
        Some(_) => parts.push(drawn(|w| man.render_description_section(w))),
    }
    parts.push(drawn(|w| man.render_options_section(w)));
    if shown(command).next().is_some() {
        parts.push(drawn(|w| man.render_subcommands_section(w)));
    }
    match above {
        None => parts.push(of_ours(closing_of_the_program)),
        Some(_) => parts.push(of_ours(|roff| {
            part(roff, "EXIT STATUS");
            paragraph(roff, "As told in `jetond`(1).");
        })),
    }
    let mut others: Vec<(String, u8)> = above.into_iter().map(|n| (n.to_owned(), 1)).collect();
    others.extend(shown(command).map(|c| (self::name(c), 1)));
    others.push(("jetond.toml".to_owned(), 5));
    parts.push(of_ours(|roff| see_also(roff, "SEE ALSO", &others)));
    tidy(&parts.concat())
}

fn of_ours(write: impl FnOnce(&mut Roff)) -> String {
    let mut roff = Roff::new();
    write(&mut roff);
    roff.render()
}

fn closing_of_the_program(roff: &mut Roff) {
    part(roff, "FILES");
    table(roff, &FILES);
    part(roff, "ENVIRONMENT");
    table(roff, &ENVIRONMENT);
    part(roff, "SIGNALS");
    paragraph(roff, "To `jetond run`:");
    table(roff, &SIGNALS);
    part(roff, "EXIT STATUS");
    for exit in Exit::ALL {
        entry(roff, vec![bold(exit.code().to_string())], exit.meaning());
    }
    part(roff, "EXAMPLES");
    for (example, what) in EXAMPLES {
        entry(roff, vec![bold(example)], what);
    }
}

fn table(roff: &mut Roff, rows: &[(&str, &str)]) {
    for (term, what) in rows {
        entry(roff, vec![bold(*term)], what);
    }
}

/// A part drawn by clap's own writer of pages.
fn drawn(draw: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    draw(&mut bytes).expect("a Vec takes everything");
    String::from_utf8(bytes).expect("roff of text is text")
}
