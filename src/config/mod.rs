//! The lab file `patchgate.toml`.

pub mod drift;
pub mod load;
pub mod model;
pub mod read;
pub mod words;
