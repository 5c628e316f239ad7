//! What the tests of whole runs are made of: one builder of plans, one of journals, one lab on the fake hypervisor.

pub mod cli;
pub mod disk;
pub mod guests;
pub mod lab;
pub mod looks;
pub mod machines;
pub mod parts;
pub mod plans;
pub mod seal;
pub mod standins;
pub mod story;
