//! Warm clones: the nodes of a cell are booted together once, settled, and saved; arms go on from there instead of booting.
//! Where that cannot be had, an arm boots its nodes and says why.

pub mod ahead;
mod keep;
mod obtain;
mod save;
pub mod thaw;

pub use obtain::{Prepare, Preparing, origin, place_ahead};
pub use save::save;
