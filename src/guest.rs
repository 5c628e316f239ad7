//! Guest operating systems: what each family says of itself, as commands and parsers of their output. No I/O; `run` performs
//! the commands.

pub mod answer;
pub mod apt;
pub mod command;
pub mod debian;
pub mod dnf;
pub mod families;
pub mod family;
pub mod files;
pub mod http;
pub mod identity;
pub mod linux;
pub mod log;
pub mod look;
pub mod managers;
mod pattern;
pub mod prepare;
pub mod probe;
pub mod redhat;
pub mod rpm;
pub mod suse;
pub mod ubuntu;
pub mod what;
pub mod zypper;
