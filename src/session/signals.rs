//! Signals while a run goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::port::Observer;

/// What a second signal calls, with the run's ledger: it says what is left, and ends the process.
pub type Abandon = fn(&Path);

/// The first signal stops the run, which then cleans up; each further one abandons it.
pub async fn watch(stop: CancellationToken, ledger: PathBuf, observer: Arc<dyn Observer>, abandon: Abandon) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        observer.notice("signals cannot be watched; use `patchgate clean` after an interrupt");
        return;
    };
    for count in 0.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if count == 0 {
            observer.notice("interrupted: stopping and cleaning up (once more to end at once)");
            stop.cancel();
        } else {
            abandon(&ledger);
        }
    }
}
