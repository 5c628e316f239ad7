//! The lab file `patchgate.toml`.

pub mod load;
pub mod model;
pub mod read;
pub mod secret;
pub mod words;
