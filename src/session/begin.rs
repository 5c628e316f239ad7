//! The time and the id of what begins.

use jiff::{SignedDuration, Timestamp};

use crate::gate::outdated::SKEW;
use crate::model::id::RunId;
use crate::record::state::{State, StateError};

/// The clock of a run, for its id and its records.
#[expect(clippy::disallowed_methods, reason = "here a run's time comes in")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The id of what is named as a run, so that `clean` finds what it leaves, and that begins now.
pub fn new_id() -> RunId {
    id_of(now())
}

/// The id of a run that begins now: the latest of all that are kept, since `latest` goes by it.
///
/// # Errors
/// A run that is kept began later by far: the clock was set back. Or the runs cannot be listed.
pub fn next_id(state: &State) -> Result<RunId, StateError> {
    let now = now();
    let newest = state.latest(None)?;
    let Some((run, began)) = newest.as_ref().and_then(|run| Some((run, run.began()?))) else {
        return Ok(id_of(now));
    };
    if began.duration_since(now) > SKEW {
        let path = state.run_dir(run);
        return Err(StateError::Later { path });
    }
    Ok(id_of(now.max(began + SignedDuration::from_secs(1))))
}

fn id_of(time: Timestamp) -> RunId {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    RunId::new(time, u16::try_from((high ^ low) & 0xffff).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(began: Timestamp) -> (tempfile::TempDir, State) {
        let folder = tempfile::tempdir().expect("a folder");
        let state = State::at(folder.path().join("state"));
        drop(state.create_run(&id_of(began)).expect("a run"));
        (folder, state)
    }

    #[test]
    fn a_new_run_is_the_latest_of_all_that_are_kept() {
        for seconds in [-3600, -1, 0, 1, 300] {
            let began = now() + SignedDuration::from_secs(seconds);
            let (_folder, state) = kept(began);
            let run = next_id(&state).expect("an id");
            state.create_run(&run).expect("a run");
            assert_eq!(state.latest(None).ok().flatten(), Some(run), "{seconds}");
        }
    }

    #[test]
    fn beside_a_run_of_the_future_none_begins_that_it_would_outlast() {
        let (_folder, state) = kept(now() + SignedDuration::from_hours(2));
        let error = next_id(&state).expect_err("a run of the future");
        assert!(error.to_string().contains("the clock was set back"), "{error}");
        assert!(error.hint().is_some());
    }
}
