//! Taking over a libvirt domain: what is read of it is copied first, and all that follows is of the copies.

pub mod error;
pub mod fetch;
pub mod info;
pub mod take;
pub mod watch;
pub mod whole;
