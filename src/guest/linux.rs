//! Linux guests with systemd: what is the same for every distribution.

pub mod action;
pub mod boot;
pub mod command;
mod console;
pub mod http;
pub mod identity;
pub mod log;
pub mod look;
pub mod observe;
mod observe_items;
pub mod probe;
pub mod script;
pub mod sql;
pub mod stale;
mod system;
pub mod timing;

pub use system::Linux;
