//! Whole runs on the fake lab, by what they are about.

mod drift;
mod reboot;
mod resolve;
