//! What goes into a step and what comes back from it: values put in, exchanges, and the judging of raw results. Pure.

pub mod capture;
pub mod cookies;
pub mod evaluate;
pub mod exchange;
pub mod raw;
pub mod render;
pub mod results;
