//! Several images, built side by side.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::image::build::stage::BuildProgress;
use crate::image::build::whole::{build, ready};
use crate::image::catalogue::{ImageDef, Store};
use crate::image::error::BuildError;
use crate::image::manifest::Sealed;

/// How many images are built at once: each is bound by one CPU or by the mirror for most of its time.
const BUILDERS: usize = 2;

/// An image that cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("image {image}: {error}")]
pub struct NotBuilt {
    /// The image.
    pub image: String,
    /// Why not.
    pub error: BuildError,
}

/// Whether an image is to be built: it is not sealed, or is to be built anew.
pub fn is_due(image: &ImageDef, rebuild: bool) -> bool {
    rebuild || image.sealed.is_none()
}

/// Builds those images that are due, and the bases that they stand on; gives those that were asked for.
pub fn build_due(
    images: &[ImageDef],
    store: &Store,
    rebuild: bool,
    progress: &dyn BuildProgress,
    cancel: &CancellationToken,
) -> Result<Vec<Sealed>, NotBuilt> {
    let todo: Vec<&ImageDef> = images.iter().filter(|image| is_due(image, rebuild)).collect();
    for image in &todo {
        ready(image).map_err(|error| NotBuilt {
            image: image.name.clone(),
            error,
        })?;
    }
    // Bases first: a role layer that waits for its base would hold a builder.
    let asked: BTreeSet<&str> = todo.iter().map(|image| image.name.as_str()).collect();
    let mut bases: Vec<ImageDef> = Vec::new();
    for base in todo.iter().filter_map(|image| image.base(store)) {
        if base.sealed.is_none() && !asked.contains(base.name.as_str()) && !bases.contains(&base) {
            bases.push(base);
        }
    }
    let (asked_bases, layers): (Vec<&ImageDef>, Vec<&ImageDef>) =
        todo.iter().partition(|image| image.role.is_none());
    side_by_side(&bases.iter().collect::<Vec<_>>(), store, false, progress, cancel)?;
    let mut made = side_by_side(&asked_bases, store, rebuild, progress, cancel)?;
    made.extend(side_by_side(&layers, store, rebuild, progress, cancel)?);
    Ok(made)
}

/// Builds these images, [`BUILDERS`] at once. The first failure stops what has not begun; what runs is ended.
fn side_by_side(
    images: &[&ImageDef],
    store: &Store,
    rebuild: bool,
    progress: &dyn BuildProgress,
    cancel: &CancellationToken,
) -> Result<Vec<Sealed>, NotBuilt> {
    let next = AtomicUsize::new(0);
    let stop = cancel.child_token();
    let made = Mutex::new(Vec::new());
    let failed: Mutex<Option<NotBuilt>> = Mutex::new(None);
    let worker = || {
        while let Some(image) = images.get(next.fetch_add(1, Ordering::Relaxed)) {
            match build(image, store, rebuild, progress, &stop) {
                Ok(sealed) => locked(&made).push(sealed),
                Err(error) => {
                    // The ones that are ended because of the first say no more than that.
                    locked(&failed).get_or_insert(NotBuilt {
                        image: image.name.clone(),
                        error,
                    });
                    stop.cancel();
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..BUILDERS.min(images.len()) {
            scope.spawn(worker);
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failed) => Err(failed),
        None => Ok(made.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
