//! What a run has on one of its hosts.

pub mod ahead;
mod host;
pub mod loss;
pub mod outlet;
pub mod resources;
pub mod saved;

pub use host::Site;
pub use resources::clean_up;
