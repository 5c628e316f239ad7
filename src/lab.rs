//! What a lab's files say: the lab file `patchgate.toml`, the departments' scenarios and the images' recipes, their lint, and the
//! plan that is built from them, in which every choice is made before anything starts.

pub mod build;
pub mod disk;
pub mod drift;
pub mod file;
pub mod lint;
pub mod lint_group;
mod lint_secret;
pub mod load;
pub mod names;
mod policy;
pub mod recipe;
pub mod scenario;
pub mod secret;
mod sections;
pub mod select;
