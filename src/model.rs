//! The vocabulary: what is planned, what happens, and how it ends. Pure, and the form of the journal.

pub mod arm;
pub mod drift;
pub mod event;
pub mod expected;
pub mod id;
pub mod name;
pub mod observation;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod resource;
pub mod results;
pub mod scenario;
pub mod update;
pub mod uri;
