//! Unpacking a disk that a compressor has packed.

use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::image::confined::Confined;
use crate::image::error::BuildError;
use crate::image::format::flaw::Flaw;
use crate::image::format::packed::Packing;
use crate::image::import::copy::{Holed, Piece, walk};
use crate::image::import::desk::{DISK_LIMIT, Desk};
use crate::image::import::opened::Opened;
use crate::image::process::Job;
use crate::input::hex;

/// How long it may take.
const DEADLINE: Duration = Duration::from_secs(4 * 60 * 60);
/// Bytes that are written between two looks at the room that is left.
const LOOKS: u64 = 64 << 20;

/// Unpacks a file to a new one; gives the SHA-256, hexadecimal, of the packed one, read once. The program sees no file at all: its
/// input and output are pipes.
pub fn unpack(
    desk: &Desk<'_>,
    confined: &Confined,
    from: &Opened,
    path: &Path,
    packing: Packing,
    to: &Path,
) -> Result<String, BuildError> {
    let failed = |error| BuildError::of_io("unpack the disk", to, error);
    let unpacked = |flaw| BuildError::Disk {
        path: path.to_owned(),
        flaw,
    };
    let mut file = Holed::create(to).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut looked = 0;
    let job = Job::new("unpack the disk", DEADLINE, packing.command()).confined(confined);
    let outcome = desk.runner.filter(
        &job,
        |input| {
            walk(desk, from, path, &mut |piece| {
                let mut give = |bytes: &[u8]| {
                    hash.update(bytes);
                    input.write_all(bytes).map_err(failed)
                };
                match piece {
                    Piece::Data(bytes) => give(bytes),
                    // What is packed has next to none.
                    Piece::Hole(length) => {
                        let zeros = vec![0; 4096];
                        let mut left = length;
                        while left > 0 {
                            let part = usize::try_from(left).map_or(4096, |left| left.min(4096));
                            give(&zeros[..part])?;
                            left -= part as u64;
                        }
                        Ok(())
                    }
                }
            })
        },
        |bytes| {
            if file.length + bytes.len() as u64 > DISK_LIMIT {
                return Err(unpacked(Flaw::Unknown(format!(
                    "unpacks to more than {} GiB",
                    DISK_LIMIT >> 30
                ))));
            }
            file.push(bytes).map_err(failed)?;
            if file.written - looked >= LOOKS {
                looked = file.written;
                // What is there already is written once more, as the image.
                desk.has_room("unpacking it", file.written.saturating_add(LOOKS))?;
            }
            Ok(())
        },
    );
    match outcome {
        Err(BuildError::Command { tail, .. }) => {
            return Err(unpacked(Flaw::Packed(tail)));
        }
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    file.finish().map_err(failed)?;
    Ok(hex(&hash.finalize()))
}
