//! Warm forks against cold ones, and many clones alive at once.

use std::path::Path;

use crate::{Failed, Outcome};

/// Not measured by this version.
#[expect(clippy::unnecessary_wraps, reason = "it is a part, and parts can fail")]
pub fn measure(_: &Path) -> Result<Outcome, Failed> {
    Ok(Outcome::NotRun(
        "this version does not fork warm clones".to_owned(),
    ))
}
