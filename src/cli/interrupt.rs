//! A second interrupt: what is left is said, and the process ends at once.

use std::path::Path;

use crate::cli::exit_code;
use crate::record::ledger::Ledger;

/// Ends the process at once.
#[expect(clippy::disallowed_methods, reason = "a second signal refuses the clean-up")]
pub fn abandon(ledger: &Path) {
    match Ledger::left(ledger) {
        Ok(left) if left.is_empty() => eprintln!("interrupted again: nothing is left on the host"),
        Ok(left) => {
            eprintln!("interrupted again; left behind:");
            for resource in left {
                eprintln!("  {resource}");
            }
            eprintln!("`patchgate clean` removes them");
        }
        Err(error) => eprintln!("interrupted again; what is left cannot be told: {error}"),
    }
    std::process::exit(i32::from(exit_code::INTERRUPTED));
}
