//! The runtime of verbs that talk to hosts.

use std::time::Duration;

use crate::cli::error::UserError;

/// Runs a verb that talks to hosts. A call of libvirt that hangs cannot be cancelled and must not keep the process.
pub fn block_on<T>(work: impl Future<Output = Result<T, UserError>>) -> Result<T, UserError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| UserError::usage(format!("the runtime cannot be started: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}
