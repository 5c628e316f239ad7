//! Stores of UEFI variables: what is put into them is read again, and what is none is told.

use patchgate::image::format::load_option::{Drive, entry};
use patchgate::image::format::varstore::Store;
use proptest::prelude::*;

/// Bytes of the volume's head.
const VOLUME: usize = 72;
/// Where the first variable is.
const FIRST: usize = VOLUME + 28;

/// A store as firmware begins with it, of so many bytes, with variables of that name, state and content.
pub fn store(bytes: usize, variables: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut made = vec![0xff; bytes];
    made[..16].fill(0);
    made[16..32].copy_from_slice(b"\x8d\x2b\xf1\xff\x96\x76\x8b\x4c\xa9\x85\x27\x47\x07\x5b\x4f\x50");
    made[32..40].copy_from_slice(&(bytes as u64).to_le_bytes());
    made[40..44].copy_from_slice(b"_FVH");
    made[48..50].copy_from_slice(&u16::try_from(VOLUME).unwrap().to_le_bytes());
    made[VOLUME..VOLUME + 16]
        .copy_from_slice(b"\x78\x2c\xf3\xaa\x7b\x94\x9a\x43\xa1\x80\x2e\x14\x4e\xc3\x77\x92");
    made[VOLUME + 16..VOLUME + 20].copy_from_slice(&u32::try_from(bytes / 2).unwrap().to_le_bytes());
    made[VOLUME + 20..FIRST].copy_from_slice(&[0x5a, 0xfe, 0, 0, 0, 0, 0, 0]);
    let mut at = FIRST;
    for (name, state, data) in variables {
        let letters: Vec<u8> = name
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        let mut one = vec![0xaa, 0x55, *state, 0, 7, 0, 0, 0];
        one.extend([0; 28]);
        one.extend(u32::try_from(letters.len()).unwrap().to_le_bytes());
        one.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        one.extend(b"\x61\xdf\xe4\x8b\xca\x93\xd2\x11\xaa\x0d\x00\xe0\x98\x03\x2b\x8c");
        one.extend(letters);
        one.extend(*data);
        made[at..at + one.len()].copy_from_slice(&one);
        at = (at + one.len()).next_multiple_of(4);
    }
    made
}

pub fn drive() -> Drive {
    Drive {
        number: 1,
        first: 2048,
        sectors: 4096,
        id: [7; 16],
        gpt: true,
    }
}

fn paths(store: &Store) -> Vec<String> {
    store.targets().into_iter().map(|target| target.path).collect()
}

#[test]
fn entries_go_before_those_that_are_there_under_numbers_that_are_free() {
    let own = entry("old", &drive(), "\\old.efi");
    let unused = entry("unused", &drive(), "\\unused.efi");
    let bytes = store(
        32 << 10,
        &[
            // The firmware's own shell, one that was deleted, and an order that was replaced.
            ("Boot0000", 0x3f, &[1, 0, 0, 0]),
            ("Boot0001", 0x3c, &unused),
            ("BootOrder", 0x3d, &[9, 0]),
            ("Boot0002", 0x3e, &own),
            ("BootOrder", 0x3f, &[2, 0, 0, 0]),
        ],
    );
    let mut read = Store::read(bytes.clone()).unwrap();
    assert_eq!(paths(&read), ["\\old.efi"]);
    let new = ["\\a.efi", "\\b.efi"].map(|path| entry("new", &drive(), path));
    read.begin_with(&new).unwrap();
    assert_eq!(paths(&read), ["\\a.efi", "\\b.efi", "\\old.efi"]);
    let made = read.into_bytes();
    assert_eq!(made.len(), bytes.len());
    let again = Store::read(made.clone()).unwrap();
    assert_eq!(paths(&again), ["\\a.efi", "\\b.efi", "\\old.efi"]);
    // What was there is as it was, but for the mark of the order that was replaced.
    let changed: Vec<usize> = (0..made.len()).filter(|&at| made[at] != bytes[at]).collect();
    let behind = (0..bytes.len()).rev().find(|&at| bytes[at] != 0xff).unwrap();
    let marked: Vec<&usize> = changed.iter().filter(|&&at| at <= behind).collect();
    let [&at] = marked[..] else { panic!("{marked:?}") };
    assert_eq!((bytes[at], made[at]), (0x3f, 0x3d));
    let text = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for name in ["Boot0001", "Boot0003"] {
        let name = text(name);
        assert!(made[behind..].windows(name.len()).any(|part| part == name));
    }
}

#[test]
fn a_store_without_room_or_with_something_behind_its_end_is_told_and_one_that_is_none() {
    let new = [entry("new", &drive(), "\\a.efi")];
    let room = |bytes: usize| Store::read(store(bytes, &[])).unwrap().begin_with(&new);
    assert!(room(1024).is_ok());
    let told = room(512).unwrap_err().to_string();
    assert_eq!(told, "its store of UEFI variables has no room for a boot entry");

    let mut odd = store(4096, &[]);
    odd[FIRST + 40] = 0;
    let told = Store::read(odd)
        .unwrap()
        .begin_with(&new)
        .unwrap_err()
        .to_string();
    assert_eq!(
        told,
        "its store of UEFI variables has something behind its last variable"
    );

    let whole = store(4096, &[("Boot0000", 0x3f, &[1, 2, 3])]);
    for (at, value, words) in [
        (40, 0, "no store"),
        (16, 0, "no store"),
        (VOLUME, 0, "no store"),
        (48, 0, "no store"),
        (VOLUME + 18, 0xff, "ends behind its flash"),
        (33, 0, "ends behind its flash"),
        (VOLUME + 20, 0, "is not in order"),
        (FIRST + 42, 1, "ends behind it"),
        (FIRST + 38, 1, "ends behind it"),
    ] {
        let mut bytes = whole.clone();
        bytes[at] = value;
        let told = Store::read(bytes).expect_err(words).to_string();
        assert!(told.contains(words), "{at}: {told}");
    }
    for length in [0, 44, 60, VOLUME, FIRST, 2000] {
        assert!(Store::read(whole[..length].to_vec()).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn whatever_a_store_holds_it_is_read_to_an_end_and_only_its_own_part_is_written(
        changes in proptest::collection::vec((0_usize..700, any::<u8>()), 0..20),
        path in "\\PC{1,200}",
    ) {
        let old = entry("old", &drive(), "\\old.efi");
        let mut bytes = store(8192, &[("Boot0000", 0x3f, &old), ("BootOrder", 0x3e, &[0, 0])]);
        let whole = bytes.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        for bytes in [bytes, whole] {
            let Ok(mut read) = Store::read(bytes.clone()) else { continue };
            if read.begin_with(&[entry("new", &drive(), &path)]).is_ok() {
                let made = read.into_bytes();
                prop_assert_eq!(made.len(), bytes.len());
                let again = Store::read(made).unwrap();
                prop_assert_eq!(&again.targets()[0].path, &path);
            }
        }
    }
}
