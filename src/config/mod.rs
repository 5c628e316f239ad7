//! The lab file `patchgate.toml`.

pub mod load;
pub mod model;
mod policy;
pub mod read;
pub mod secret;
mod sections;
pub mod words;
