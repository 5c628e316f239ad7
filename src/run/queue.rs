//! Which arms start next, and on which host. Pure: it is told what ends, and answers what starts.
//!
//! An admission is one arm, or both arms of a cell whose times are compared. Both arms of a cell run on one host, where
//! its first arm starts. Among what waits, the order is:
//!
//! 1. what has its VMs already, which wait for vCPUs alone;
//! 2. what was overtaken [`PATIENCE`] times by later ones, since it did not fit: it keeps a host to itself until it does;
//! 3. the group that has been given the least time so far, so that a group with many cells starves no other;
//! 4. the longest expected;
//! 5. the plan's order, treatment first.
//!
//! It goes to the host with the most free vCPUs, then the most free memory, then the first in the plan.

mod answers;
mod needs;
mod state;

pub use answers::{Ahead, Start, Stranded};
pub use needs::{ARM_DISK, Amount, CellNeeds, RESERVE, Room};
pub use state::{PATIENCE, Queue};
