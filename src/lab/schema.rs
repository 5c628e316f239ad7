//! The JSON Schemas of the files that people write: for editors, and for programs that check such files.

use serde_json::Value;

use crate::input::schema::schema;
use crate::lab::keys::LAB_FILE;
use crate::lab::recipe::keys::{OS, ROLE};
use crate::lab::scenario::keys::SCENARIO;

/// The schema of a lab file.
pub fn lab() -> Value {
    schema("A lab of patchgate", &[&LAB_FILE])
}

/// The schema of a recipe, of an OS version or of a role.
pub fn recipe() -> Value {
    schema("A recipe of patchgate", &[&OS, &ROLE])
}

/// The schema of a scenario file.
pub fn scenario() -> Value {
    schema("A scenario of patchgate", &[&SCENARIO])
}
