//! The forms at hand: each is made when the first reminder of its shape is composed, and kept
//! for those that follow.
//!
//! Their number is bounded; the one that was not needed for longest gives way. They belong to
//! the built-in templates: an operator's may branch on any value, and are always rendered.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use minijinja::Environment;

use crate::delivery::compose::form::{self, Prepared};
use crate::delivery::compose::shape::{self, Shape};
use crate::delivery::compose::template;
use crate::delivery::compose::view::ReminderView;

/// As many forms are kept; each takes some 20 kB.
const KEPT: usize = 96;

/// The forms made so far, shared by all who compose.
#[derive(Debug, Default)]
pub(super) struct Forms {
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    by_shape: HashMap<Shape, Kept>,
    asked: u64,
}

#[derive(Debug)]
struct Kept {
    /// `None`: no form can be made for this shape.
    prepared: Option<Arc<Prepared>>,
    last_asked: u64,
}

impl Forms {
    /// The form of a reminder, with its values in the form's order; `None`: it has none.
    pub(super) fn of<'a>(
        &self,
        env: &Environment<'_>,
        mut view: ReminderView<'a>,
    ) -> Option<(Arc<Prepared>, Vec<Cow<'a, str>>)> {
        let shape = shape::of(&view)?;
        let mut values = Vec::with_capacity(64);
        if let Some(known) = self.find(&shape) {
            shape::each_value(&mut view, |value| values.push(std::mem::take(value)));
            return known.map(|prepared| (prepared, values));
        }
        let mut room = true;
        shape::each_value(&mut view, |value| {
            let mark = form::mark(values.len());
            room &= mark.is_some();
            let mark = mark.map_or(Cow::Borrowed(""), |mark| mark.to_string().into());
            values.push(std::mem::replace(value, mark));
        });
        let made = room.then(|| make(env, &view)).flatten().map(Arc::new);
        self.keep(shape, made.clone());
        made.map(|prepared| (prepared, values))
    }

    fn find(&self, shape: &Shape) -> Option<Option<Arc<Prepared>>> {
        let mut made = self.made.lock().ok()?;
        made.asked += 1;
        let asked = made.asked;
        let kept = made.by_shape.get_mut(shape)?;
        kept.last_asked = asked;
        Some(kept.prepared.clone())
    }

    fn keep(&self, shape: Shape, prepared: Option<Arc<Prepared>>) {
        let Ok(mut made) = self.made.lock() else {
            return;
        };
        if made.by_shape.len() >= KEPT {
            let oldest = made.by_shape.iter().min_by_key(|(_, kept)| kept.last_asked);
            if let Some(oldest) = oldest.map(|(shape, _)| shape.clone()) {
                made.by_shape.remove(&oldest);
            }
        }
        let last_asked = made.asked;
        let kept = Kept {
            prepared,
            last_asked,
        };
        made.by_shape.insert(shape, kept);
    }
}

fn make(env: &Environment<'_>, marked: &ReminderView<'_>) -> Option<Prepared> {
    let (text, html) = template::render_raw(env, template::REMINDER, marked).ok()?;
    form::prepare(&text, &html, marked.frame.lang)
}
