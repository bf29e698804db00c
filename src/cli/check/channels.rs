//! The channels in `check`: where each is; with `--online`, whether it answers. Nothing is posted.

use crate::cli::Exit;
use crate::cli::check::{Finding, Mark};
use crate::config::{Channel as Declared, ChannelKind, Config};
use crate::domain::language::{Text, text};
use crate::posts::channel::{Channel, DEADLINE};

/// What the file says of each.
pub(super) fn declared(config: &Config) -> Vec<Finding> {
    let told = |c: &Declared| Finding::well("channel", place(c));
    config.notify.iter().map(told).collect()
}

/// Whether each answers, all at once: one that hangs holds up no other.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut knocking = Vec::new();
    for declared in &config.notify {
        let declared = declared.clone();
        knocking.push(tokio::spawn(async move {
            let knocked = Channel::new(declared.clone(), DEADLINE).knock().await;
            (declared, knocked)
        }));
    }
    let mut findings = Vec::new();
    for knocked in knocking {
        let Ok((declared, knocked)) = knocked.await else {
            continue;
        };
        let place = place(&declared);
        findings.push(match knocked {
            Ok(said) => Finding::well("channel", text!("{{}}: {{}}", "{{}} : {{}}").with(&place).with(&said)),
            Err(why) => Finding {
                what: "channel",
                mark: Mark::Wrong(Exit::NotDelivered),
                said: text!("{{}}: {why}", "{{}} : {why}").with(&place),
                hint: Some(text!(
                    "mails leave all the same; mend the [[notify]] table, its secret or the other end",
                    "les courriels partent quand même ; corriger la table [[notify]], son secret ou l’autre bout"
                )),
                place: None,
            },
        });
    }
    findings
}

/// "#dsi (mattermost, chat.ville.example)". The rest of the address may be a key.
fn place(channel: &Declared) -> Text {
    let name = &channel.name;
    let hosts = channel.allowed_hosts.join(", ");
    let kind = match channel.kind {
        ChannelKind::Webhook { .. } => "webhook",
        ChannelKind::Matrix { .. } => "matrix",
        ChannelKind::Mattermost { .. } => "mattermost",
    };
    text!("#{name} ({kind}, {hosts})", "#{name} ({kind}, {hosts})")
}
