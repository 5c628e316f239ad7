//! Names of files in archives and descriptors, which strangers gave.

use std::path::{Component, Path};

/// Entries of a folder or an archive.
pub const MOST_ENTRIES: usize = 10_000;

/// A name as a path below a folder, such as `disks/a.vmdk`; `None` for one that leads out of it or is none.
pub fn plain(name: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let inside = !parts.is_empty() && !name.contains('\0');
    inside.then(|| parts.join("/"))
}

/// Whether a name ends so, in whatever case.
pub fn ends_with(name: &str, end: &str) -> bool {
    let at = name.len().checked_sub(end.len());
    at.and_then(|at| name.get(at..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_below_its_folder_or_is_none() {
        for (name, path) in [
            ("a.vmdk", Some("a.vmdk")),
            ("./a/./b", Some("a/b")),
            ("a b", Some("a b")),
            ("..", None),
            ("../a", None),
            ("a/../../b", None),
            ("/etc/shadow", None),
            ("", None),
            (".", None),
            ("a\0b", None),
        ] {
            assert_eq!(plain(name).as_deref(), path, "{name:?}");
        }
    }

    #[test]
    fn an_end_is_found_in_any_case_and_between_letters_of_any_length() {
        assert!(ends_with("a.OVF", ".ovf") && ends_with("\u{fc}.ovf", ".ovf"));
        assert!(!ends_with("vf", ".ovf") && !ends_with("\u{fc}vf", "xvf"));
    }
}
