//! Images: recipes, the catalogue of sealed disks, building and importing them.

pub mod build;
pub mod catalogue;
pub mod manifest;
pub mod recipe;
