//! The update sets of a run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::model::event::{Event, Record};
use crate::model::plan::Plan;
use crate::model::update::{Update, UpdateSet};

/// What was pinned in this run, and by which node, by the SHA-256 of the image that it is for. The policy is the run's. No
/// node takes another's word for what is pending on it; but clones of one image that nobody has touched must agree.
#[derive(Default)]
pub struct Pinned(Mutex<BTreeMap<String, (String, UpdateSet)>>);

impl Pinned {
    /// What was pinned already in a run that this one goes on from: a cell that it runs anew must not be given other updates than
    /// those that it takes over have shown.
    pub fn known(plan: &Plan, records: &[Record]) -> Self {
        let pinned = Self::default();
        for record in records {
            let (Event::Resolved { role, set, .. }, Some(arm)) = (&record.event, &record.arm) else {
                continue;
            };
            let node = plan.cell(&arm.cell).and_then(|cell| cell.node(role));
            if let Some(image) = node.and_then(|node| node.image.sha256.as_ref()) {
                // Where they do not agree among themselves, that was told in that run.
                let _ = pinned.agree(image, &format!("{role} of {arm}"), set);
            }
        }
        pinned
    }

    /// Takes a node's set for an image; in what it differs from that of another node, where it does.
    pub fn agree(&self, image: &str, node: &str, set: &UpdateSet) -> Result<(), String> {
        let mut pinned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, known) = pinned
            .entry(image.to_owned())
            .or_insert_with(|| (node.to_owned(), set.clone()));
        if known == set {
            return Ok(());
        }
        let lacks = |a: &UpdateSet, b: &UpdateSet| -> Vec<String> {
            let only = a.updates.iter().filter(|update| !b.updates.contains(update));
            only.take(3).map(words).collect()
        };
        let (more, less) = (lacks(set, known), lacks(known, set));
        let side = |what: &str, items: Vec<String>| {
            (!items.is_empty()).then(|| format!("{what} {}", items.join(", ")))
        };
        let sides: Vec<String> = [side("more:", more), side("less:", less)]
            .into_iter()
            .flatten()
            .collect();
        Err(format!(
            "other updates are pending on it than on {first}, a clone of the same image; {}",
            sides.join("; ")
        ))
    }
}

/// An update for messages.
fn words(update: &Update) -> String {
    format!("{} {}", update.name, update.to.as_deref().unwrap_or("(removed)"))
}
