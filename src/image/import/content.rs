//! The guest's disk as it is in the converted copy: its digest, and what it shows of itself.

use sha2::{Digest, Sha256};

use crate::image::error::BuildError;
use crate::image::format::flaw::Flaw;
use crate::image::format::qcow2::guest::Guest;
use crate::image::format::read::Source;
use crate::image::import::copy::zeros;
use crate::image::import::desk::Desk;
use crate::input::hex;

/// Bytes after which somebody is told.
const TOLD: u64 = 64 << 20;

/// What is known of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// SHA-256, hexadecimal, of the whole disk: the same for the same disk in whatever format.
    pub sha256: String,
    /// Whether there is anything but zeros.
    pub something: bool,
}

/// Digests a whole disk.
pub fn digest(
    desk: &Desk<'_>,
    guest: &Guest<impl Source>,
    unfit: &dyn Fn(Flaw) -> BuildError,
) -> Result<Known, BuildError> {
    let mut hash = Sha256::new();
    let (size, cluster) = (guest.size(), guest.cluster());
    let mut buffer = vec![0; usize::try_from(cluster).unwrap_or(0)];
    let (mut at, mut hole, mut told) = (0, 0, 0);
    let mut something = false;
    while at < size {
        let length = (size - at).min(cluster);
        let part = &mut buffer[..usize::try_from(length).unwrap_or(0)];
        if guest.part(at, part).map_err(unfit)? {
            zeros(&mut hash, std::mem::take(&mut hole));
            hash.update(&*part);
            something = something || part.iter().any(|&byte| byte != 0);
        } else {
            hole += length;
        }
        at += length;
        if at - told >= TOLD {
            desk.runner.check()?;
            zeros(&mut hash, std::mem::take(&mut hole));
            desk.progress.bytes(at, Some(size));
            told = at;
        }
    }
    zeros(&mut hash, hole);
    Ok(Known {
        sha256: hex(&hash.finalize()),
        something,
    })
}
