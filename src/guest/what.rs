//! What commands are for: [`GuestCommand::what`](crate::guest::command::GuestCommand::what), in words that follow "to". Errors show
//! them, and the fake lab knows a command of any family by them. A scenario's action is named by its kind.

/// Which boot it is.
pub const BOOT_ID: &str = "read the boot id";
/// Waiting for what is started at a boot.
pub const SETTLE: &str = "wait for the services to settle";
/// Leaving this boot.
pub const REBOOT: &str = "reboot";
/// Name, address and neighbours.
pub const IDENTIFY: &str = "give the node its name";
/// The way out of a node that keeps its own network.
pub const ATTACH: &str = "configure the card to the outlet";
/// What no two clones may share.
pub const RENEW: &str = "give the clone an identity of its own";
/// The answer to that.
pub const WHO: &str = "ask who it is";
/// What it is, when nobody has asked it before.
pub const LOOK: &str = "look at the guest for the first time";
/// The isolation probe.
pub const PROBE: &str = "see what the node can reach";
/// The node's state.
pub const OBSERVE: &str = "observe the node";
/// Its files.
pub const OBSERVE_FILES: &str = "observe the node's files";
/// Where a log stands.
pub const MARK: &str = "mark the log";
/// A file, or a piece of one, into the guest.
pub const PUT: &str = "put a file into the guest";
/// Whether it arrived.
pub const CHECK: &str = "check the file in the guest";
/// Away with it.
pub const REMOVE: &str = "remove the file from the guest";
/// Away with what a script has not written yet.
pub const CLEAR: &str = "remove old results";
/// What a script wrote.
pub const RESULTS: &str = "read the script's results";
/// The update sources.
pub const REFRESH: &str = "read the update sources";
/// What is pending.
pub const PENDING: &str = "list the pending updates";
/// What of it brings fixes of security that others have superseded.
pub const FIXES: &str = "look for superseded fixes";
/// What a choice of it takes.
pub const RESOLVE: &str = "resolve the update set";
/// What the set is for.
pub const ADVISORIES: &str = "read the advisories of the update set";
/// Into the guest.
pub const FETCH: &str = "fetch the update set";
/// What hangs while that goes on.
pub const PROCESSES: &str = "list the processes of the installation";
/// Onto the system.
pub const APPLY: &str = "install the update set";
/// Every package.
pub const PACKAGES: &str = "read the package states";
/// What speaks for a reboot.
pub const REBOOT_HINTS: &str = "see whether a reboot is needed";
