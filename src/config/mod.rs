//! The lab file `patchgate.toml`.

pub mod load;
pub mod model;
