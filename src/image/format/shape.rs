//! What the tables of a disk's file say.

/// A disk's file, looked at whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// The disk's size as the guest sees it, in bytes.
    pub size: u64,
    /// Bytes of it that the file has something for; never more than `size`.
    pub holds: u64,
    /// The size of its logical blocks in bytes, where the format says so.
    pub block_size: Option<u32>,
    /// What the admin should know.
    pub said: Vec<String>,
}
