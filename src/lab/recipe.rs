//! OS and role recipes: what an image is built from, as a person writes it.
//!
//! A recipe is trusted like the lab file is: its commands run as root in a chroot. What is checked here is what a
//! person gets wrong; every finding names file, line and column.

mod changes;
pub mod keys;
mod load;
mod types;
mod values;

pub use changes::DEB_LIMIT;
pub use load::{load_os, load_role};
pub use types::{Changes, LocalDeb, OsRecipe, RecipeFile, RoleRecipe};
