//! A department's smoke test: its model, the loading of its file, and the judging of a step's raw result.

pub mod action;
pub mod capture;
pub mod cookies;
pub mod evaluate;
pub mod exchange;
mod expect;
pub mod files;
mod http;
pub mod json;
pub mod keys;
pub mod load;
mod measure;
pub mod model;
pub mod number;
pub mod parse;
mod programs;
pub mod render;
pub mod results;
pub mod schema;
mod step;
pub mod template;
pub mod url;
mod variables;
