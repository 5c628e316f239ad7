//! From a root file system of Debian to a bootable disk, without a mount or a loop device.
//!
//! The disk boots by BIOS: GRUB's boot.img in the master boot record, its core image in the gap before the first
//! partition, one ext4 partition. GRUB's script boots `/vmlinuz` and `/initrd.img`, the links that Debian's kernel
//! packages keep on the newest kernel, so that a kernel update is really what boots next.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use crate::image::error::BuildError;
use crate::image::process::{Job, Runner};
use crate::system::file;
use crate::units::Mib;

/// Where GRUB's files for BIOS boot are (package grub-pc-bin).
pub const GRUB: &str = "/usr/lib/grub/i386-pc";
/// Where the partition starts, in bytes; the gap before it holds GRUB's core image.
const PARTITION: u64 = 1024 * 1024;
/// Bytes of a part of GRUB.
const GRUB_LIMIT: u64 = 4 * 1024 * 1024;
/// A sector, in bytes.
const SECTOR: u64 = 512;
/// The part of the master boot record before the partition table.
const BOOT_CODE: usize = 440;
/// How long one step of making a disk may take.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// Named one by one, because a newer mke2fs has defaults that an older guest's kernel or GRUB cannot read (ext4(5)). No
/// journal: clones are thrown away.
const FEATURES: &str =
    "none,dir_index,dir_nlink,ext_attr,extent,extra_isize,filetype,flex_bg,huge_file,large_file,sparse_super";

/// Builder text that decides what a disk is; part of every key.
pub const DECIDES: &[&str] = &[FEATURES, MODULES, SCRIPT];

const MODULES: &str = "biosdisk part_msdos ext2 linux";

/// Embedded in the core image: GRUB then needs no further file from the disk.
const SCRIPT: &str =
    "set root=(hd0,msdos1)\nlinux /vmlinuz root=LABEL=root rw @KERNEL@\ninitrd /initrd.img\nboot\n";

/// Makes `out` (qcow2) from the tree at `root`, with scratch files in `work`.
pub fn make(
    runner: &Runner,
    root: &Path,
    work: &Path,
    size: Mib,
    kernel: &str,
    out: &Path,
) -> Result<(), BuildError> {
    let raw = work.join("disk.raw");
    let table = work.join("partitions");
    let script = work.join("grub.cfg");
    let core = work.join("core.img");
    let failed = |what: &'static str| move |error| BuildError::of_io(what, work, error);
    File::create(&raw)
        .and_then(|file| file.set_len(size.bytes()))
        .map_err(failed("make the disk"))?;
    fs::write(&table, "start=2048, type=83, bootable\n").map_err(failed("make the partition table"))?;
    fs::write(&script, SCRIPT.replace("@KERNEL@", kernel)).map_err(failed("write GRUB's script"))?;

    let run = |what: &str, argv: &[&str]| runner.run(&Job::new(what, DEADLINE, argv));
    let [raw_text, table_text, script_text, core_text, root_text, out_text] =
        [&raw, &table, &script, &core, root, out].map(|path: &Path| path.to_string_lossy().into_owned());
    run(
        "make the partition table",
        &[
            "sh",
            "-ec",
            include_str!("partition.sh"),
            "sh",
            &raw_text,
            &table_text,
        ],
    )?;
    let kib = format!("{}k", (size.bytes() - PARTITION) / 1024);
    let offset = format!("offset={PARTITION},lazy_itable_init=1,root_owner=0:0");
    run(
        "make the file system",
        &[
            "mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-m", "1", "-O", FEATURES, "-E", &offset, "-d",
            &root_text, &raw_text, &kib,
        ],
    )?;
    let mut grub = vec![
        "grub-mkimage",
        "-O",
        "i386-pc",
        "-c",
        &script_text,
        "-o",
        &core_text,
        "-p",
        "/boot/grub",
    ];
    grub.extend(MODULES.split(' '));
    run("make GRUB's core image", &grub)?;
    write_boot_code(&raw, &core).map_err(failed("write GRUB to the disk"))?;
    run(
        "convert the disk",
        &[
            "qemu-img", "convert", "-f", "raw", "-O", "qcow2", &raw_text, &out_text,
        ],
    )?;
    fs::remove_file(&raw).map_err(failed("remove the raw disk"))
}

fn write_boot_code(raw: &Path, core: &Path) -> io::Result<()> {
    let boot = file::read(&Path::new(GRUB).join("boot.img"), GRUB_LIMIT)?;
    let core = file::read(core, GRUB_LIMIT)?;
    if boot.len() < BOOT_CODE || core.len() as u64 > PARTITION - SECTOR {
        return Err(io::Error::other("GRUB's images do not fit before the partition"));
    }
    let mut disk = OpenOptions::new().write(true).open(raw)?;
    disk.write_all(&boot[..BOOT_CODE])?;
    disk.seek(SeekFrom::Start(SECTOR))?;
    disk.write_all(&core)
}
