//! Messages in the signs of each kind of channel. Names are data: they make no markup, no
//! mention of anybody, and no control character.

use serde_json::{Value, json};

use crate::config::{Channel, ChannelKind};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, is_hazardous};
use crate::posts::message::{Entry, Message, Post, Says, Setting};

/// Tokens that a webhook is told one by one; the rest is counted.
const MOST_TOKENS: usize = 200;

/// The body of a post, as its channel takes it.
pub(super) fn body(channel: &Channel, post: &Post, setting: Setting<'_>) -> Value {
    let calendar = setting.calendar;
    let message = Message::of(post, channel.language, calendar);
    match &channel.kind {
        ChannelKind::Webhook { .. } => webhook(post, calendar),
        ChannelKind::Matrix { .. } => json!({
            "msgtype": "m.text",
            "body": clean(&message.plain()),
            "format": "org.matrix.custom.html",
            "formatted_body": html(&message),
            // Nobody is mentioned, whatever the names hold.
            "m.mentions": {},
        }),
        ChannelKind::Mattermost { .. } => json!({ "text": markdown(&message) }),
    }
}

/// What a webhook gets (`docs/notify.md`). Keys are only ever added.
fn webhook(post: &Post, calendar: &Calendar) -> Value {
    let moment = |at: chrono::DateTime<chrono::Utc>| {
        at.with_timezone(&calendar.tz)
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, false)
    };
    let token = |e: &Entry| {
        json!({
            "token": e.id, "name": e.name, "client": e.client, "stage": e.stage,
            "days_left": e.days_left, "expires": moment(e.expires), "link": e.link, "page": e.page,
        })
    };
    let (kind, entries, alarm) = match &post.says {
        Says::Stages(entries) => ("stages", entries.as_slice(), None),
        Says::Alarm { word, .. } => ("alarm", &[][..], Some(word)),
        Says::Test => ("test", &[][..], None),
    };
    let told = |lang| clean(&Message::of(post, lang, calendar).plain());
    json!({
        "schema": "jetond.notify/1",
        "id": post.id,
        "at": moment(post.at),
        "kind": kind,
        "alarm": alarm,
        "tokens": entries.iter().take(MOST_TOKENS).map(token).collect::<Vec<_>>(),
        "more": entries.len().saturating_sub(MOST_TOKENS),
        "text": { "en": told(Lang::En), "fr": told(Lang::Fr) },
    })
}

/// Without controls; line ends stay.
fn clean(said: &str) -> String {
    said.chars()
        .filter(|c| *c == '\n' || !is_hazardous(*c))
        .collect()
}

fn html(message: &Message) -> String {
    let mut html = format!("<p><strong>{}</strong></p>", escaped(&message.title));
    if !message.items.is_empty() {
        html.push_str("<ul>");
        for item in &message.items {
            let name = escaped(&item.name);
            let name = match &item.link {
                Some(link) => format!("<a href=\"{}\">{name}</a>", escaped(link)),
                None => name,
            };
            html.push_str(&format!(
                "<li>{name}{}{}</li>",
                message.colon,
                escaped(&item.fact)
            ));
        }
        html.push_str("</ul>");
    }
    for paragraph in &message.below {
        html.push_str(&format!("<p>{}</p>", escaped(paragraph)));
    }
    html
}

fn escaped(said: &str) -> String {
    let mut html = String::with_capacity(said.len());
    for c in clean(said).chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

fn markdown(message: &Message) -> String {
    let mut lines = vec![format!("**{}**", marked(&message.title))];
    for item in &message.items {
        let name = marked(&item.name);
        let name = match &item.link {
            // Its signs are those of an address; only these two would end it.
            Some(link) => format!("[{name}]({})", link.replace('(', "%28").replace(')', "%29")),
            None => name,
        };
        lines.push(format!("- {name}{}{}", message.colon, marked(&item.fact)));
    }
    if !message.items.is_empty() {
        lines.push(String::new());
    }
    lines.extend(message.below.iter().map(|p| marked(p)));
    lines.join("\n")
}

/// Text that Markdown shows as it is, and that calls nobody.
fn marked(said: &str) -> String {
    let mut marked = String::with_capacity(said.len());
    for c in said.chars() {
        match c {
            '\n' => marked.push(' '),
            c if is_hazardous(c) => {}
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '+' | '!' | '|'
            | '~' | '&' => {
                marked.push('\\');
                marked.push(c);
            }
            // A word joiner, which is not seen: "@all" calls everybody.
            '@' => marked.push_str("@\u{2060}"),
            // … and ":tada:" is a picture.
            ':' => marked.push_str(":\u{2060}"),
            c => marked.push(c),
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posts::message::Item;

    #[test]
    fn a_name_full_of_markup_is_a_name() {
        let message = Message {
            colon: ": ",
            title: "<b>@all</b> *x* [y](z) & \"q\"".to_owned(),
            items: vec![Item {
                name: "@channel `code` </a>\u{202e}\n# h".to_owned(),
                fact: "expire :tada:".to_owned(),
                link: Some("https://a.example/x_(1)?a=1&b=\"2\"".to_owned()),
            }],
            below: Vec::new(),
        };
        assert_eq!(
            html(&message),
            "<p><strong>&lt;b&gt;@all&lt;/b&gt; *x* [y](z) &amp; &quot;q&quot;</strong></p>\
             <ul><li><a href=\"https://a.example/x_(1)?a=1&amp;b=&quot;2&quot;\">@channel `code` &lt;/a&gt;\n# h</a>: expire :tada:</li></ul>"
        );
        assert_eq!(
            markdown(&message),
            "**\\<b\\>@\u{2060}all\\</b\\> \\*x\\* \\[y\\](z) \\& \"q\"**\n\
             - [@\u{2060}channel \\`code\\` \\</a\\> \\# h](https://a.example/x_%281%29?a=1&b=\"2\"): expire :\u{2060}tada:\u{2060}\n"
        );
    }
}
