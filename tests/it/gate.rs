//! The judge, the gate, the journal and the reports, on runs that are written by hand.

mod goldens;
mod journal;
mod looks;
mod matrix;
mod measured;
mod parts;
mod properties;
mod reboot;
mod story;
mod tries;
