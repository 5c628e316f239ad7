//! LVM's physical volumes, by what they call themselves (lvm2, lib/format_text/layout.h).

use crate::image::format::flaw::Flaw;
use crate::image::format::read::{Source, le32, start};
use crate::image::format::table::Table;

const SECTOR: usize = 512;
/// Sectors at the beginning of a volume in which its label can be.
const LABELS: usize = 4;
/// Bytes of a volume's name.
const NAME: usize = 32;

/// The names of the physical volumes on a disk: of the whole of it, or of its partitions.
pub fn volumes(source: &dyn Source, table: Option<&Table>) -> Result<Vec<String>, Flaw> {
    let places = table.map_or_else(
        || vec![0],
        |table| table.partitions.iter().map(|partition| partition.first).collect(),
    );
    let mut found = Vec::new();
    for place in places {
        found.extend(volume(source, place)?);
    }
    Ok(found)
}

fn volume(source: &dyn Source, place: u64) -> Result<Option<String>, Flaw> {
    let beginning = start(source, place, LABELS * SECTOR)?;
    Ok(beginning.chunks_exact(SECTOR).find_map(|label| {
        if !label.starts_with(b"LABELONE") || label.get(24..32) != Some(b"LVM2 001") {
            return None;
        }
        let at = usize::try_from(le32(label, 20)).ok()?;
        let name = label.get(at..at.checked_add(NAME)?)?;
        let plain = name.iter().all(u8::is_ascii_alphanumeric);
        plain.then(|| name.iter().copied().map(char::from).collect())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_known_by_its_name_and_nothing_else_is_one() {
        let mut disk = vec![0; 4096];
        assert_eq!(volumes(&disk, None), Ok(Vec::new()));
        disk[512..520].copy_from_slice(b"LABELONE");
        disk[512 + 20..512 + 24].copy_from_slice(&32_u32.to_le_bytes());
        disk[512 + 24..512 + 32].copy_from_slice(b"LVM2 001");
        disk[512 + 32..512 + 64].copy_from_slice(&[b'k'; 32]);
        assert_eq!(volumes(&disk, None), Ok(vec!["k".repeat(32)]));
        disk[512 + 20..512 + 24].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(volumes(&disk, None), Ok(Vec::new()));
        assert_eq!(volumes(&vec![0; 100], None), Ok(Vec::new()));
    }
}
