//! A department's smoke test as its file says it.

pub mod action;
mod entry;
mod expect;
pub mod files;
mod guest;
mod http;
pub mod keys;
pub mod load;
mod measure;
pub mod parse;
mod programs;
mod step;
mod values;
mod variables;
