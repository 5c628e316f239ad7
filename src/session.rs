//! What a run and a trial of scenarios begin with, and what keeps the hosts in order between runs: the images, secrets and hosts
//! of a plan, and the signals that stop it. Prints nothing: who watches is told.

pub mod begin;
pub mod clean;
pub mod doctor;
pub mod facts;
pub mod hosts;
pub mod images;
pub mod inputs;
pub mod look;
pub mod outcome;
pub mod predict;
pub mod prepare;
pub mod ready;
pub mod resume;
pub mod secrets;
pub mod signals;
pub mod target;
