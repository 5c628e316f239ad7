//! What patchgate asks of the machine that it runs on: files that somebody else may have written, and child processes.

pub mod child;
pub mod file;
