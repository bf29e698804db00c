//! `[[notify]]`: what is taken, and what is refused with its place and what to write instead.

use jetond::config::{Beacon, ChannelKind};
use jetond::domain::language::Lang;

use crate::config::{LEAST, Place};

fn refused(lines: &str) -> String {
    let place = Place::with(format!("{LEAST}[[notify]]\n{lines}\n"));
    let rejected = place.refused();
    let said = rejected.errors.iter().map(|e| {
        let (en, fr) = (e.plain(Lang::En), e.plain(Lang::Fr));
        assert_ne!(en, fr);
        format!("{en}\n{fr}")
    });
    let said: Vec<String> = said.collect();
    said.join("\n")
}

const HOOK: &str =
    "name = \"dsi\"\nkind = \"mattermost\"\nurl = \"https://chat.ville.example/hooks/s3cret\"\n";

#[test]
fn a_channel_needs_three_lines() {
    assert!(Place::with(LEAST).config().notify.is_empty());
    let config = Place::with(format!("{LEAST}[[notify]]\n{HOOK}")).config();
    let [channel] = &config.notify[..] else {
        panic!("one channel");
    };
    assert_eq!(channel.name, "dsi");
    assert_eq!((channel.from_stage, channel.alarms), (15, true));
    assert_eq!(channel.language, config.language);
    assert_eq!(channel.allowed_hosts, ["chat.ville.example"]);
    assert!(!channel.allow_private);
    let ChannelKind::Mattermost {
        url: Beacon::Url(_),
    } = &channel.kind
    else {
        panic!("{:?}", channel.kind);
    };
    assert!(!format!("{channel:?}").contains("s3cret"));
}

#[test]
fn the_effective_values_show_the_host_and_no_key() {
    let loaded = Place::with(format!("{LEAST}[[notify]]\n{HOOK}")).taken();
    let rows = loaded
        .effective
        .iter()
        .filter(|e| e.key.starts_with("notify."));
    let rows: Vec<String> = rows
        .map(|e| format!("{} = {}", e.key, e.value.as_deref().unwrap()))
        .collect();
    assert_eq!(
        rows,
        [
            "notify.dsi.name = \"dsi\"",
            "notify.dsi.kind = \"mattermost\"",
            "notify.dsi.url = \"https://chat.ville.example/…\"",
        ]
    );
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_write() {
    let hook = |url: &str| format!("name = \"a\"\nkind = \"webhook\"\nurl = \"{url}\"\n");
    let room = |room: &str| {
        format!(
            "name = \"a\"\nkind = \"matrix\"\nhomeserver = \"https://m.example\"\nroom = \"{room}\"\ntoken = {{ env = \"T\" }}\n"
        )
    };
    for (lines, said) in [
        (String::new(), "`name` is missing in [[notify]]"),
        ("name = \"a\"\n".to_owned(), "`kind` is missing in [[notify]]"),
        ("name = \"A b\"\nkind = \"webhook\"\n".to_owned(), "lower-case letters"),
        ("name = \"a\"\nkind = \"slack\"\n".to_owned(), "\"mattermost\", \"matrix\" or \"webhook\""),
        ("name = \"a\"\nkind = \"webhook\"\n".to_owned(), "`url` is missing"),
        (hook("http://chat.example/s3cret"), "https://"),
        (hook("chat.example/s3cret"), "write it whole"),
        (hook("https://u:s3cret@chat.example/"), "account in the address"),
        (hook("https://127.0.0.1/s3cret"), "allow_private = true"),
        (hook("https://[::ffff:10.0.0.1]/s3cret"), "a private address"),
        (hook("https://a.example/s3cret") + "allowed_hosts = [\"b.example\"]", "not among the allowed_hosts (b.example)"),
        (hook("https://a.example/s3cret") + "room = \"!s3cret\"", "`room` has no place with kind = \"webhook\""),
        (hook("https://a.example/s3cret") + "secret = \"s3cret\"", "a secret must not stand in this file"),
        (hook("https://a.example/s3cret") + "from_stage = 9999", "`from_stage` goes from 0 to 3650"),
        (hook("https://a.example/s3cret") + "alarms = \"yes\"", "true or false"),
        (hook("https://a.example/s3cret") + "toke = \"s3cret\"", "did you mean `token`?"),
        ("name = \"a\"\nkind = \"webhook\"\nurl = { env = \"U\" }\n".to_owned(), "allowed_hosts = [\"chat.ville.example\"]"),
        (room("#dsi:ville.example"), "internal id, which begins with !"),
        (room("!s p"), "internal id"),
        ("name = \"a\"\nkind = \"matrix\"\nhomeserver = \"https://m.example\"\nroom = \"!a\"\n".to_owned(), "`token` is missing"),
        ("name = \"a\"\nkind = \"matrix\"\nhomeserver = \"https://m.example\"\nroom = \"!a\"\ntoken = \"s3cret\"\n".to_owned(), "an access token must not stand"),
        (format!("{HOOK}[[notify]]\n{HOOK}"), "another channel \"dsi\""),
    ] {
        let found = refused(&lines);
        assert!(found.contains(said), "{lines}\n{found}");
        assert!(found.contains("config.toml:"), "{found}");
        assert!(!found.contains("s3cret"), "{found}");
    }
}

#[test]
fn a_table_that_is_none_is_refused_by_its_name() {
    let rejected = Place::with(format!("{LEAST}[notify]\nname = \"a\"\n")).refused();
    let said = rejected.errors[0].plain(Lang::En);
    assert!(
        said.contains("each channel is a table: write [[notify]]"),
        "{said}"
    );
}
