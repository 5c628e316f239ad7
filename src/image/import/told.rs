//! How far an import is, and who watches.

/// What an import does with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Another import holds the place in the store.
    Waiting,
    /// Its file is copied into the store.
    Copying,
    /// Its file is unpacked into the store.
    Unpacking,
    /// The copy is mended, as whoever wrote it would have.
    Repairing,
    /// The copy's tables are looked at.
    Checking,
    /// The copy becomes a qcow2 that leans on nothing.
    Converting,
    /// The guest's disk is digested.
    Digesting,
    /// The image is digested and sealed.
    Sealing,
}

impl Step {
    /// The step in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "waiting for another import of it",
            Self::Copying => "copying",
            Self::Unpacking => "unpacking",
            Self::Repairing => "repairing the copy",
            Self::Checking => "checking",
            Self::Converting => "converting",
            Self::Digesting => "digesting the disk",
            Self::Sealing => "sealing",
        }
    }
}

/// Who watches an import.
pub trait ImportProgress: Sync {
    /// A step of a disk, or of the whole image, begins.
    fn step(&self, name: &str, step: Step);
    /// How many bytes of the step are done, and of how many; that is an estimate, and unknown of what is packed.
    fn bytes(&self, done: u64, of: Option<u64>);
}

/// Nobody.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl ImportProgress for Unwatched {
    fn step(&self, _: &str, _: Step) {}
    fn bytes(&self, _: u64, _: Option<u64>) {}
}
