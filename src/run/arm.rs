//! One arm: who it is, and its nodes from their disks to the first answer.

mod core;
mod nodes;

pub use core::{ArmRun, interrupted};
