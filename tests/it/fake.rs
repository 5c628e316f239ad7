//! Whole runs on the fake lab, by what they are about.

mod addresses;
mod broken;
mod converge;
mod drift;
mod noise;
mod reboot;
mod resolve;
mod rest;
mod soak;
