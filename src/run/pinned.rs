//! The update sets of a run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::model::update::{Update, UpdateSet};

/// What was pinned in this run, and by which node, by the SHA-256 of the image that it is for. The policy is the run's. No
/// node takes another's word for what is pending on it; but clones of one image that nobody has touched must agree.
#[derive(Default)]
pub struct Pinned(Mutex<BTreeMap<String, (String, UpdateSet)>>);

impl Pinned {
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
