//! What a lab's files say: the lab file `patchgate.toml`, the departments' scenarios and the images' recipes, their lint, and the
//! plan that is built from them, in which every choice is made before anything starts.

mod addresses;
pub mod build;
pub mod disk;
pub mod file;
pub mod keys;
pub mod lint;
pub mod load;
pub mod names;
pub mod new;
pub mod open;
pub mod recipe;
pub mod scenario;
pub mod schema;
mod sections;
pub mod select;
pub mod survey;
