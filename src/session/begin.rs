//! The time and the id of what begins.

use jiff::Timestamp;

use crate::model::id::RunId;

/// The clock of a run, for its id and its records.
#[expect(clippy::disallowed_methods, reason = "here a run's time comes in")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The id of a run, or of what is named as one so that `clean` finds what it leaves, that begins now.
pub fn new_id() -> RunId {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    RunId::new(now(), u16::try_from((high ^ low) & 0xffff).unwrap_or_default())
}
