//! The description of a VMware disk: a text beside its extents, or inside the only one.

use crate::image::format::flaw::{Flaw, name};

/// Bytes of a description.
pub const MOST: usize = 1 << 20;
/// Extents of a disk: 4 TiB in pieces of 2 GiB.
const EXTENTS: usize = 2048;

/// An extent: a run of the disk's sectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Sectors of 512 bytes.
    pub sectors: u64,
    /// Where they are.
    pub place: Place,
}

/// Where an extent's sectors are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file as they are, from that byte on.
    Flat(String, u64),
    /// In a file with tables of its own.
    Sparse(String),
    /// Nowhere; they are zeros.
    Zero,
}

/// Reads a description; one that leans on another disk, or is encrypted, is refused.
pub fn read(text: &[u8]) -> Result<Vec<Extent>, Flaw> {
    let mut extents = Vec::new();
    let mut parent = None;
    let mut leans = false;
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    for line in text.split(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let access = line.split_whitespace().next().unwrap_or_default();
        if ["RW", "RDONLY", "NOACCESS"].contains(&access) {
            if extents.len() == EXTENTS {
                return Err(Flaw::Damaged("its description has no end of extents".into()));
            }
            extents.push(extent(line)?);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(Flaw::Unknown(format!(
                "has a line in its description that is not understood, {}",
                name(line)
            )));
        };
        let (key, value) = (
            key.trim().to_ascii_lowercase(),
            value.trim().trim_matches('"').to_owned(),
        );
        if key.starts_with("encryption") || key.contains("keysafe") || key.ends_with("keyid") {
            return Err(Flaw::Encrypted("by VMware".into()));
        }
        if key == "ddb.iofilters" && value.to_ascii_lowercase().contains("crypt") {
            return Err(Flaw::Encrypted("by VMware".into()));
        }
        match key.as_str() {
            "parentcid" => leans |= !value.eq_ignore_ascii_case("ffffffff"),
            "parentfilenamehint" => parent = Some(value),
            _ => {}
        }
    }
    if leans || parent.is_some() {
        let parent = parent.map(|parent| name(&parent));
        return Err(Flaw::Leans(
            parent.unwrap_or_else(|| "of a name that is not there".into()),
        ));
    }
    Ok(extents)
}

/// Reads `RW 4192256 SPARSE "server-s001.vmdk"`. QEMU passes over what it does not know, and would make a shorter disk.
fn extent(line: &str) -> Result<Extent, Flaw> {
    let odd = || {
        Flaw::Unknown(format!(
            "has an extent in its description that is not understood, {}",
            name(line)
        ))
    };
    let (head, file, tail) = match (line.find('"'), line.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            (&line[..first], Some(&line[first + 1..last]), &line[last + 1..])
        }
        (None, _) => (line, None, ""),
        (Some(_), _) => return Err(odd()),
    };
    let words: Vec<&str> = head.split_whitespace().collect();
    let [access, sectors, kind] = words[..] else {
        return Err(odd());
    };
    let sectors: u64 = sectors.parse().map_err(|_| odd())?;
    let first: u64 = match tail.split_whitespace().next() {
        None => 0,
        Some(first) => first.parse().map_err(|_| odd())?,
    };
    // A disk of 64 TiB is the largest that VMware makes.
    if sectors > 1 << 37 || first > 1 << 37 || access == "NOACCESS" {
        return Err(odd());
    }
    let place = match (kind, file) {
        ("FLAT" | "VMFS", Some(file)) => Place::Flat(file.to_owned(), first * 512),
        ("SPARSE", Some(file)) => Place::Sparse(file.to_owned()),
        ("ZERO", _) => Place::Zero,
        ("VMFSSPARSE" | "SESPARSE", Some(file)) => {
            return Err(Flaw::Leans(format!(
                "that which VMware made the snapshot {} of",
                name(file)
            )));
        }
        ("VMFSRDM" | "VMFSRAW" | "FULLDEVICE" | "PARTITIONEDDEVICE", file) => {
            return Err(Flaw::Outside {
                file: file.unwrap_or("a device").to_owned(),
                why: "a device of the machine that it comes from".into(),
            });
        }
        _ => return Err(odd()),
    };
    Ok(Extent { sectors, place })
}

/// A description of our own, of extents in that order, as QEMU reads it. No line of it is blank: QEMU 10 takes a blank line
/// together with the extent below it, and has that extent twice.
pub fn write(extents: &[Extent]) -> String {
    let mut text = String::from(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"twoGbMaxExtentSparse\"\n",
    );
    for extent in extents {
        use std::fmt::Write;
        let sectors = extent.sectors;
        // Writing to a String cannot fail.
        let _ = match &extent.place {
            Place::Flat(file, first) => {
                writeln!(text, "RW {sectors} FLAT \"{file}\" {}", first / 512)
            }
            Place::Sparse(file) => writeln!(text, "RW {sectors} SPARSE \"{file}\""),
            Place::Zero => writeln!(text, "RW {sectors} ZERO"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "# Disk DescriptorFile\r\nversion=1\r\nCID=1\r\nparentCID=ffffffff\r\ncreateType=\"x\"\r\n";

    fn read_lines(lines: &str) -> Result<Vec<Extent>, Flaw> {
        read(format!("{HEAD}{lines}\0\0rest").as_bytes())
    }

    #[test]
    fn extents_are_read_in_their_order_with_blanks_in_their_names() {
        let found = read_lines(
            "RW 16 FLAT \"a disk-flat.vmdk\" 8\r\nRW 8 SPARSE \"b\"\nRW 4 ZERO\nRW 2 VMFS \"c-flat.vmdk\"\n# RW 1 FLAT \"no\"\n",
        )
        .expect("understood");
        let places: Vec<Place> = found.iter().map(|extent| extent.place.clone()).collect();
        assert_eq!(
            places,
            [
                Place::Flat("a disk-flat.vmdk".into(), 4096),
                Place::Sparse("b".into()),
                Place::Zero,
                Place::Flat("c-flat.vmdk".into(), 0)
            ]
        );
        assert_eq!(read(write(&found).as_bytes()), Ok(found));
    }

    #[test]
    fn what_is_not_understood_is_never_passed_over() {
        for line in [
            "RW x FLAT \"a\"",
            "RW 1 NEW \"a\"",
            "RW 1",
            "RW 1 FLAT",
            "RW 1 FLAT \"a",
            "NOACCESS 1 FLAT \"a\"",
            "RW 99999999999999 FLAT \"a\"",
            "rubbish",
        ] {
            assert!(matches!(read_lines(line), Err(Flaw::Unknown(_))), "{line}");
        }
    }

    #[test]
    fn snapshots_encryption_and_devices_are_refused_as_what_they_are() {
        for (line, chain) in [
            ("parentCID=12345678", "of a name that is not there"),
            ("parentFileNameHint = \"server.vmdk\"", "`server.vmdk`"),
        ] {
            assert_eq!(read_lines(line), Err(Flaw::Leans(chain.into())), "{line}");
        }
        assert!(matches!(read_lines("RW 1 SESPARSE \"a\""), Err(Flaw::Leans(_))));
        for line in [
            "encryption.keySafe = \"vmware:key\"",
            "ddb.iofilters = \"vmwarevmcrypt\"",
        ] {
            assert!(matches!(read_lines(line), Err(Flaw::Encrypted(_))), "{line}");
        }
        assert!(matches!(
            read_lines("RW 1 FULLDEVICE \"/dev/sda\""),
            Err(Flaw::Outside { .. })
        ));
    }
}
