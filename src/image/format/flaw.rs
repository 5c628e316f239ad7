//! Why a disk is not taken.

use crate::input::safe;

/// Characters of a name out of a file that are shown: a name is what a person has to look for.
const SHOWN: usize = 400;

/// Why a disk is not taken; the fragment stands behind the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// It ends before what it names.
    #[error("is cut off: {what} reaches to byte {needs}, and it ends at byte {has}")]
    Cut {
        /// What is beyond the end.
        what: String,
        /// Where that would end.
        needs: u64,
        /// Where the file, or the disk in it, ends.
        has: u64,
    },
    /// It needs a key.
    #[error("is encrypted: {0}")]
    Encrypted(String),
    /// It is a link of a chain, the newest first; with the name that the last one leans on.
    #[error("holds only what changed since an older disk; the chain is {}, the newest first", chain(.0))]
    Chain(Vec<String>),
    /// It is a link of a chain of a format whose links are not joined here; with what it leans on, in words.
    #[error("holds only what changed since an older disk, {0}")]
    Leans(String),
    /// It names a file or a server that is not its own.
    #[error("names {}, {why}; nothing was read there", name(file))]
    Outside {
        /// What it names.
        file: String,
        /// Why that is not read.
        why: String,
    },
    /// Its parts contradict each other.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// Its packer does not unpack it.
    #[error("is damaged: it does not unpack: {0}")]
    Packed(String),
    /// A machine is to begin from it, and there is nothing on it.
    #[error("has nothing on it that a firmware could start: {0}")]
    Blank(&'static str),
    /// It is nothing that a disk would be.
    #[error("is no disk: it has no partition table, no file system and no boot sector")]
    Garbage,
    /// It is of another kind.
    #[error("is {0}, which is not taken as a disk")]
    Strange(String),
    /// It has a part that is not read.
    #[error("{0}")]
    Unknown(String),
    /// Its content is in files that are not taken together with it; the text says which.
    #[error("{0}")]
    Parts(String),
    /// It is another format than its owner says.
    #[error("is said to be {said}, and its content is {found}")]
    Other {
        /// What its owner says.
        said: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// A name out of a file, in quotes, harmless and bounded.
pub fn name(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{}`", safe::whole(&shown))
}

fn chain(names: &[String]) -> String {
    const MOST: usize = 16;
    let shown: Vec<String> = names.iter().take(MOST).map(|text| name(text)).collect();
    let more = names.len().saturating_sub(MOST);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    shown.join(" on ") + &more
}

impl Flaw {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Empty | Self::Cut { .. } => Some(
                "copy or export it anew, and compare its size, or its SHA-256 with --sha256, with the source's",
            ),
            Self::Encrypted(_) => Some(
                "take the encryption off a copy where its key is, such as `qemu-img convert` with the key as `--object secret`, \
                 or VMware's or VirtualBox's own command for it; patchgate asks for no keys",
            ),
            Self::Chain(_) => Some(
                "`--flatten` joins the links on a copy; or remove its snapshots where it comes from, and copy it then",
            ),
            Self::Leans(_) => Some(
                "remove its snapshots or checkpoints where it comes from, and copy it then; or make one disk of the links there",
            ),
            Self::Outside { .. } => Some(
                "if you know that file to be a part of the disk, put it beside the disk; a disk that a stranger made \
                 may name any file, and `qemu-img convert` would read that",
            ),
            Self::Damaged(_) => {
                Some("copy or export it anew from where it runs; nothing of it is taken as it is")
            }
            Self::Packed(_) => Some("copy it anew, or pack it anew from what it was made of"),
            Self::Blank(_) => Some(
                "name the disk that the machine begins from first, and its others with --disk: those may be blank",
            ),
            Self::Garbage => Some(
                "see whether it is the right file, whether it was copied whole, and whether it is encrypted or packed in another way",
            ),
            Self::Strange(_) | Self::Unknown(_) => {
                Some("convert it where it comes from to qcow2, raw, vmdk, vhdx, vhd or vdi")
            }
            Self::Parts(_) => Some(
                "where you know who made it, make one whole disk of its files, `qemu-img convert -O qcow2 DISK WHOLE`, and import that",
            ),
            Self::Other { .. } => Some("see whether it is the right file"),
            Self::Unreadable(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_out_of_a_file_begin_no_line_and_have_an_end() {
        let told = Flaw::Outside {
            file: format!("a\nb\u{1b}[31m{}", "c".repeat(2000)),
            why: "elsewhere".into(),
        }
        .to_string();
        assert!(!told.contains(['\n', '\u{1b}']) && told.len() < 600, "{told}");
        let many: Vec<String> = (0..100).map(|link| format!("l{link}")).collect();
        let told = Flaw::Chain(many).to_string();
        assert!(
            told.contains("`l0` on `l1`") && told.contains("and 84 more"),
            "{told}"
        );
    }
}
