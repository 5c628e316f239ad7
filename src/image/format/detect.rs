//! Which format a file is, by its content alone and once; whoever reads it is told.

use crate::image::foreign::Format;
use crate::image::format::flaw::Flaw;
use crate::image::format::packed::Packing;
use crate::image::format::read::{Source, start};
use crate::image::format::{vdi, vhd};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A disk.
    Disk(Format),
    /// VMware's description of a disk whose bytes are in files beside it.
    Description,
    /// Packed; what is in it is seen when it is unpacked.
    Packed(Packing),
}

/// Bytes at the beginning that tell.
const START: usize = 4096;

/// What else begins so, in words: what is no disk, and disks that are not taken.
const STRANGE: &[(usize, &[u8], &str)] = &[
    (0, b"QED\0", "a disk of format qed"),
    (0, b"COWD", "a snapshot of VMware (a redo log)"),
    (0, b"\xbe\xba\xfe\xca\0\0\0\0", "a snapshot of VMware (SEsparse)"),
    (0, b"WithoutFreeSpace", "a disk of format parallels"),
    (0, b"WithouFreSpacExt", "a disk of format parallels"),
    (0, b"Bochs Virtual HD Image", "a disk of format bochs"),
    (0, b"VMA\0", "a backup of Proxmox (vma)"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"BZh", "packed by bzip2"),
    (0, b"\x89LZO\0\r\n\x1a\n", "packed by lzop"),
    (0, b"\x04\x22\x4d\x18", "packed by lz4"),
    (257, b"ustar", "a tar archive"),
    (0, b"<?xml", "a text (XML)"),
];

/// What a file is. Of `told`, whoever knows that a disk is raw is believed, for its first sector is the guest's; whoever says
/// anything else must be right.
pub fn detect(source: &dyn Source, told: Option<Format>) -> Result<Content, Flaw> {
    if source.size() == 0 {
        return Err(Flaw::Empty);
    }
    if told == Some(Format::Raw) {
        return Ok(Content::Disk(Format::Raw));
    }
    let found = found(source)?;
    match (told, found) {
        (None, _) | (Some(_), Content::Packed(_)) | (Some(Format::Vmdk), Content::Description) => Ok(found),
        (Some(said), Content::Disk(format)) if said == format => Ok(found),
        (Some(said), Content::Disk(format)) => Err(Flaw::Other {
            said: said.qemu(),
            found: format.qemu(),
        }),
        (Some(said), Content::Description) => Err(Flaw::Other {
            said: said.qemu(),
            found: Format::Vmdk.qemu(),
        }),
    }
}

fn found(source: &dyn Source) -> Result<Content, Flaw> {
    let start = start(source, 0, START)?;
    if let Some(packing) = Packing::of(&start) {
        return Ok(Content::Packed(packing));
    }
    if start.starts_with(b"LUKS\xba\xbe") {
        return Err(Flaw::Encrypted("the whole of it is a LUKS container".into()));
    }
    let begins = |magic: &[u8]| start.starts_with(magic);
    if begins(b"QFI\xfb") {
        return Ok(Content::Disk(Format::Qcow2));
    }
    if begins(b"KDMV") {
        return Ok(Content::Disk(Format::Vmdk));
    }
    if begins(b"vhdxfile") {
        return Ok(Content::Disk(Format::Vhdx));
    }
    if vdi::begins(&start) {
        return Ok(Content::Disk(Format::Vdi));
    }
    if is_description(&start) {
        return Ok(Content::Description);
    }
    let strange = STRANGE
        .iter()
        .find(|(at, magic, _)| start.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    if let Some((_, _, what)) = strange {
        return Err(Flaw::Strange((*what).to_owned()));
    }
    // A fixed disk has its footer at the end alone, and its first sector is the guest's.
    if vhd::is(source)? {
        return Ok(Content::Disk(Format::Vhd));
    }
    Ok(Content::Disk(Format::Raw))
}

/// Whether a text is VMware's description: comments and blank lines may go before its version.
fn is_description(start: &[u8]) -> bool {
    let begins = start.trim_ascii_start();
    let heading = b"# Disk DescriptorFile";
    begins
        .get(..heading.len())
        .is_some_and(|there| there.eq_ignore_ascii_case(heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(start: &[u8]) -> Vec<u8> {
        let mut bytes = start.to_vec();
        bytes.resize(8192, 0);
        bytes
    }

    #[test]
    fn a_file_is_what_it_begins_as_and_raw_otherwise() {
        for (start, content) in [
            (&b"QFI\xfb"[..], Content::Disk(Format::Qcow2)),
            (b"KDMV", Content::Disk(Format::Vmdk)),
            (b"\r\n# disk descriptorfile\n", Content::Description),
            (b"vhdxfile", Content::Disk(Format::Vhdx)),
            (b"\x1f\x8b\x08", Content::Packed(Packing::Gzip)),
            (b"\xeb\x3c\x90", Content::Disk(Format::Raw)),
            (b"", Content::Disk(Format::Raw)),
        ] {
            assert_eq!(detect(&file(start), None), Ok(content), "{start:?}");
        }
        assert_eq!(detect(&Vec::new(), None), Err(Flaw::Empty));
        assert!(matches!(
            detect(&file(b"LUKS\xba\xbe"), None),
            Err(Flaw::Encrypted(_))
        ));
        for (at, magic, what) in STRANGE {
            let mut bytes = file(b"");
            bytes[*at..at + magic.len()].copy_from_slice(magic);
            assert_eq!(
                detect(&bytes, None),
                Err(Flaw::Strange((*what).to_owned())),
                "{what}"
            );
        }
    }

    #[test]
    fn a_raw_disk_that_poses_is_raw_for_whoever_knows_it_and_no_other_word_is_believed() {
        let poses = file(b"QFI\xfb");
        assert_eq!(detect(&poses, Some(Format::Raw)), Ok(Content::Disk(Format::Raw)));
        assert_eq!(detect(&poses, None), Ok(Content::Disk(Format::Qcow2)));
        assert_eq!(
            detect(&poses, Some(Format::Vmdk)),
            Err(Flaw::Other {
                said: "vmdk",
                found: "qcow2"
            })
        );
        assert!(detect(&file(b"# Disk DescriptorFile"), Some(Format::Vhd)).is_err());
        assert!(detect(&file(b""), Some(Format::Qcow2)).is_err());
    }
}
