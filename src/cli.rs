//! The command line: one small file per verb, which parses its arguments, calls one road, and prints.

pub mod args;
mod builds;
pub mod check;
mod clean;
pub mod dispatch;
mod doctor;
pub mod error;
pub mod exit_code;
mod gate;
mod history;
mod image;
mod image_list;
pub mod init;
mod interrupt;
mod lab;
mod plan;
mod prepare;
mod print;
mod progress;
mod report;
mod run;
mod runtime;
pub mod scenario;
mod schema;
