//! Where a log of a guest stands.

/// How far a log had come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// The journal: its boot, and the last entry where there was one.
    Journal {
        /// The boot's id.
        boot: String,
        /// journalctl's cursor.
        cursor: String,
    },
    /// A file.
    File {
        /// Its inode.
        inode: u64,
        /// Its length.
        size: u64,
    },
    /// A file that was not there.
    Absent,
}
