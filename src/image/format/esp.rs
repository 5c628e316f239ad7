//! The boot loaders on an EFI system partition (UEFI 2.10, 3.5.1 and 13.3): a FAT file system, read within bounds, as its bytes are a
//! stranger's.

use std::io::{self, Read, Seek, SeekFrom, Write};

use fatfs::{Dir, FileAttributes, FileSystem, FsOptions};

use crate::image::format::read::{Source, within};
use crate::image::format::table::Partition;

/// What a removable disk's loader is called on x86-64.
const FALLBACK: &str = "BOOTX64.EFI";
/// Loaders by their names, the one first that leads to the others.
const KNOWN: [&str; 4] = [
    "shimx64.efi",
    "grubx64.efi",
    "systemd-bootx64.efi",
    "bootmgfw.efi",
];
/// Bytes that are read of a file system, and the entries of its folders that are looked at.
const BYTES: u64 = 32 << 20;
const ENTRIES: usize = 256;
/// Bytes that are read at once.
const PIECE: usize = 4096;

/// The loaders on an EFI system partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaders {
    /// Whether one is where firmware looks that knows of none: `\EFI\BOOT\BOOTX64.EFI`.
    pub fallback: bool,
    /// The others by their paths, `\EFI\debian\shimx64.efi`, the one first that is to be begun with.
    pub own: Vec<String>,
}

/// Looks for loaders; `sector`: bytes of the disk's sectors.
///
/// # Errors
/// It is no FAT file system that can be read, in words.
pub fn loaders(disk: &dyn Source, partition: &Partition, sector: u32) -> Result<Loaders, String> {
    let window = Window {
        disk,
        first: partition.first,
        length: partition.end.saturating_sub(partition.first),
        at: 0,
        left: BYTES,
        piece: None,
    };
    is_sound(&window, sector)?;
    let words = |error: io::Error| error.to_string();
    let system = FileSystem::new(window, FsOptions::new()).map_err(words)?;
    let root = system.root_dir();
    let mut found = Loaders::default();
    let Some(efi) = folder(&root, "EFI").map_err(words)? else {
        return Ok(found);
    };
    let mut own = Vec::new();
    for vendor in names(&efi, true).map_err(words)? {
        let Some(inside) = folder(&efi, &vendor).map_err(words)? else {
            continue;
        };
        if vendor.eq_ignore_ascii_case("BOOT") {
            found.fallback = names(&inside, false)
                .map_err(words)?
                .iter()
                .any(|name| name.eq_ignore_ascii_case(FALLBACK));
            continue;
        }
        let mut add = |folder: &str, files: Vec<String>| {
            let known = files.into_iter().filter_map(|name| {
                let rank = KNOWN.iter().position(|known| name.eq_ignore_ascii_case(known))?;
                Some((rank, format!("\\EFI\\{folder}\\{name}")))
            });
            own.extend(known);
        };
        add(&vendor, names(&inside, false).map_err(words)?);
        // Windows has its own one folder deeper.
        if let Some(boot) = folder(&inside, "Boot").map_err(words)? {
            add(&format!("{vendor}\\Boot"), names(&boot, false).map_err(words)?);
        }
    }
    own.sort();
    found.own = own.into_iter().map(|(_, path)| path).collect();
    Ok(found)
}

type Folder<'f, 'd> = Dir<'f, Window<'d>>;

/// The names of folders, or of files that have something in them.
fn names(folder: &Folder<'_, '_>, of_folders: bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.iter().take(ENTRIES) {
        let entry = entry?;
        let name = entry.file_name();
        let is_plain = !name.contains(['\\', '/']) && !name.chars().any(char::is_control);
        let is_folder = entry.attributes().contains(FileAttributes::DIRECTORY);
        let is_meant = is_folder == of_folders && (is_folder || entry.len() > 0);
        if is_meant && is_plain && !matches!(name.as_str(), "." | "..") {
            names.push(name);
        }
    }
    Ok(names)
}

/// The folder of that name, in whatever case; nothing where there is none.
fn folder<'f, 'd>(within: &Folder<'f, 'd>, name: &str) -> io::Result<Option<Folder<'f, 'd>>> {
    for entry in within.iter().take(ENTRIES) {
        let entry = entry?;
        let is_folder = entry.attributes().contains(FileAttributes::DIRECTORY);
        if is_folder && entry.file_name().eq_ignore_ascii_case(name) {
            return Ok(Some(entry.to_dir()));
        }
    }
    Ok(None)
}

/// What a FAT's first sector must hold before anything is counted by it (Microsoft's fatgen103, section 3).
fn is_sound(window: &Window<'_>, sector: u32) -> Result<(), String> {
    let mut head = [0; 512];
    let read = window.disk.read(window.first, &mut head);
    read.map_err(|error| error.to_string())?;
    let bytes = u32::from(u16::from_le_bytes([head[11], head[12]]));
    let (cluster, reserved, tables) = (head[13], u16::from_le_bytes([head[14], head[15]]), head[16]);
    let is_fat = head[510..] == [0x55, 0xaa]
        && matches!(bytes, 512 | 1024 | 2048 | 4096)
        && cluster.is_power_of_two()
        && reserved > 0
        && matches!(tables, 1 | 2);
    if !is_fat {
        return Err("its EFI system partition has no FAT file system".to_owned());
    }
    if bytes < sector {
        return Err(format!(
            "the FAT file system of its EFI system partition counts sectors of {bytes} bytes, and the disk of {sector}"
        ));
    }
    Ok(())
}

/// A partition as a file, of which so many bytes can be read and none written.
struct Window<'d> {
    disk: &'d dyn Source,
    first: u64,
    length: u64,
    at: u64,
    left: u64,
    /// The piece that was read last, and where it begins.
    piece: Option<(u64, Vec<u8>)>,
}

impl Window<'_> {
    fn piece(&mut self) -> io::Result<&[u8]> {
        let start = self.at - self.at % PIECE as u64;
        if self.piece.as_ref().is_none_or(|(at, _)| *at != start) {
            let length = (self.length - start).min(PIECE as u64);
            self.left = self
                .left
                .checked_sub(length)
                .ok_or_else(|| io::Error::other("there is too much to read in it"))?;
            let from = self.first.saturating_add(start);
            within(self.disk, "its EFI system partition", from, length)
                .map_err(|flaw| io::Error::other(flaw.to_string()))?;
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(PIECE)];
            self.disk.read(from, &mut bytes)?;
            self.piece = Some((start, bytes));
        }
        let skip = usize::try_from(self.at - start).unwrap_or(PIECE);
        let piece = self.piece.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        Ok(piece.get(skip..).unwrap_or_default())
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.length {
            return Ok(0);
        }
        let piece = self.piece()?;
        let length = piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Write for Window<'_> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
