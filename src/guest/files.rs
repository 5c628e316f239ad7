//! The files of a guest that does not run.

/// Why a file of a disk cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// The files of a guest that does not run. Links are followed within it.
pub trait Files {
    /// Whether there is anything of that name.
    fn is_there(&self, path: &str) -> Result<bool, Unreadable>;
    /// A file's text; nothing where there is none.
    fn text(&self, path: &str) -> Result<Option<String>, Unreadable>;
    /// The names in a folder, in order; none where there is no folder.
    fn names(&self, path: &str) -> Result<Vec<String>, Unreadable>;
}
