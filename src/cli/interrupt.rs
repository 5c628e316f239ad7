//! Interrupts: the first cancels; at the second what is left is said, and the process ends at once.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::cli::error::UserError;
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

/// The first interrupt or termination cancels; a second ends the process at once, and the kernel ends its children.
#[expect(clippy::disallowed_methods, reason = "a second signal refuses the clean-up")]
pub fn cancels(cancel: &CancellationToken) -> Result<(), UserError> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| UserError::usage(format!("signals cannot be watched: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(failed)?;
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        runtime.block_on(async {
            // A terminal that is gone interrupts too.
            let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
                signal(SignalKind::interrupt()),
                signal(SignalKind::terminate()),
                signal(SignalKind::hangup()),
            ) else {
                return;
            };
            for second in [false, true] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                if second {
                    std::process::exit(i32::from(exit_code::INTERRUPTED));
                }
                cancel.cancel();
            }
        });
    });
    Ok(())
}
