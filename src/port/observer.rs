//! Who watches a run.

use crate::model::event::Record;

/// Watches a run from outside; must not block.
pub trait Observer: Send + Sync {
    /// A record was written to the journal.
    fn record(&self, record: &Record);
    /// Something to tell a person that is no result.
    fn notice(&self, text: &str);
}
