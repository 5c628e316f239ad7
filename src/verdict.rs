//! `judge`: from plan and events to verdicts. Pure.
//!
//! It walks the plan, never the journal: what was promised and has no result is not-run. The order of records between
//! arms does not matter; where records contradict each other the worst counts.
#![warn(clippy::wildcard_enum_match_arm)]

mod arm;
mod ask;
mod blame;
mod confirm;
mod drift;
mod inside;
mod judge;
mod measured;
mod model;
mod node;
mod seen;
mod suspect;
mod tries;

pub use ask::to_confirm;
pub use drift::{DriftFinding, DriftState, NodeDrift};
pub use judge::{judge, verdict};
pub use model::{
    ArmOutcome, ArmResult, CellJudgement, Fresh, Judgement, Measured, MeasuredStep, NodeJudgement, NodeState,
    ScenarioJudgement, Verdict,
};
pub use suspect::{Closing, Standing, Suspect, pair_words};
pub use tries::{LostHost, Retried, standing};
