//! What is kept of runs: the append-only journal, the ledger of resources, and the folders and locks around them.

pub mod durations;
pub mod journal;
pub mod ledger;
pub mod own;
pub mod resume;
pub mod screens;
pub mod share;
pub mod state;
