//! What patchgate asks of the machine that it runs on: files that somebody else may have written, those that the user wants
//! written, child processes, the firmware that it has for VMs, and who calls it.

pub mod child;
pub mod disk;
pub mod file;
pub mod firmware;
pub mod output;
pub mod user;
