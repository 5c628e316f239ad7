//! Disks that other programs refuse without a word of why, or take without one.

use std::fs;

use super::apart::place;
use super::{Lab, sha256};
use crate::testkit::disk::{gpt, mbr};

#[test]
fn a_grain_of_zeros_is_one_where_the_header_has_such_grains() {
    let lab = Lab::new();
    let whole = mbr(4, 3);
    for subformat in ["streamOptimized", "monolithicSparse"] {
        for (zeroed, told) in [
            ("on", None),
            (
                "off",
                Some("is damaged: byte 131072 of the disk is zeros by an entry of 1 in its grain tables"),
            ),
        ] {
            let options = format!("subformat={subformat},zeroed_grain={zeroed}");
            let mut bytes = fs::read(lab.make(&whole, "vmdk", &options, "disk")).unwrap();
            let head = match place(&bytes, 56, 8, false) {
                usize::MAX => bytes.len() - 1024,
                _ => 0,
            };
            let directory = place(&bytes, head + 56, 8, false) * 512;
            let table = place(&bytes, directory, 4, false) * 512;
            // The third grain has nothing; it is of both tables that are kept.
            assert_eq!(place(&bytes, table + 8, 4, false), 0);
            bytes[table + 8] = 1;
            lab.write("disk", &bytes);
            if let Some(told) = told {
                let words = lab.refused("disk");
                assert!(
                    words.contains(told) && words.contains("export it anew") && !words.contains("qemu-img"),
                    "{options}: {words}"
                );
            } else {
                let made = lab.import("disk").expect(&options);
                assert_eq!(made.sealed.manifest.content_sha256, Some(sha256(&whole)));
                fs::remove_dir_all(&made.sealed.dir).unwrap();
            }
        }
    }
}

#[test]
fn where_the_second_region_table_alone_is_whole_the_remedy_mends_a_copy() {
    let lab = Lab::new();
    let whole = gpt(8, 512, 3);
    let mut bytes = fs::read(lab.make(&whole, "vhdx", "", "disk")).unwrap();
    bytes[(192 << 10) + 100] ^= 1;
    lab.write("disk", &bytes);
    let words = lab.refused("disk");
    assert!(
        words.contains(
            "is damaged: its first region table is not what its checksum says, and its second is whole"
        ),
        "{words}"
    );
    let remedy = words.split('`').nth(1).unwrap().replace("COPY", "disk");
    lab.run(&["sh", "-c", &remedy]);
    let made = lab.import("disk").unwrap();
    assert_eq!(made.sealed.manifest.content_sha256, Some(sha256(&whole)));
}
