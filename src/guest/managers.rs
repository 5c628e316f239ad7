//! Package managers as a guest is asked for them before it is known which it should have: of whatever family it is said to be.

/// Shell text that defines the functions `managers` and `sources`, of which each prints one to a line.
pub const TEXT: &str = include_str!("managers.sh");
