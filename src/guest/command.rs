//! Commands of a guest as data.

use std::time::Duration;

/// Output of a guest's command that is kept, in bytes, for each of standard output and error. The guest's agent fails
/// above some 3 MiB, so every command is cut inside the guest.
pub const OUTPUT_LIMIT: usize = 256 * 1024;

/// The same of a command that lists all packages or files of a guest: some 16,000 packages.
pub const LIST_LIMIT: usize = 1024 * 1024;

/// One command for the guest agent, as it is to be run: already bounded inside the guest.
#[derive(Clone, PartialEq, Eq)]
pub struct GuestCommand {
    /// What it is for, in words, such as `read the boot id`; used in errors, and by the fake lab to know it.
    pub what: String,
    /// Program and arguments; never empty.
    pub argv: Vec<String>,
    /// Additional environment.
    pub env: Vec<(String, String)>,
    /// Standard input.
    pub stdin: Option<Vec<u8>>,
    /// How long it may run in the guest.
    pub timeout: Duration,
    /// Bytes of each of its outputs that are kept.
    pub limit: usize,
}

impl GuestCommand {
    /// Whether an argument or the environment holds a NUL character, which ends a text there.
    pub fn has_nul(&self) -> bool {
        let names = self.env.iter().flat_map(|(name, value)| [name, value]);
        self.argv.iter().chain(names).any(|text| text.contains('\0'))
    }
}

/// Environment and input may hold secrets, so only names and lengths of them are shown.
impl std::fmt::Debug for GuestCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("GuestCommand")
            .field("what", &self.what)
            .field("argv", &self.argv)
            .field("env", &names)
            .field("stdin", &self.stdin.as_ref().map(Vec::len))
            .field("timeout", &self.timeout)
            .field("limit", &self.limit)
            .finish()
    }
}

/// A guest's answer that is not what the command promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct ParseError {
    /// Whose output it is.
    pub what: &'static str,
    /// What is wrong, with the offending line, bounded.
    pub problem: String,
}
