//! The lives of arms, stage by stage.

mod begin;
mod isolate;
mod judging;
mod look;
mod measure;
mod observe;
pub mod prepare;
mod prove;
mod restart;
mod scenario;
mod soak;
mod step;
mod update;
mod updates;
mod whole;

pub use whole::{Ended, KeptNode, run};
