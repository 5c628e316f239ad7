//! The vocabulary: what is planned, what happens, and how it ends. Pure, and the form of the journal.

pub mod advisory;
pub mod arm;
pub mod drift;
pub mod event;
pub mod expected;
pub mod facts;
pub mod hardware;
pub mod id;
pub mod machine;
pub mod name;
pub mod observation;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod resource;
pub mod results;
pub mod scenario;
pub mod screen;
pub mod update;
pub mod uri;
