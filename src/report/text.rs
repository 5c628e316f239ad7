//! The report for a terminal: the decision and why, the evidence, then all the rest.

mod beside;
mod page;
mod whole;

pub use page::Style;
pub use whole::{render, render_gate};
