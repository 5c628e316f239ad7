//! A second interrupt: what is left is said, and the process ends at once.

use std::path::Path;

use crate::cli::{exit_code, print};
use crate::record::ledger::Ledger;

/// Ends the process at once.
#[expect(clippy::disallowed_methods, reason = "a second signal refuses the clean-up")]
pub fn abandon(ledger: &Path) {
    match Ledger::left(ledger) {
        Ok(left) if left.is_empty() => print::note("interrupted again: nothing is left on the host"),
        Ok(left) => {
            print::note("interrupted again; left behind:");
            for resource in left {
                print::note(&format!("  {resource}"));
            }
            print::note("`patchgate clean` removes them");
        }
        Err(error) => print::note(&format!(
            "interrupted again; what is left cannot be told: {error}"
        )),
    }
    std::process::exit(i32::from(exit_code::INTERRUPTED));
}
