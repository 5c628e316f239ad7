//! Archives and backups of machines. Their checksums are made right again, since a changed input would else be refused by them alone.

use std::path::Path;

use md5::{Digest as _, Md5};
use patchgate::image::bundle::ovf::descriptor;
use patchgate::image::bundle::vma::{self, machine};
use patchgate::image::bundle::{manifest, open};

const GO_ON: &dyn Fn() -> bool = &|| false;

/// A descriptor with one of everything.
const DESCRIPTOR: &str = "<?xml version='1.0'?><Envelope xmlns='o' xmlns:ovf='o' xmlns:rasd='r' xmlns:vmw='v'><References>\
    <File ovf:id='f' ovf:href='d.vmdk' ovf:size='9' ovf:compression='gzip' ovf:chunkSize='512'/></References><DiskSection>\
    <Disk ovf:diskId='d' ovf:fileRef='f' ovf:capacity='8' ovf:capacityAllocationUnits='byte * 2^20' ovf:format='x/vmdk'/>\
    <Disk ovf:diskId='e' ovf:capacity='1'/></DiskSection><VirtualSystem ovf:id='s'><VirtualHardwareSection>\
    <Item><rasd:ResourceType>6</rasd:ResourceType><rasd:InstanceID>3</rasd:InstanceID><rasd:Address>0</rasd:Address></Item>\
    <Item><rasd:ResourceType>17</rasd:ResourceType><rasd:Parent>3</rasd:Parent><rasd:AddressOnParent>0</rasd:AddressOnParent>\
    <rasd:HostResource>ovf:/disk/e</rasd:HostResource></Item><Item><rasd:ResourceType>4</rasd:ResourceType>\
    <rasd:VirtualQuantity>1024</rasd:VirtualQuantity><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits></Item>\
    <Item><rasd:ResourceType>10</rasd:ResourceType><rasd:Address>00:50:56:00:00:01</rasd:Address></Item>\
    <vmw:Config vmw:key='firmware' vmw:value='efi'/></VirtualHardwareSection></VirtualSystem></Envelope>";
const MANIFEST: &str = "SHA256(a.vmdk)= e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
    SHA1 (a) = da39a3ee5e6b4b0d3255bfef95601890afd80709\r\n";
const CONFIG: &str = "boot: order=scsi0;net0\nbios: ovmf\nmachine: q35\nmemory: 1024\nnet0: virtio=BC:24:11:00:00:01,bridge=a\n\
    scsi0: local:vm-1-disk-0,size=8M,serial=a%20b\nefidisk0: a\n#qmdump#map:scsi0:drive-scsi0:local:raw:\n\n[a]\nb: c\n";
/// A place of the header of VMA.
const CONFIGS: [usize; 2] = [2044, 3068];

/// Words of descriptors, manifests and archives.
pub const OVF_WORDS: &[&str] = &[
    "<Item>",
    "</Item>",
    "<VirtualSystem ovf:id='t'>",
    "</VirtualSystem>",
    "ovf:/disk/",
    "ovf:/file/",
    "../",
    "%2e%2e/",
    "<rasd:Parent>",
    "xmlns:a='b' ",
    "<!DOCTYPE e [",
    "&x;",
    "byte * 2^64",
    "18446744073709551615",
    "SHA2-256(",
    ")= ",
    "ustar\0",
    "\0",
    "7777777777",
    "L",
    "x",
    "19 path=disk1.vmdk\n",
];
/// Words of VMA and of its configuration.
pub const VMA_WORDS: &[&str] = &[
    "VMAE",
    "\0\0\0\u{1}",
    "\u{7f}\u{7f}\u{7f}\u{7f}",
    "drive-",
    "scsi0: ",
    ",",
    "=",
    "serial=%",
    "media=cdrom",
    "boot: order=",
    "net9: ",
    "machine: ",
    "\n",
    "[",
    "#qmdump#map:",
];

/// Seeds of `ovf`.
pub fn ovf_seeds() -> Vec<Vec<u8>> {
    let mut archive = Vec::new();
    for (name, content) in [
        ("a.ovf", DESCRIPTOR),
        ("a.mf", ""),
        ("d.vmdk.000000000", "\u{1f}"),
    ] {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        block[156] = b'0';
        block[257..263].copy_from_slice(b"ustar\0");
        archive.extend(block);
        archive.extend(content.as_bytes());
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    vec![archive, DESCRIPTOR.into(), MANIFEST.into()]
}

/// Reads an input as a descriptor, as a manifest, and as an archive.
pub fn ovf(input: &[u8]) {
    let _ = descriptor::read("a.ovf", input, None);
    let _ = manifest::read(input);
    let mut archive = input.to_vec();
    for block in archive
        .chunks_exact_mut(512)
        .filter(|block| block[257..].starts_with(b"ustar"))
    {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    in_folder(|folder, into| {
        let path = folder.join("a");
        if std::fs::write(&path, &archive).is_ok() {
            let _ = open(&path, into, GO_ON);
        }
    });
}

/// Seeds of `vma`.
pub fn vma_seeds() -> Vec<Vec<u8>> {
    let mut head = vec![0; 12_288];
    head[..8].copy_from_slice(b"VMA\0\0\0\0\x01");
    let mut blobs = vec![0_u8];
    let texts = ["qemu-server.conf\0", CONFIG, "drive-scsi0\0"];
    let places = [CONFIGS[0], CONFIGS[1], 4096 + 32];
    for (text, place) in texts.into_iter().zip(places) {
        let at = u32::try_from(blobs.len()).unwrap_or_default();
        head[place..place + 4].copy_from_slice(&at.to_be_bytes());
        blobs.extend(u16::try_from(text.len()).unwrap_or_default().to_le_bytes());
        blobs.extend(text.as_bytes());
    }
    head[4096 + 32 + 8 + 5] = 2;
    blobs.resize(1024, 0);
    for (place, number) in [(48, 12_288_u32), (52, 1024), (56, 13_312)] {
        head[place..place + 4].copy_from_slice(&number.to_be_bytes());
    }
    let mut extent = vec![0; 512];
    extent[..4].copy_from_slice(b"VMAE");
    extent[7] = 1;
    extent[40..48].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
    extent[48..56].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    extent.extend([7; 4096]);
    vec![[head, blobs, extent].concat(), CONFIG.into()]
}

/// Reads an input as a configuration, and as an archive.
pub fn vma(input: &[u8]) {
    let _ = machine::read(Some(input), &["drive-scsi0", "drive-efidisk0", "vmstate", "x"]);
    let mut archive = input.to_vec();
    let length = archive.get(56..60).map_or(0, |number| {
        number
            .iter()
            .fold(0, |sum: usize, &byte| (sum << 8) | usize::from(byte))
    });
    if (64..=archive.len()).contains(&length) {
        seal(&mut archive[..length], 32);
    }
    let mut at = length.min(archive.len());
    while let Some(found) = archive[at..].windows(4).position(|four| four == b"VMAE") {
        at += found;
        if at + 512 <= archive.len() {
            seal(&mut archive[at..at + 512], 24);
        }
        at += 4;
    }
    in_folder(|_, into| {
        let _ = vma::take(&mut archive.as_slice(), into, GO_ON);
    });
}

fn seal(header: &mut [u8], at: usize) {
    header[at..at + 16].fill(0);
    let sum = Md5::digest(&*header);
    header[at..at + 16].copy_from_slice(&sum);
}

/// Lends a folder with an empty one in it.
fn in_folder(read: impl Fn(&Path, &Path)) {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()) else {
        return;
    };
    let into = folder.path().join("into");
    if std::fs::create_dir(&into).is_ok() {
        read(folder.path(), &into);
    }
}
