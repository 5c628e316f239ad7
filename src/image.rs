//! Images: recipes, the catalogue of sealed disks, building and importing them.

pub mod batch;
pub mod board;
pub mod build;
pub mod bundle;
pub mod catalogue;
pub mod confined;
pub mod damage;
pub mod digest;
pub mod domain;
pub mod domain_xml;
pub mod error;
pub mod facts;
pub mod foreign;
pub mod format;
pub mod import;
pub mod inside;
pub mod machine;
pub mod manifest;
pub mod prepare;
pub mod process;
pub mod relabel;
pub mod sparse;
pub mod store;
pub mod warm;
