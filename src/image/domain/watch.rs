//! Who watches over a copy of a running domain: a process of its own, which ends in the domain what the copy began there. The
//! copy tells it through a pipe, and a pipe is closed however its writer ends.

use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::model::id::RunId;
use crate::port::{Domains, LabError};

/// What is told before file systems are frozen.
pub const FREEZES: &str = "freezes";
/// What is told once they are not any more.
pub const THAWED: &str = "thawed";
/// The first line of the watcher's own, once it can do its work; any other says why not.
pub const READY: &str = "ready";

/// How long file systems may be frozen: long enough for a backup to begin, and short enough for whoever waits for the server.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Hears what a copy tells until it is over, and ends what it left. Nobody stays frozen for longer than [`LONGEST`].
///
/// # Errors
/// What was left is there still; the host says why.
pub async fn watch(
    host: &dyn Domains,
    domain: &str,
    id: &RunId,
    told: impl AsyncBufRead + Unpin,
) -> Result<(), LabError> {
    let mut lines = told.lines();
    let mut frozen = false;
    loop {
        let line = lines.next_line();
        let line = if frozen {
            match tokio::time::timeout(LONGEST, line).await {
                Ok(line) => line,
                // A copy that is late is told by its own clock, and does not count as frozen.
                Err(_) => break,
            }
        } else {
            line.await
        };
        match line.ok().flatten().as_deref() {
            Some(FREEZES) => frozen = true,
            Some(THAWED) => frozen = false,
            Some(_) => {}
            None => break,
        }
    }
    host.end_copy(domain, id, frozen).await
}
