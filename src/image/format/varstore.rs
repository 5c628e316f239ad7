//! The variables of UEFI firmware as EDK2 keeps them in flash: an authenticated store in a firmware volume (EDK2's
//! `MdePkg/Include/Pi/PiFirmwareVolume.h` and `MdeModulePkg/Include/Guid/VariableFormat.h`), and the load options in it (UEFI 2.10, 3.1.3
//! and 10.3).

use crate::image::format::read::{guid, le16, le32};
use crate::image::format::table::{Label, Partition};

/// An authenticated store.
const AUTHENTICATED: [u8; 16] = [
    0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92,
];
/// Whose variables `BootOrder` and `Boot0000` are.
const GLOBAL: [u8; 16] = [
    0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c,
];
/// Bytes of the heads of a store and of a variable in it.
const STORE_HEAD: usize = 28;
const HEAD: usize = 60;
/// What a variable begins with, and the state of one that counts.
const START: u16 = 0x55aa;
const ADDED: u8 = 0x3f;
/// Kept while the machine is off, and seen before and after the system has taken over.
const KEPT: u32 = 7;
const ACTIVE: u32 = 1;

/// The places of a store's free bytes, from the end of its last variable to its own.
struct Room {
    from: usize,
    to: usize,
}

/// Whether it has an entry that leads to a boot loader's file.
pub fn has_entry(store: &[u8]) -> bool {
    let mut found = false;
    let walked = walk(store, &mut |name, data| {
        // A file's path in a device path: media, file (UEFI 2.10, 10.3.5.4).
        let is_entry = name.len() == 8
            && name.starts_with("Boot")
            && name[4..].bytes().all(|byte| byte.is_ascii_hexdigit());
        found |= is_entry && data.windows(2).any(|pair| pair == [4, 4]);
    });
    walked.is_some() && found
}

/// Adds entries for those loaders of a partition, which are begun with in their order; `sector`: bytes of the disk's sectors. Nothing
/// where it is no such store, has no room, or the partition cannot be named.
pub fn with_entries(
    mut store: Vec<u8>,
    partition: &Partition,
    sector: u32,
    loaders: &[String],
) -> Option<Vec<u8>> {
    let mut order = Vec::new();
    for (number, loader) in (0_u16..).zip(loaders) {
        let data = option(partition, sector, loader)?;
        add(&mut store, &format!("Boot{number:04X}"), &data)?;
        order.extend(number.to_le_bytes());
    }
    add(&mut store, "BootOrder", &order)?;
    Some(store)
}

/// Calls `each` with the name and the data of each variable that counts; gives what room is left.
fn walk(store: &[u8], each: &mut dyn FnMut(&str, &[u8])) -> Option<Room> {
    if store.get(40..44)? != b"_FVH" {
        return None;
    }
    let begin = usize::from(le16(store, 48));
    let head = store.get(begin..begin.checked_add(STORE_HEAD)?)?;
    if guid(head, 0) != AUTHENTICATED {
        return None;
    }
    let to = begin.checked_add(usize::try_from(le32(head, 16)).ok()?)?;
    store.get(..to)?;
    let mut at = (begin + STORE_HEAD).next_multiple_of(4);
    while at.checked_add(HEAD)? <= to && le16(store, at) == START {
        let size = |place: usize| usize::try_from(le32(store, at + place)).ok();
        let name_at = at + HEAD;
        let data_at = name_at.checked_add(size(36)?)?;
        let end = data_at.checked_add(size(40)?)?;
        if end > to {
            return None;
        }
        if store[at + 2] == ADDED {
            let units = store[name_at..data_at].chunks_exact(2);
            let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
            let name: String = char::decode_utf16(units.take_while(|unit| *unit != 0))
                .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect();
            each(&name, &store[data_at..end]);
        }
        at = end.next_multiple_of(4);
    }
    Some(Room { from: at, to })
}

fn add(store: &mut [u8], name: &str, data: &[u8]) -> Option<()> {
    let room = walk(store, &mut |_, _| {})?;
    let name = utf16(name);
    let mut bytes = Vec::with_capacity(HEAD + name.len() + data.len());
    bytes.extend(START.to_le_bytes());
    bytes.extend([ADDED, 0]);
    bytes.extend(KEPT.to_le_bytes());
    // How often it was set, when, and by whose key: it is not authenticated.
    bytes.extend([0; 8 + 16 + 4]);
    bytes.extend(u32::try_from(name.len()).ok()?.to_le_bytes());
    bytes.extend(u32::try_from(data.len()).ok()?.to_le_bytes());
    bytes.extend(GLOBAL);
    bytes.extend(name);
    bytes.extend(data);
    let place = store.get_mut(room.from..room.to)?.get_mut(..bytes.len())?;
    // Flash that nothing was written to.
    if place.iter().any(|byte| *byte != 0xff) {
        return None;
    }
    place.copy_from_slice(&bytes);
    Some(())
}

/// An active load option: the partition, and the file on it.
fn option(partition: &Partition, sector: u32, loader: &str) -> Option<Vec<u8>> {
    let sector = u64::from(sector);
    let (signature, table, kind) = match partition.label {
        Label::Gpt(id) => (id, 2, 2),
        Label::Mbr(id) => {
            let mut signature = [0; 16];
            signature[..4].copy_from_slice(&id);
            (signature, 1, 1)
        }
    };
    let mut path = vec![4, 1, 42, 0];
    path.extend(partition.number.to_le_bytes());
    path.extend((partition.first / sector).to_le_bytes());
    path.extend(((partition.end.checked_sub(partition.first)?) / sector).to_le_bytes());
    path.extend(signature);
    path.extend([table, kind]);
    let file = utf16(loader);
    path.extend([4, 4]);
    path.extend(u16::try_from(file.len() + 4).ok()?.to_le_bytes());
    path.extend(file);
    path.extend([0x7f, 0xff, 4, 0]);
    // What is shown of it: the folder that the loader is in.
    let shown = loader.rsplit('\\').nth(1).unwrap_or("disk");
    let mut option = ACTIVE.to_le_bytes().to_vec();
    option.extend(u16::try_from(path.len()).ok()?.to_le_bytes());
    option.extend(utf16(shown));
    option.extend(path);
    Some(option)
}

/// With its end.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::format::table::Kind;

    fn empty(size: usize) -> Vec<u8> {
        let mut store = vec![0xff; size];
        store[..72].fill(0);
        store[40..44].copy_from_slice(b"_FVH");
        store[48] = 72;
        store[72..88].copy_from_slice(&AUTHENTICATED);
        let own = u32::try_from(size - 72).expect("small");
        store[88..92].copy_from_slice(&own.to_le_bytes());
        store
    }

    fn partition(label: Label) -> Partition {
        Partition {
            kind: Kind::Mbr(0xef),
            first: 1 << 20,
            end: 65 << 20,
            bootable: false,
            number: 2,
            label,
        }
    }

    #[test]
    fn what_is_added_is_read_again() {
        let loaders = [
            "\\EFI\\debian\\shimx64.efi".to_owned(),
            "\\EFI\\b\\grubx64.efi".to_owned(),
        ];
        let gpt = partition(Label::Gpt([7; 16]));
        let store = with_entries(empty(4096), &gpt, 512, &loaders).expect("there is room");
        let mut found = Vec::new();
        walk(&store, &mut |name, data| {
            found.push((name.to_owned(), data.to_owned()));
        })
        .expect("a store");
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Boot0000", "Boot0001", "BootOrder"]);
        assert_eq!(found[2].1, [0, 0, 1, 0]);
        let first = &found[0].1;
        // Active, 98 bytes of path, `debian`.
        assert_eq!(first[..6], [1, 0, 0, 0, 98, 0]);
        assert_eq!(first[6..20], utf16("debian")[..]);
        assert_eq!(first[20..28], [4, 1, 42, 0, 2, 0, 0, 0]);
        assert_eq!(first[28..36], 2048_u64.to_le_bytes());
        assert_eq!(first[36..44], 131_072_u64.to_le_bytes());
        assert_eq!(first[44..62], [[7; 16].to_vec(), vec![2, 2]].concat()[..]);
        assert_eq!(first[first.len() - 4..], [0x7f, 0xff, 4, 0]);
        assert!(has_entry(&store) && !has_entry(&empty(4096)));
        let large = with_entries(empty(4096), &partition(Label::Mbr([1, 2, 3, 4])), 4096, &loaders);
        let large = large.expect("there is room");
        assert!(large.windows(4).any(|four| four == [1, 2, 3, 4]));
        assert!(large.windows(8).any(|eight| eight == 256_u64.to_le_bytes()));
    }

    #[test]
    fn where_there_is_no_room_or_no_store_nothing_is_made() {
        let loaders = ["\\EFI\\debian\\shimx64.efi".to_owned()];
        let gpt = partition(Label::Gpt([7; 16]));
        assert_eq!(with_entries(empty(300), &gpt, 512, &loaders), None);
        assert_eq!(with_entries(vec![0; 4096], &gpt, 512, &loaders), None);
        assert_eq!(with_entries(Vec::new(), &gpt, 512, &loaders), None);
        let mut written = empty(4096);
        written[120] = 0;
        assert_eq!(with_entries(written, &gpt, 512, &loaders), None);
    }

    proptest! {
        #[test]
        fn no_store_makes_it_panic(at in 0_usize..512, byte: u8, size in 0_usize..1024) {
            let loaders = ["\\EFI\\debian\\shimx64.efi".to_owned()];
            let mut store = with_entries(empty(4096), &partition(Label::Gpt([7; 16])), 512, &loaders).expect("room");
            store[at] = byte;
            store.truncate(4096 - size);
            has_entry(&store);
            let _ = with_entries(store, &partition(Label::Mbr([1; 4])), 512, &loaders);
        }
    }
}
