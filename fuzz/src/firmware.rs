//! What UEFI firmware reads: small FAT file systems, and stores of its variables.

use patchgate::image::format::esp;
use patchgate::image::format::load_option::{self, Drive};
use patchgate::image::format::table::{Kind, Partition, Table};
use patchgate::image::format::varstore::Store;

/// A file of so many bytes, all the same, with these at their places.
fn file(length: usize, empty: u8, parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![empty; length];
    for (at, value) in parts {
        if let Some(place) = bytes.get_mut(*at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }
    bytes
}

const DRIVE: Drive = Drive {
    number: 1,
    first: 1,
    sectors: 8,
    id: [7; 16],
    gpt: true,
};

/// What inputs are made of.
pub fn seeds() -> Vec<Vec<u8>> {
    let head: &[(usize, &[u8])] = &[
        (11, &[0, 2, 1, 1, 0, 1, 16, 0, 8, 0, 0xf8, 1, 0]),
        (510, &[0x55, 0xaa]),
        (512, &[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff]),
        (1024, b"EFI        \x10"),
        (1024 + 26, &[2]),
        (1536, b"DEBIAN     \x10\x18"),
        (1536 + 26, &[3]),
        (2048, b"Ag\0r\0u\0b\0.\0\x0f\0\x67e\0f\0i\0\0\0\xff\xff"),
        (2080, b"GRUBX64 EFI\x20\x18"),
        (2080 + 28, &[1]),
    ];
    let fat = file(4096, 0, head);
    let entry = load_option::entry("debian", &DRIVE, "\\EFI\\debian\\grubx64.efi");
    let length = [u8::try_from(entry.len()).unwrap_or(0)];
    let mut store = file(
        2048,
        0xff,
        &[
            (0, &[0; 16]),
            (
                16,
                b"\x8d\x2b\xf1\xff\x96\x76\x8b\x4c\xa9\x85\x27\x47\x07\x5b\x4f\x50",
            ),
            (32, &[0, 8, 0, 0, 0, 0, 0, 0]),
            (40, b"_FVH"),
            (48, &[72, 0]),
            (
                72,
                b"\x78\x2c\xf3\xaa\x7b\x94\x9a\x43\xa1\x80\x2e\x14\x4e\xc3\x77\x92",
            ),
            (88, &[0, 6, 0, 0, 0x5a, 0xfe]),
            (100, &[0xaa, 0x55, 0x3f, 0, 7, 0, 0, 0]),
            (136, &[18, 0, 0, 0, 0, 0, 0, 0]),
            (140, &length),
            (
                144,
                b"\x61\xdf\xe4\x8b\xca\x93\xd2\x11\xaa\x0d\x00\xe0\x98\x03\x2b\x8c",
            ),
            (160, b"B\0o\0o\0t\x000\x000\x000\x000\0\0\0"),
            (178, &entry),
        ],
    );
    store.truncate(2048);
    vec![fat, store, entry]
}

/// Reads one as each of them.
pub fn firmware(input: &[u8]) {
    let disk = input.to_vec();
    let end = disk.len() as u64;
    let table = Table {
        gpt: false,
        sector: 512,
        partitions: vec![Partition {
            kind: Kind::Mbr(0xef),
            first: 0,
            end,
            bootable: false,
            number: 1,
            id: [7; 16],
        }],
        end,
        code: false,
        said: Vec::new(),
    };
    for table in [Some(&table), None] {
        if let Some(Ok(esp)) = esp::find(&disk, table) {
            assert!(esp.loaders(true).len() <= esp.loaders(false).len());
        }
    }
    let _ = load_option::target(input);
    if let Ok(mut store) = Store::read(disk) {
        let new = load_option::entry("new", &DRIVE, "\\new.efi");
        if store.begin_with(&[new]).is_ok() {
            assert!(Store::read(store.into_bytes()).is_ok());
        }
    }
}
