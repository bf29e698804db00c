//! What of a reminder's variables is data, and what chooses the words around it.
//!
//! Two reminders of one [`Shape`] have the same words in the built-in templates, in the same
//! order, around other data: it holds all on which they branch and over which they iterate, each
//! property of a value that they look at included. A template that is made to look at more has
//! its shape widened here; a test that compares every mail with the engine's own tells.

use std::borrow::Cow;

use crate::delivery::compose::facts::Fact;
use crate::delivery::compose::view::{ReminderView, TokenView};

/// More tokens than this are no shape that comes again.
const TOKENS: usize = 24;

/// All that chooses words in the built-in templates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    lang: &'static str,
    mine: &'static str,
    urgency: &'static str,
    flags: u16,
    facts: u16,
    used_by: u8,
    rows: Vec<u16>,
}

/// The shape of a reminder; `None`: there are too many tokens for mails of this shape to come
/// again.
pub(super) fn of(view: &ReminderView<'_>) -> Option<Shape> {
    if view.tokens.len() > TOKENS {
        return None;
    }
    let flags = [
        view.one,
        view.cut.is_some(),
        view.all_cut,
        view.tight.is_some(),
        view.some_without_link,
        view.paged,
        view.frame.organisation.is_empty(),
    ];
    Some(Shape {
        lang: view.frame.lang,
        mine: view.mine,
        urgency: view.tokens.first()?.urgency,
        flags: bits(&flags),
        facts: view.facts.iter().fold(0, |all, f| all | bit(f)),
        // One service, or several.
        used_by: u8::try_from(view.used_by.len().min(2)).ok()?,
        rows: view.tokens.iter().map(row).collect(),
    })
}

fn row(token: &TokenView<'_>) -> u16 {
    let there = [
        token.mine,
        token.has_link,
        token.client.is_some(),
        token.demandeur.is_some(),
        token.filed.is_some(),
        token.page.is_some(),
        token.refused.is_some(),
        token.works.is_some(),
    ];
    let ids = u16::try_from(token.ids.len()).unwrap_or(u16::MAX);
    (ids << 8) | bits(&there)
}

fn bits(flags: &[bool]) -> u16 {
    flags
        .iter()
        .rev()
        .fold(0, |bits, set| bits * 2 + u16::from(*set))
}

fn bit(fact: &Fact<'_>) -> u16 {
    1 << (fact.kind as u16)
}

/// Shows each value that is data, always in the same order for a shape. Services after the
/// first are one value, joined as the templates join them.
pub(super) fn each_value<'a>(
    view: &mut ReminderView<'a>,
    mut visit: impl FnMut(&mut Cow<'a, str>),
) {
    if view.used_by.len() > 2 {
        let others = view.used_by[1..].join(", ");
        view.used_by.truncate(1);
        view.used_by.push(others.into());
    }
    let frame = &mut view.frame;
    if !frame.organisation.is_empty() {
        visit(&mut frame.organisation);
    }
    visit(&mut frame.subject);
    visit(&mut frame.contact);
    visit(&mut frame.contact_mailto);
    visit(&mut view.dashboard);
    visit(&mut view.counted);
    view.cut.iter_mut().for_each(&mut visit);
    view.tight.iter_mut().for_each(&mut visit);
    view.used_by.iter_mut().for_each(&mut visit);
    view.facts.iter_mut().for_each(|f| visit(&mut f.value));
    visit(&mut view.done_subject);
    visit(&mut view.done_mailto);
    for token in &mut view.tokens {
        each_of_token(token, &mut visit);
    }
}

fn each_of_token<'a>(token: &mut TokenView<'a>, mut visit: impl FnMut(&mut Cow<'a, str>)) {
    visit(&mut token.name);
    token.client.iter_mut().for_each(&mut visit);
    visit(&mut token.when);
    visit(&mut token.date);
    visit(&mut token.left);
    visit(&mut token.standing);
    visit(&mut token.target);
    visit(&mut token.button);
    token.demandeur.iter_mut().for_each(&mut visit);
    token.filed.iter_mut().for_each(&mut visit);
    token.refused.iter_mut().for_each(&mut visit);
    token.works.iter_mut().for_each(&mut visit);
    if let Some(page) = &mut token.page {
        visit(&mut page.overview);
        visit(&mut page.filed);
        visit(&mut page.renewed);
        visit(&mut page.not_for_me);
    }
    visit(&mut token.state);
    token.ids.iter_mut().for_each(&mut visit);
    token.row.iter_mut().for_each(|f| visit(&mut f.value));
}
