//! The images of a plan, built before it is run.

use std::sync::Arc;

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::image::batch::{self, NotBuilt};
use crate::image::build::stage::BuildProgress;
use crate::image::catalogue::{ImageDef, Store};
use crate::image::manifest::Sealed;

/// Why images were not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildFault {
    /// One of them cannot be.
    #[error(transparent)]
    NotBuilt(#[from] NotBuilt),
    /// Building ended without an end.
    #[error("building the images: {0}")]
    Ended(#[from] JoinError),
}

/// Builds those that are missing, and gives them; an interrupt ends it with nothing started.
pub async fn build_missing(
    images: Vec<ImageDef>,
    store: Store,
    progress: Arc<dyn BuildProgress + Send>,
) -> Result<Vec<Sealed>, BuildFault> {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let mut work = tokio::task::spawn_blocking(move || {
        batch::build_due(&images, &store, false, progress.as_ref(), &token)
    });
    let ended = tokio::select! {
        ended = &mut work => ended,
        _ = tokio::signal::ctrl_c() => {
            cancel.cancel();
            work.await
        }
    };
    Ok(ended??)
}
