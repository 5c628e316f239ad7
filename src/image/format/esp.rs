//! What UEFI firmware finds to begin on a disk: the files of its EFI system partition.

use crate::image::format::boot::is_esp;
use crate::image::format::fat::{Fat, Folder, Item};
use crate::image::format::flaw::Flaw;
use crate::image::format::load_option::{Drive, Target};
use crate::image::format::read::{Source, Stretch};
use crate::image::format::table::{Partition, Table};

/// What firmware begins on a disk of which it knows nothing (UEFI 2.10, 3.5.1.1).
pub const FALLBACK: &str = "\\EFI\\BOOT\\BOOTX64.EFI";
/// EFI system partitions that are looked at.
const PARTITIONS: usize = 8;
/// Files of all of its folders, and those folders, that are looked at.
const FILES: usize = 4096;
const FOLDERS: usize = 256;
/// Folders within `\EFI`: that of Windows is in another one.
const DEPTH: usize = 2;
/// Characters of a path: what a description of an entry's length can hold by far.
const PATH: usize = 255;
/// Boot loaders that get an entry.
const LOADERS: usize = 8;

/// How names of what is no boot loader begin: shim's own helpers, firmware updates, shells, tests of memory, and GRUB for CDs.
const HELPERS: [&str; 8] = ["mm", "mok", "fb", "fwup", "shell", "memtest", "gcd", "keytool"];
/// What is in the names of those for other processors.
const OTHERS: [&str; 5] = ["ia32", "aa64", "arm", "riscv", "loongarch"];

/// What a boot loader is; the first is begun where there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Shim,
    Grub,
    SystemdBoot,
    Windows,
    Other,
}

/// An EFI system partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Esp {
    /// The partition as a boot entry names it; `None` where its file system is over the whole disk.
    pub drive: Option<Drive>,
    /// Paths of the programs in it, as its folders have them.
    files: Vec<String>,
}

/// The EFI system partition of a disk; of several the one that has most for firmware. `None` where there is none. Without partitions
/// firmware looks at the whole disk, which counts where it has programs.
pub fn find(disk: &dyn Source, table: Option<&Table>) -> Option<Result<Esp, Flaw>> {
    let Some(table) = table else {
        let found = Fat::of(disk).transpose()?.and_then(|fat| programs(&fat));
        let esp = found.map(|files| Esp { drive: None, files });
        return Some(esp).filter(|esp| esp.as_ref().map_or(true, |esp| !esp.files.is_empty()));
    };
    let partitions = table.partitions.iter().filter(|entry| is_esp(entry));
    let looked = partitions.take(PARTITIONS).map(|entry| look(disk, table, entry));
    // Of equals the first.
    looked.min_by_key(|found| match found {
        Ok(esp) if esp.has_fallback() => 0,
        Ok(esp) if !esp.loaders(false).is_empty() => 1,
        Ok(_) => 2,
        Err(_) => 3,
    })
}

fn look(disk: &dyn Source, table: &Table, entry: &Partition) -> Result<Esp, Flaw> {
    let length = entry.end.saturating_sub(entry.first);
    let part = Stretch {
        whole: disk,
        first: entry.first,
        length,
    };
    let none = || Flaw::Damaged("no FAT file system is on it".into());
    let fat = Fat::of(&part)?.ok_or_else(none)?;
    let sector = u64::from(table.sector.max(1));
    let drive = Drive {
        number: entry.number,
        first: entry.first / sector,
        sectors: length / sector,
        id: entry.id,
        gpt: table.gpt,
    };
    Ok(Esp {
        drive: Some(drive),
        files: programs(&fat)?,
    })
}

/// The paths of the programs in a file system.
fn programs(fat: &Fat<'_>) -> Result<Vec<String>, Flaw> {
    let mut files = Vec::new();
    let mut folders: Vec<(String, Folder, usize)> = Vec::new();
    for (name, item) in fat.items(fat.root())? {
        if let Item::Folder(folder) = item
            && name.eq_ignore_ascii_case("EFI")
        {
            folders.push((format!("\\{name}"), folder, 0));
        }
    }
    let mut number = 0;
    while let Some((path, folder, depth)) = folders.get(number).cloned() {
        number += 1;
        for (name, item) in fat.items(folder)? {
            let path = format!("{path}\\{name}");
            if path.chars().count() > PATH || name.contains(['\\', '/', '\u{fffd}']) {
                continue;
            }
            match item {
                Item::Folder(folder) if depth < DEPTH => folders.push((path, folder, depth + 1)),
                Item::File(1..) if name.to_ascii_lowercase().ends_with(".efi") => files.push(path),
                Item::Folder(_) | Item::File(_) => {}
            }
            if folders.len() > FOLDERS || files.len() > FILES {
                return Err(Flaw::Damaged("there is too much in its folder \\EFI".into()));
            }
        }
    }
    Ok(files)
}

impl Esp {
    /// Whether there is a program of that path.
    pub fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.eq_ignore_ascii_case(path))
    }

    /// Whether firmware that knows nothing of the disk begins something.
    pub fn has_fallback(&self) -> bool {
        self.has(FALLBACK)
    }

    /// Whether what an entry leads to is there.
    pub fn is_reached_by(&self, target: &Target) -> bool {
        self.drive.is_some_and(|drive| target.id == drive.id) && self.has(&target.path)
    }

    /// Its boot loaders, one of each folder, with the folder's name; the first is to be begun. `secure`: those that somebody has
    /// signed whom all firmware knows, where there are any.
    pub fn loaders(&self, secure: bool) -> Vec<(&str, &str)> {
        let mut all: Vec<(Rank, usize, &str, &str)> = self
            .files
            .iter()
            .filter_map(|path| {
                let (rank, folder) = rank(path)?;
                Some((rank, path.len(), path.as_str(), folder))
            })
            .collect();
        // Of one kind the shorter name: what distributions add to it marks variants.
        all.sort();
        let is_signed = |rank: Rank| matches!(rank, Rank::Shim | Rank::Windows);
        if secure && all.iter().any(|(rank, ..)| is_signed(*rank)) {
            all.retain(|(rank, ..)| is_signed(*rank));
        }
        let mut found: Vec<(&str, &str)> = Vec::new();
        for (_, _, path, folder) in all {
            let is_new = |(_, known): &(&str, &str)| !known.eq_ignore_ascii_case(folder);
            if found.len() < LOADERS && found.iter().all(is_new) {
                found.push((path, folder));
            }
        }
        found
    }
}

/// What a program is, with the folder within `\EFI` that it is in; `None` where it boots nothing.
fn rank(path: &str) -> Option<(Rank, &str)> {
    let parts: Vec<&str> = path.split('\\').collect();
    match parts.as_slice() {
        [_, _, folder, file] => {
            let file = file.to_ascii_lowercase();
            let begins = |begin: &&str| file.starts_with(begin);
            if HELPERS.iter().any(begins) || OTHERS.iter().any(|other| file.contains(other)) {
                return None;
            }
            let rank = if file.starts_with("shim") {
                Rank::Shim
            } else if file.starts_with("grub") {
                Rank::Grub
            } else if file.starts_with("systemd-boot") {
                Rank::SystemdBoot
            } else {
                Rank::Other
            };
            Some((rank, folder))
        }
        [_, _, folder, boot, file] => {
            let is_windows = folder.eq_ignore_ascii_case("Microsoft")
                && boot.eq_ignore_ascii_case("Boot")
                && file.eq_ignore_ascii_case("bootmgfw.efi");
            is_windows.then_some((Rank::Windows, folder))
        }
        _ => None,
    }
}
