//! Small disks with partition tables, as installers leave them.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use patchgate::image::format::read::{CRC32, crc32};

/// The kind of an EFI system partition, and of one for Linux.
const ESP: [u8; 16] = [
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
];
const LINUX: [u8; 16] = [
    0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
];

fn put(disk: &mut [u8], at: usize, value: &[u8]) {
    disk[at..at + value.len()].copy_from_slice(value);
}

/// Something here and there, which depends on the seed.
fn filled(mib: usize, seed: u8) -> Vec<u8> {
    let mut disk = vec![0; mib << 20];
    for at in (1..mib - 1).map(|mib| mib << 20) {
        for (number, byte) in disk[at..at + 65536].iter_mut().enumerate() {
            *byte = u8::try_from(number % 251).expect("small") ^ seed;
        }
    }
    disk
}

/// A FAT file system of so many bytes with these files; a path that ends with `/` is a folder. What is in them is the seed.
pub fn fat(bytes: usize, sector: usize, files: &[&str], seed: u8) -> Vec<u8> {
    let mut volume = Cursor::new(vec![0; bytes]);
    let sector = u16::try_from(sector).expect("small");
    let options = fatfs::FormatVolumeOptions::new().bytes_per_sector(sector);
    fatfs::format_volume(&mut volume, options).expect("formatted");
    volume.set_position(0);
    let system = fatfs::FileSystem::new(&mut volume, fatfs::FsOptions::new()).expect("a file system");
    for path in files {
        for (end, _) in path.match_indices('/') {
            system.root_dir().create_dir(&path[..end]).expect("a folder");
        }
        if !path.ends_with('/') {
            let mut file = system.root_dir().create_file(path).expect("a file");
            file.write_all(&[seed; 700]).expect("written");
        }
    }
    system.unmount().expect("unmounted");
    volume.into_inner()
}

/// A disk with a GPT: an EFI system partition and one for Linux, and the second header in its last sector.
pub fn gpt(mib: usize, sector: usize, seed: u8) -> Vec<u8> {
    gpt_with(mib, sector, seed, &["EFI/BOOT/BOOTX64.EFI"])
}

/// The same with these files in its EFI system partition.
pub fn gpt_with(mib: usize, sector: usize, seed: u8, files: &[&str]) -> Vec<u8> {
    let mut disk = filled(mib, seed);
    put(&mut disk, 1 << 20, &fat(2 << 20, sector, files, seed));
    let last = (mib << 20) / sector - 1;
    let step = (1 << 20) / sector;
    let partitions = [(ESP, step, 3 * step - 1), (LINUX, 3 * step, last - step)];
    label(&mut disk, sector, &partitions);
    disk
}

/// A disk with a GPT that has no partitions, and nothing else.
pub fn empty_gpt(mib: usize) -> Vec<u8> {
    let mut disk = vec![0; mib << 20];
    label(&mut disk, 512, &[]);
    disk
}

/// Writes both copies of a GPT: the kind of each partition, and its first and last sector.
fn label(disk: &mut [u8], sector: usize, partitions: &[([u8; 16], usize, usize)]) {
    let last = disk.len() / sector - 1;
    let blocks = (128 * 128_usize).div_ceil(sector);
    let mut table = vec![0; 128 * 128];
    for (number, &(kind, first, end)) in partitions.iter().enumerate() {
        put(&mut table, number * 128, &kind);
        put(&mut table, number * 128 + 16, &[7; 16]);
        put(&mut table, number * 128 + 32, &(first as u64).to_le_bytes());
        put(&mut table, number * 128 + 40, &(end as u64).to_le_bytes());
    }
    let header = |here: usize, other: usize, entries: usize| {
        let mut made = vec![0; 92];
        put(&mut made, 0, b"EFI PART\0\0\x01\0");
        put(&mut made, 12, &92_u32.to_le_bytes());
        for (at, value) in [
            (24, here),
            (32, other),
            (40, 2 + blocks),
            (48, last - 1 - blocks),
            (72, entries),
        ] {
            put(&mut made, at, &(value as u64).to_le_bytes());
        }
        put(&mut made, 80, &128_u32.to_le_bytes());
        put(&mut made, 84, &128_u32.to_le_bytes());
        put(&mut made, 88, &crc32(CRC32, &table).to_le_bytes());
        let sum = crc32(CRC32, &made);
        put(&mut made, 16, &sum.to_le_bytes());
        made
    };
    put(disk, 450, &[0xee]);
    put(disk, 454, &1_u32.to_le_bytes());
    put(disk, 458, &u32::try_from(last).expect("small").to_le_bytes());
    put(disk, 510, &[0x55, 0xaa]);
    put(disk, sector, &header(1, last, 2));
    put(disk, 2 * sector, &table);
    put(disk, (last - blocks) * sector, &table);
    put(disk, last * sector, &header(last, 1, last - blocks));
}

/// A disk with an MBR: code, and one active partition for Linux.
pub fn mbr(mib: usize, seed: u8) -> Vec<u8> {
    let mut disk = filled(mib, seed);
    put(&mut disk, 0, &[0xeb, 0x3c, 0x90]);
    put(&mut disk, 446, &[0x80, 0, 0, 0, 0x83]);
    put(&mut disk, 454, &2048_u32.to_le_bytes());
    let sectors = (mib << 20) / 512 - 2048;
    put(
        &mut disk,
        458,
        &u32::try_from(sectors).expect("small").to_le_bytes(),
    );
    put(&mut disk, 510, &[0x55, 0xaa]);
    disk
}

/// Runs a program in a folder, which must end well.
pub fn run(folder: &Path, argv: &[&str]) {
    let made = Command::new(argv[0])
        .args(&argv[1..])
        .current_dir(folder)
        .output()
        .expect("it runs");
    assert!(
        made.status.success(),
        "{argv:?}: {}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// Writes a disk, and makes one of another format of it; options are as `qemu-img convert -o` takes them, or nothing.
pub fn converted(folder: &Path, content: &[u8], format: &str, options: &str, name: &str) -> PathBuf {
    fs::write(folder.join(".content"), content).expect("written");
    let mut argv = vec!["qemu-img", "convert", "-f", "raw", "-O", format];
    if !options.is_empty() {
        argv.extend(["-o", options]);
    }
    argv.extend([".content", name]);
    run(folder, &argv);
    fs::remove_file(folder.join(".content")).expect("removed");
    folder.join(name)
}

/// A small disk of a format, with a boot sector and nothing else, so that nothing tells of its firmware.
pub fn small(folder: &Path, format: &str, name: &str) -> PathBuf {
    let mut disk = vec![0; 2 << 20];
    put(&mut disk, 0, &[0xeb, 0x3c, 0x90]);
    put(&mut disk, 510, &[0x55, 0xaa]);
    converted(folder, &disk, format, "", name)
}
