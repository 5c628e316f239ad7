//! The variables of UEFI firmware, as OVMF has them in its flash: a store of authenticated variables in a firmware volume (PI 1.8,
//! volume 3, 3.2.1; EDK2, MdeModulePkg/Include/Guid/VariableFormat.h). A variable that changes is marked, and written anew
//! behind the last.

use std::ops::Range;

use crate::image::format::flaw::Flaw;
use crate::image::format::load_option::{self, Target};
use crate::image::format::read::{guid, le16, le32, le64};

/// What a volume with variables is, and a store of authenticated ones.
const VOLUME: [u8; 16] = [
    0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50,
];
const STORE: [u8; 16] = [
    0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92,
];
/// Whose the variables of the specification are (UEFI 2.10, 3.3).
const GLOBAL: [u8; 16] = [
    0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c,
];
/// Bytes of a store's head, and of a variable's.
const STORE_HEAD: usize = 28;
const HEAD: usize = 60;
/// How a store says that it is one that is in order.
const FORMATTED: [u8; 2] = [0x5a, 0xfe];
/// How a variable begins, and its states: whole; about to be replaced; the mark of one that is gone.
const BEGIN: u16 = 0x55aa;
const ADDED: u8 = 0x3f;
const REPLACED: u8 = 0x3e;
const GONE: u8 = 0xfd;
/// Kept; there before a system runs, and while it does.
const ATTRIBUTES: u32 = 7;
/// Flash that nobody has written.
const ERASED: u8 = 0xff;
const ALIGNED: usize = 4;

/// A variable that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    at: usize,
    owner: [u8; 16],
    name: String,
    data: Range<usize>,
}

/// A store of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    bytes: Vec<u8>,
    /// The byte behind the last variable, and that behind the store.
    free: usize,
    end: usize,
    variables: Vec<Variable>,
}

fn broken(what: &str) -> Flaw {
    Flaw::Unknown(format!("its store of UEFI variables {what}"))
}

impl Store {
    /// Reads the flash of a firmware.
    ///
    /// # Errors
    /// It has no such store, or not a whole one.
    pub fn read(bytes: Vec<u8>) -> Result<Self, Flaw> {
        let strange = || Flaw::Unknown("it is no store of authenticated UEFI variables".into());
        if bytes.get(40..44) != Some(b"_FVH") || guid(&bytes, 16) != VOLUME {
            return Err(strange());
        }
        let head = usize::from(le16(&bytes, 48));
        let volume = usize::try_from(le64(&bytes, 32)).unwrap_or(usize::MAX);
        if guid(&bytes, head) != STORE {
            return Err(strange());
        }
        let size = usize::try_from(le32(&bytes, head + 16)).unwrap_or(usize::MAX);
        let end = head.saturating_add(size);
        if end > volume.min(bytes.len()) || size < STORE_HEAD {
            return Err(broken("ends behind its flash"));
        }
        if bytes.get(head + 20..head + 22) != Some(&FORMATTED) {
            return Err(broken("is not in order"));
        }
        let mut store = Self {
            bytes,
            free: (head + STORE_HEAD).next_multiple_of(ALIGNED),
            end,
            variables: Vec::new(),
        };
        store.walk()?;
        Ok(store)
    }

    fn walk(&mut self) -> Result<(), Flaw> {
        let mut replaced = Vec::new();
        while self.free + HEAD <= self.end && le16(&self.bytes, self.free) == BEGIN {
            let at = self.free;
            let state = self.bytes[at + 2];
            // One whose head was never written whole has no sizes.
            let size = |place: usize| match le32(&self.bytes, at + place) {
                u32::MAX => 0,
                size => usize::try_from(size).unwrap_or(usize::MAX),
            };
            let (name, data) = (size(36), size(40));
            let data_at = (at + HEAD).saturating_add(name);
            let behind = data_at.saturating_add(data);
            if behind > self.end {
                return Err(broken("has a variable that ends behind it"));
            }
            let (letters, _) = self.bytes[at + HEAD..data_at].as_chunks::<2>();
            let letters = letters.iter().map(|letter| u16::from_le_bytes(*letter));
            let letters: Vec<u16> = letters.take_while(|&letter| letter != 0).collect();
            let variable = Variable {
                at,
                owner: guid(&self.bytes, at + 44),
                name: String::from_utf16_lossy(&letters),
                data: data_at..behind,
            };
            match state {
                ADDED => self.variables.push(variable),
                REPLACED => replaced.push(variable),
                _ => {}
            }
            self.free = behind.next_multiple_of(ALIGNED);
        }
        // Who was to be replaced, and was not, is in force still.
        for old in replaced {
            if self.find(&old.owner, &old.name).is_none() {
                self.variables.push(old);
            }
        }
        Ok(())
    }

    fn find(&self, owner: &[u8; 16], name: &str) -> Option<&Variable> {
        self.variables
            .iter()
            .find(|known| known.owner == *owner && known.name == name)
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        self.bytes.get(self.find(&GLOBAL, name)?.data.clone())
    }

    fn order(&self) -> Vec<u16> {
        let (numbers, _) = self.value("BootOrder").unwrap_or_default().as_chunks::<2>();
        numbers.iter().map(|number| u16::from_le_bytes(*number)).collect()
    }

    /// Where its boot entries lead to, in their order; of those that lead to a file on a partition.
    pub fn targets(&self) -> Vec<Target> {
        let numbers = self.order().into_iter();
        let entries = numbers.filter_map(|number| self.value(&boot(number)));
        entries.filter_map(load_option::target).collect()
    }

    /// Puts entries before those that it has.
    ///
    /// # Errors
    /// There is no room for them.
    pub fn begin_with(&mut self, entries: &[Vec<u8>]) -> Result<(), Flaw> {
        let mut order = Vec::new();
        let mut free = (0..=u16::MAX).filter(|&number| self.value(&boot(number)).is_none());
        let numbers: Vec<u16> = free.by_ref().take(entries.len()).collect();
        for (number, entry) in numbers.into_iter().zip(entries) {
            self.set(&boot(number), entry)?;
            order.push(number);
        }
        for number in self.order() {
            if !order.contains(&number) {
                order.push(number);
            }
        }
        let order: Vec<u8> = order.into_iter().flat_map(u16::to_le_bytes).collect();
        self.set("BootOrder", &order)
    }

    /// Writes a variable of the specification.
    fn set(&mut self, name: &str, data: &[u8]) -> Result<(), Flaw> {
        let full = || broken("has no room for a boot entry");
        let letters: Vec<u8> = name
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        let mut made = BEGIN.to_le_bytes().to_vec();
        made.extend([ADDED, 0]);
        made.extend(ATTRIBUTES.to_le_bytes());
        // A count, a time and a key, which those that are signed have.
        made.extend([0; 28]);
        for length in [letters.len(), data.len()] {
            made.extend(u32::try_from(length).map_err(|_| full())?.to_le_bytes());
        }
        made.extend(GLOBAL);
        made.extend(letters);
        let data_at = self.free + made.len();
        made.extend(data);
        let behind = self.free + made.len();
        let place = self.bytes[..self.end]
            .get_mut(self.free..behind)
            .ok_or_else(full)?;
        if place.iter().any(|&byte| byte != ERASED) {
            return Err(broken("has something behind its last variable"));
        }
        place.copy_from_slice(&made);
        let new = Variable {
            at: self.free,
            owner: GLOBAL,
            name: name.to_owned(),
            data: data_at..behind,
        };
        if let Some(old) = self.find(&GLOBAL, name).map(|old| old.at) {
            self.bytes[old + 2] &= GONE;
            self.variables.retain(|known| known.at != old);
        }
        self.variables.push(new);
        self.free = behind.next_multiple_of(ALIGNED);
        Ok(())
    }

    /// The flash, with what was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The name of an entry.
fn boot(number: u16) -> String {
    format!("Boot{number:04X}")
}
