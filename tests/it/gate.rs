//! The judge, the gate, the journal and the reports, on runs that are written by hand.

mod alike;
mod confirm;
mod goldens;
mod hostile;
mod journal;
mod latest;
mod matrix;
mod measured;
mod properties;
mod reboot;
mod scope;
mod tries;
