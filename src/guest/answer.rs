//! What guests answer, in no family's words.

use jiff::Timestamp;

use crate::model::update::{Unrehearsed, Update};

/// What is pending on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// What a full update would do.
    pub updates: Vec<Update>,
    /// What it would not do though there are newer versions: held, kept back, phased.
    pub kept: Vec<Unrehearsed>,
    /// When the oldest of the lists that this stands on was made by its source, where they tell.
    pub lists: Option<Timestamp>,
    /// What a full update would do if it could, each with what it lacks: a set that has one of these is none.
    pub broken: Vec<(Update, String)>,
    /// The sources that updates come from and that say of none what it is for, where others of the family do.
    pub silent: Vec<String>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceState {
    /// Whether there is such a service.
    pub is_known: bool,
    /// Whether it runs.
    pub running: bool,
    /// Its state in the guest's words, such as `inactive (dead)`.
    pub state: String,
    /// Whether it is started at every boot.
    pub enabled: bool,
    /// The same in the guest's words, such as `disabled`.
    pub start: String,
}

/// A file or folder that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState<'a> {
    /// Its permission bits, octal.
    pub mode: &'a str,
    /// Its owner.
    pub owner: &'a str,
    /// What it holds; nothing where it is a folder.
    pub content: &'a str,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageState {
    /// Its version, where it is fully installed.
    pub version: Option<String>,
    /// Its state in the words of the package manager's database, such as `ii`; `absent` where that knows none.
    pub state: String,
}

/// A file of results that a script wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsFile {
    /// Its path.
    pub name: String,
    /// What it holds, as far as it came.
    pub bytes: Vec<u8>,
    /// Whether all of it came.
    pub is_whole: bool,
}
