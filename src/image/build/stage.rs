//! How far a build is, and who watches.

/// What a build is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Another process builds the same image.
    Waiting,
    /// mmdebstrap makes the base system.
    Bootstrapping,
    /// The base's root file system is unpacked.
    Unpacking,
    /// The role's packages are fetched.
    Downloading,
    /// The role's packages are installed.
    Installing,
    /// The recipe's files and commands.
    Configuring,
    /// The root file system is kept for role layers.
    Packing,
    /// The disk is made.
    MakingDisk,
    /// The disk is digested and sealed.
    Sealing,
}

impl Stage {
    /// The stage in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "waiting for another build of it",
            Self::Bootstrapping => "installing the base system",
            Self::Unpacking => "unpacking the base",
            Self::Downloading => "fetching packages",
            Self::Installing => "installing packages",
            Self::Configuring => "configuring",
            Self::Packing => "keeping the root file system",
            Self::MakingDisk => "making the disk",
            Self::Sealing => "sealing",
        }
    }
}

/// Who watches builds; called from the thread of each.
pub trait BuildProgress: Sync {
    /// The build of `image` enters a stage.
    fn stage(&self, image: &str, stage: Stage);
    /// The build of `image` is over; `sealed` is false where it failed.
    fn finished(&self, image: &str, sealed: bool);
}
