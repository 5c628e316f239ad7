//! Running a plan: forks the arms, updates, reboots, tests, and removes what it made. Emits events; decides nothing.

mod arm;
mod context;
mod dispatcher;
mod evidence;
mod execute;
mod life;
mod masking;
mod names;
mod node;
mod pair;
mod pinned;
mod preflight;
pub mod queue;
mod reboot;
mod scheduler;
mod setup;
mod site;
mod waiting;
mod warm;

pub use execute::{Trial, Tried, execute, first_look, one_arm, prepare, try_scenarios};
pub use life::KeptNode;
pub use life::prepare::{Preparation, Seeding};
pub use preflight::{Capacities, preflight};
pub use setup::{HostSetup, RunError, Setup, ToConfirm};
pub use site::clean_up;
