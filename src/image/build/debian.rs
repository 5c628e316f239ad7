//! Images of Debian.

mod disk;
mod system;

pub use system::Debian;
