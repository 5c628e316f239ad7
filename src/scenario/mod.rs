//! A department's smoke test: its model, the loading of its file, and the judging of a step's raw result.

pub mod action;
pub mod evaluate;
mod http;
pub mod load;
mod measure;
pub mod model;
pub mod parse;
