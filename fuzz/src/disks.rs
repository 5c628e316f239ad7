//! Small disks to begin from: the heads and tables of each format, written out.

use patchgate::image::foreign::Format;
use patchgate::image::format::read::{CRC32, CRC32C, crc32};
use patchgate::image::format::vhdx::{BAT, METADATA, PARAMETERS, SECTOR, SIZE};

/// The formats that are looked at.
pub const FORMATS: [Format; 6] = [
    Format::Raw,
    Format::Qcow2,
    Format::Vmdk,
    Format::Vhdx,
    Format::Vhd,
    Format::Vdi,
];

/// Where a VHDX has its parts; each is a kibibyte of an input.
const PARTS: [usize; 7] = [
    0,
    64 << 10,
    128 << 10,
    192 << 10,
    1 << 20,
    2 << 20,
    (2 << 20) + (64 << 10),
];

/// An input with its pieces at those places. Checksums are made anew: chance does not find them.
pub fn spread(input: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 3 << 20];
    for (piece, at) in input.chunks(1024).zip(PARTS) {
        put(&mut file, at, piece);
    }
    for (at, length) in [(64 << 10, 4096), (128 << 10, 4096), (192 << 10, 64 << 10)] {
        put(&mut file, at + 4, &[0; 4]);
        let sum = crc32(CRC32C, &file[at..at + length]);
        put(&mut file, at + 4, &sum.to_le_bytes());
    }
    file
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// A file of so many bytes with these at their places.
fn file(length: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; length];
    for (at, value) in parts {
        put(&mut bytes, *at, value);
    }
    bytes
}

/// What inputs are made of.
pub fn seeds() -> Vec<Vec<u8>> {
    let be32 = u32::to_be_bytes;
    let be64 = u64::to_be_bytes;
    let le32 = u32::to_le_bytes;
    let le64 = u64::to_le_bytes;
    let qcow2 = |compressed: bool| {
        let cluster = if compressed {
            (1 << 62) | 2048
        } else {
            2048 | (1 << 63)
        };
        file(
            4096,
            &[
                (0, b"QFI\xfb"),
                (4, &be32(3)),
                (20, &be32(9)),
                (24, &be64(4096)),
                (36, &be32(1)),
                (40, &be64(1024)),
                (48, &be64(512)),
                (56, &be32(1)),
                (60, &be32(1)),
                (64, &be64(3072)),
                (100, &be32(104)),
                (104, &be32(0xe279_2aca)),
                (108, &be32(5)),
                (112, b"qcow2"),
                (1024, &be64(1536)),
                (1536, &be64(cluster)),
                (3072 + 12, &[0, 1, 0, 6]),
                (3072 + 40, b"1monday"),
            ],
        )
    };
    let vmdk = file(
        4096,
        &[
            (0, b"KDMV"),
            (4, &le32(1)),
            (8, &le32(1)),
            (12, &le64(16)),
            (20, &le64(8)),
            (28, &le64(1)),
            (36, &le64(1)),
            (44, &le32(512)),
            (56, &le64(2)),
            (73, b"\n \r\n"),
            (
                512,
                b"# Disk DescriptorFile\nparentCID=ffffffff\nRW 16 SPARSE \"a\"\n",
            ),
            (1024, &le32(3)),
            (1536, &le32(1)),
        ],
    );
    let footer = |kind: u32| {
        let mut bytes = file(
            512,
            &[
                (0, b"conectix"),
                (16, &be64(512)),
                (48, &be64(1024)),
                (60, &be32(kind)),
            ],
        );
        sign(&mut bytes, 64);
        bytes
    };
    let mut dynamic = footer(3);
    let mut header = file(
        1024,
        &[
            (0, b"cxsparse"),
            (16, &be64(1536)),
            (28, &be32(2)),
            (32, &be32(512)),
        ],
    );
    sign(&mut header, 36);
    dynamic.extend(header);
    dynamic.extend(file(2048, &[(0, &be32(4)), (4, &be32(u32::MAX))]));
    dynamic.extend(footer(3));
    let mut fixed = vec![1; 1024];
    fixed.extend(footer(2));
    let vdi = file(
        8192,
        &[
            (64, &le32(0xbeda_107f)),
            (68, &le32(0x0001_0001)),
            (76, &le32(1)),
            (340, &le32(512)),
            (344, &le32(1024)),
            (360, &le32(512)),
            (368, &le64(512)),
            (376, &le32(1 << 20)),
            (384, &le32(1)),
        ],
    );
    let text = b"# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"x\"\n\
                 RW 8 FLAT \"a-flat.vmdk\" 0\nRW 8 SPARSE \"b\"\nRW 4 ZERO\nddb.adapterType = \"ide\"\n";
    let mbr = file(
        8192,
        &[
            (446, &[0x80, 0, 0, 0, 0x83]),
            (454, &le32(1)),
            (458, &le32(8)),
            (510, &[0x55, 0xaa]),
        ],
    );
    vec![
        qcow2(false),
        qcow2(true),
        vmdk,
        dynamic,
        fixed,
        vdi,
        text.to_vec(),
        mbr,
        gpt(),
        vhdx(),
    ]
}

fn sign(bytes: &mut [u8], at: usize) {
    let sum: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
    put(bytes, at, &(!sum).to_be_bytes());
}

fn gpt() -> Vec<u8> {
    let table = file(
        256,
        &[
            (0, &[7; 16]),
            (32, &3_u64.to_le_bytes()),
            (40, &8_u64.to_le_bytes()),
        ],
    );
    let mut header = file(
        92,
        &[
            (0, b"EFI PART"),
            (12, &92_u32.to_le_bytes()),
            (24, &1_u64.to_le_bytes()),
            (32, &15_u64.to_le_bytes()),
            (72, &2_u64.to_le_bytes()),
            (80, &2_u32.to_le_bytes()),
            (84, &128_u32.to_le_bytes()),
            (88, &crc32(CRC32, &table).to_le_bytes()),
        ],
    );
    let sum = crc32(CRC32, &header);
    put(&mut header, 16, &sum.to_le_bytes());
    file(
        8192,
        &[
            (450, &[0xee]),
            (458, &[15]),
            (510, &[0x55, 0xaa]),
            (512, &header),
            (1024, &table),
        ],
    )
}

/// The parts of a VHDX, one behind the other.
fn vhdx() -> Vec<u8> {
    let mib = 1_u32 << 20;
    let place = 65536_u32;
    file(
        7 * 1024,
        &[
            (0, b"vhdxfile"),
            (1024, b"head"),
            (1024 + 66, &[1]),
            (2048, b"head"),
            (3072, b"regi"),
            (3072 + 8, &[2]),
            (3072 + 16, &BAT),
            (3072 + 32, &mib.to_le_bytes()),
            (3072 + 40, &mib.to_le_bytes()),
            (3072 + 48, &METADATA),
            (3072 + 64, &(2 * mib).to_le_bytes()),
            (3072 + 72, &mib.to_le_bytes()),
            (4096, &[6, 0, 0x20]),
            (5120, b"metadata"),
            (5120 + 10, &[3]),
            (5120 + 32, &PARAMETERS),
            (5120 + 48, &place.to_le_bytes()),
            (5120 + 64, &SIZE),
            (5120 + 80, &(place + 16).to_le_bytes()),
            (5120 + 96, &SECTOR),
            (5120 + 112, &(place + 32).to_le_bytes()),
            (6144, &mib.to_le_bytes()),
            (6144 + 16, &mib.to_le_bytes()),
            (6144 + 32, &512_u32.to_le_bytes()),
        ],
    )
}
