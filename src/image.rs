//! Images: recipes, the catalogue of sealed disks, building and importing them.

pub mod batch;
pub mod build;
pub mod catalogue;
pub mod confined;
pub mod disk;
pub mod error;
pub mod import;
pub mod manifest;
pub mod process;
pub mod sparse;
pub mod store;
pub mod warm;
