//! Archives as their writers make them, built by byte.

use std::io::Write as _;
use std::process::{Command, Stdio};

use md5::{Digest as _, Md5};
use sha2::Sha256;

/// What a program makes of some bytes.
pub fn packed(program: &str, bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(["-c", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut input = child.stdin.take().expect("its input");
    let bytes = bytes.to_vec();
    let writing = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("its output");
    writing.join().expect("written").expect("written");
    assert!(output.status.success(), "{program}");
    output.stdout
}

/// The beginning of a sparse VMDK of so many MiB, and some content.
pub fn vmdk(mib: u64, seed: u8) -> Vec<u8> {
    let mut disk = b"KDMV\x03\0\0\0\0\0\0\0".to_vec();
    disk.extend((mib * 2048).to_le_bytes());
    disk.resize(512, 0);
    disk.extend((0..70_000_u32).map(|n| (n % 251) as u8 ^ seed));
    disk
}

/// A header of ustar with its content.
pub fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    sealed(&mut block);
    block.extend(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// Writes the checksum of a header anew.
pub fn sealed(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// An archive of entries.
pub fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = entries.concat();
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// An archive of files.
pub fn files(files: &[(&str, &[u8])]) -> Vec<u8> {
    let entries: Vec<Vec<u8>> = files
        .iter()
        .map(|(name, content)| entry(name, b'0', content))
        .collect();
    tar(&entries)
}

/// An appliance with its manifest.
pub fn ova(descriptor: &str, disks: &[(&str, &[u8])]) -> Vec<u8> {
    let listed: Vec<(&str, &[u8])> = [("server.ovf", descriptor.as_bytes())]
        .into_iter()
        .chain(disks.iter().copied())
        .collect();
    let manifest = manifest(&listed);
    let mut all = vec![listed[0], ("server.mf", manifest.as_bytes())];
    all.extend(disks);
    files(&all)
}

/// A manifest as VMware writes it.
pub fn manifest(files: &[(&str, &[u8])]) -> String {
    let line = |(name, content): &(&str, &[u8])| format!("SHA256({name})= {}\n", sha256(content));
    files.iter().map(line).collect()
}

pub fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

pub fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

const SPACES: &str = "xmlns='http://schemas.dmtf.org/ovf/envelope/1' xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' \
    xmlns:rasd='http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData' \
    xmlns:vssd='http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData' \
    xmlns:vmw='http://www.vmware.com/schema/ovf' xmlns:vbox='http://www.virtualbox.org/ovf/machine'";
const VMDK: &str = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";

/// An envelope of references, disks and machines.
pub fn envelope(references: &str, disks: &str, systems: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<!-- made -->\n<Envelope {SPACES}><References>{references}</References>\
         <DiskSection><Info/>{disks}</DiskSection>{systems}</Envelope>\n"
    )
}

/// A file of the references.
pub fn reference(id: &str, href: &str, size: usize, more: &str) -> String {
    format!("<File ovf:id='{id}' ovf:href='{href}' ovf:size='{size}' {more}/>")
}

/// A disk of 8 MiB.
pub fn declared(id: &str, file: &str) -> String {
    format!(
        "<Disk ovf:diskId='{id}' ovf:fileRef='{file}' ovf:capacity='8' ovf:capacityAllocationUnits='byte * 2^20' \
         ovf:format='{VMDK}'/>"
    )
}

/// An item: its type, and its children in short: `InstanceID=3 Parent=1`.
pub fn item(kind: u32, children: &str) -> String {
    let children: Vec<String> = children
        .split(' ')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, text)| format!("<rasd:{name}>{}</rasd:{name}>", text.replace('_', " ")))
        .collect();
    let children = children.concat();
    format!("<Item><rasd:ResourceType>{kind}</rasd:ResourceType>{children}</Item>")
}

/// A machine of VMware with these items.
pub fn system(id: &str, items: &str) -> String {
    format!(
        "<VirtualSystem ovf:id='{id}'><Info/><Name>{id}</Name><VirtualHardwareSection><Info/><System>\
         <vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType></System>{items}</VirtualHardwareSection></VirtualSystem>"
    )
}

/// A SCSI controller with one disk.
pub fn one_disk() -> String {
    item(
        6,
        "InstanceID=3 Address=0 ResourceSubType=VirtualSCSI ElementName=SCSI_0",
    ) + &item(
        17,
        "InstanceID=10 Parent=3 AddressOnParent=0 ElementName=Hard_disk_1 HostResource=ovf:/disk/vmdisk1",
    )
}

/// A descriptor of one machine with one disk, `disk1.vmdk`.
pub fn simple(disk: &[u8]) -> String {
    with_items(disk, &one_disk())
}

/// The same with other items.
pub fn with_items(disk: &[u8], items: &str) -> String {
    envelope(
        &reference("file1", "disk1.vmdk", disk.len(), ""),
        &declared("vmdisk1", "file1"),
        &system("server", items),
    )
}

/// A backup of Proxmox.
pub struct Vma {
    pub config: Option<String>,
    pub devices: Vec<(String, Vec<u8>)>,
    /// How the clusters come, by device and number.
    pub order: fn(&mut Vec<(u8, u32)>),
}

const UUID: [u8; 16] = *b"0123456789abcdef";
const CLUSTER: usize = 65_536;

impl Vma {
    pub fn new(config: &str, devices: &[(&str, &[u8])]) -> Self {
        let own = devices
            .iter()
            .map(|(name, content)| ((*name).to_owned(), content.to_vec()));
        Self {
            config: Some(config.to_owned()),
            devices: own.collect(),
            order: |_| {},
        }
    }

    /// The header, with its checksum.
    pub fn header(&self) -> Vec<u8> {
        let mut head = vec![0; 12_288];
        let mut blobs: Vec<u8> = vec![0];
        let mut blob = |content: &[u8]| {
            let at = u32::try_from(blobs.len()).expect("few");
            blobs.extend(u16::try_from(content.len()).expect("short").to_le_bytes());
            blobs.extend(content);
            at.to_be_bytes()
        };
        head[..8].copy_from_slice(b"VMA\0\0\0\0\x01");
        head[8..24].copy_from_slice(&UUID);
        if let Some(config) = &self.config {
            head[2044..2048].copy_from_slice(&blob(b"qemu-server.conf\0"));
            head[3068..3072].copy_from_slice(&blob(config.as_bytes()));
        }
        for (index, (name, content)) in self.devices.iter().enumerate() {
            let at = 4096 + 32 * (index + 1);
            head[at..at + 4].copy_from_slice(&blob(format!("{name}\0").as_bytes()));
            head[at + 8..at + 16].copy_from_slice(&(content.len() as u64).to_be_bytes());
        }
        blobs.resize(blobs.len().next_multiple_of(512), 0);
        let number = |number: usize| u32::try_from(number).expect("small").to_be_bytes();
        head[48..52].copy_from_slice(&number(12_288));
        head[52..56].copy_from_slice(&number(blobs.len()));
        head[56..60].copy_from_slice(&number(12_288 + blobs.len()));
        head.extend(blobs);
        reseal(&mut head, 32);
        head
    }

    /// The extents, one by one.
    pub fn extents(&self) -> Vec<Vec<u8>> {
        let mut clusters = Vec::new();
        for (device, (_, content)) in (1..).zip(&self.devices) {
            clusters.extend(
                (0..)
                    .zip(content.chunks(CLUSTER))
                    .map(|(number, _)| (device, number)),
            );
        }
        (self.order)(&mut clusters);
        clusters
            .chunks(59)
            .map(|clusters| self.extent(clusters))
            .collect()
    }

    fn extent(&self, clusters: &[(u8, u32)]) -> Vec<u8> {
        let mut head = vec![0; 512];
        head[..4].copy_from_slice(b"VMAE");
        head[8..24].copy_from_slice(&UUID);
        let mut blocks = Vec::new();
        for (index, (device, number)) in clusters.iter().enumerate() {
            let content = &self.devices[usize::from(*device) - 1].1;
            let cluster = content.chunks(CLUSTER).nth(*number as usize).expect("a cluster");
            let mut mask: u16 = 0;
            for (bit, block) in cluster.chunks(4096).enumerate() {
                if block.iter().any(|&byte| byte != 0) {
                    mask |= 1 << bit;
                    blocks.extend(block);
                    blocks.resize(blocks.len().next_multiple_of(4096), 0);
                }
            }
            let at = 40 + 8 * index;
            head[at..at + 2].copy_from_slice(&mask.to_be_bytes());
            head[at + 3] = *device;
            head[at + 4..at + 8].copy_from_slice(&number.to_be_bytes());
        }
        let count = u16::try_from(blocks.len() / 4096).expect("few");
        head[6..8].copy_from_slice(&count.to_be_bytes());
        reseal(&mut head, 24);
        head.extend(blocks);
        head
    }

    pub fn build(&self) -> Vec<u8> {
        [self.header(), self.extents().concat()].concat()
    }
}

/// Writes the checksum of a header of VMA anew, at its place.
pub fn reseal(header: &mut [u8], at: usize) {
    header[at..at + 16].fill(0);
    let sum = Md5::digest(&*header);
    header[at..at + 16].copy_from_slice(&sum);
}
