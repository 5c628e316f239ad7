//! The picture of a VM's screen.

use virt::connect::Connect;
use virt::stream::Stream;

use crate::host::libvirt::error::doing;
use crate::host::libvirt::picture;
use crate::model::name::DomainName;
use crate::port::LabError;

/// Bytes of a picture that are read: a screen of 1920 by 1440 pixels as PPM has as many.
const LIMIT: usize = 8 * 1024 * 1024;
/// Bytes that are asked for at once.
const PIECE: usize = 256 * 1024;

/// The screen of a running VM, as PNG; nothing where what comes is no picture of a screen.
///
/// # Errors
/// It has no screen, does not run, or libvirt fails.
pub fn take(conn: &Connect, name: &DomainName) -> Result<Option<Vec<u8>>, LabError> {
    let reading = || doing(format!("reading the screen of domain {name}"));
    let domain = conn.lookup_domain_by_name(name.as_str()).map_err(reading())?;
    let stream = Stream::new(conn, 0).map_err(reading())?;
    // What it says of the kind of picture is not needed: the picture says it itself.
    domain.screenshot(&stream, 0, 0).map_err(reading())?;
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        match stream.recv(&mut piece).map(usize::try_from) {
            Ok(Ok(0)) => break,
            Ok(Ok(read)) if bytes.len() + read <= LIMIT => bytes.extend_from_slice(&piece[..read.min(PIECE)]),
            Ok(_) => {
                let _ = stream.abort();
                return Ok(None);
            }
            Err(error) => {
                let _ = stream.abort();
                return Err(reading()(error));
            }
        }
    }
    // All of it has arrived.
    let _ = stream.finish();
    Ok(picture::png(&bytes))
}
