//! The update sets of a run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::model::update::UpdateSet;

/// The sets that were pinned in this run, by the SHA-256 of the image that they are for. The policy is the run's.
#[derive(Default)]
pub struct Pinned(Mutex<BTreeMap<String, Arc<OnceCell<UpdateSet>>>>);

impl Pinned {
    /// The set of an image, once it is known.
    pub fn of(&self, image: &str) -> Arc<OnceCell<UpdateSet>> {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sets.entry(image.to_owned()).or_default().clone()
    }
}
