//! The keys of a scenario file: what its reader knows and asks for, what docs/scenarios.md lists, and what
//! `patchgate schema scenario` says.

mod action;
mod step;
mod text;

pub use action::{AUTH, COMMAND, FILE, HTTP, LOG, LOOKS, PACKAGE, PROGRAMS, SCRIPT, SERVICE, SQL, TCP};
pub use step::{CAPTURE, CLEANUP, MEASURE, RETRY, SCENARIO, STEP};
pub use text::{EXPECT, TEXT};
