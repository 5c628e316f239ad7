//! The immutable plan: every choice that a run makes is made here, before anything starts. Pure.

pub mod build;
pub mod drift;
pub mod expected;
pub mod lint;
pub mod lint_group;
mod lint_secret;
pub mod model;
pub mod names;
pub mod select;
pub mod uri;
