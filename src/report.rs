//! What people and machines read of a run, one file per format; each is derived from the journal alone.

mod advised;
mod clones;
mod drift;
mod evidence;
pub mod history;
pub mod json;
pub mod junit;
mod learned;
pub mod markdown;
mod measured;
pub mod plan;
pub mod render;
mod table;
pub mod text;
mod times;
mod view;
mod words;

pub use crate::input::safe::{excerpt as safe_excerpt, line as safe_line};
pub use view::Summary;
pub use words::{length, traffic};
