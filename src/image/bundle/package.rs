//! The files of an appliance: in a tar archive, or beside each other in a folder. Names lead nowhere else.

use std::path::{Path, PathBuf};

use crate::image::bundle::error::{Problem, shown};
use crate::image::bundle::names::{MOST_ENTRIES, plain};
use crate::image::bundle::ova::Archive;
use crate::image::bundle::part::Part;
use crate::system::file::{FileError, Folder};

/// Where the files of an appliance are.
#[derive(Debug)]
pub enum Package {
    /// In an archive.
    Archive(Archive),
    /// In a folder.
    Folder {
        /// The folder, held open.
        folder: Folder,
        /// Its path.
        path: PathBuf,
        /// The names of what is in it, in order.
        names: Vec<String>,
        /// Whether all of it is one appliance's.
        whole: bool,
    },
}

impl Package {
    /// The files beside a file.
    pub fn beside(file: &Path) -> Result<Self, Problem> {
        Self::listed(file.parent().unwrap_or(Path::new("")), false)
    }

    /// The files of a folder that is one appliance's.
    pub fn folder(path: &Path) -> Result<Self, Problem> {
        Self::listed(path, true)
    }

    fn listed(path: &Path, whole: bool) -> Result<Self, Problem> {
        let folder = Folder::open(path).map_err(Problem::own)?;
        let at = if path == Path::new("") {
            Path::new(".")
        } else {
            path
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(at).map_err(Problem::reading)? {
            let name = entry.map_err(Problem::reading)?.file_name();
            // A name that is no text can be named by no descriptor.
            names.extend(name.into_string());
            if names.len() > MOST_ENTRIES {
                return Err(Problem::Unfit(format!(
                    "{} has more than {MOST_ENTRIES} entries",
                    at.display()
                )));
            }
        }
        names.sort();
        Ok(Self::Folder {
            folder,
            path: path.to_owned(),
            names,
            whole,
        })
    }

    /// The names of all files, in no order that means anything.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Archive(archive) => archive.names(),
            Self::Folder { names, .. } => names.iter().map(String::as_str).collect(),
        }
    }

    /// A file, if there is one of that name. A link is none, and an error.
    pub fn find(&self, name: &str) -> Result<Option<Part>, Problem> {
        match self {
            Self::Archive(archive) => archive.part(name),
            Self::Folder { folder, .. } => match folder.file(Path::new(name)) {
                Ok(file) => Part::whole(file).map(Some),
                Err(FileError::Missing) => Ok(None),
                Err(error) => Err(Problem::of_file(name, error)),
            },
        }
    }

    /// Where a file lies by itself, if it does.
    pub fn place(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Archive(_) => None,
            Self::Folder { path, .. } => Some(path.join(name)),
        }
    }

    /// Whether all that is in it belongs to the one appliance, so that what nobody names should be said.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Archive(_) => true,
            Self::Folder { whole, .. } => *whole,
        }
    }

    /// Whether its end is marked, as every writer of archives does.
    pub fn is_ended(&self) -> bool {
        match self {
            Self::Archive(archive) => archive.ended,
            Self::Folder { .. } => true,
        }
    }

    /// The file that a descriptor names, by its path from where the descriptor is. It may be written as a URI's path.
    pub fn resolve(&self, base: &str, href: &str) -> Result<String, Problem> {
        if href.contains("://") || href.starts_with("file:") {
            return Err(Problem::Elsewhere(shown(href)));
        }
        let decoded = percent_encoding::percent_decode_str(href).decode_utf8_lossy();
        let outside = || Problem::Outside(shown(href));
        // Both readings stay inside, whichever is meant.
        let [raw, decoded] =
            [plain(href), plain(&decoded)].map(|name| name.map(|name| format!("{base}{name}")));
        let (raw, decoded) = (raw.ok_or_else(outside)?, decoded.ok_or_else(outside)?);
        let known = |name: &String| self.names().iter().any(|there| there.starts_with(name.as_str()));
        Ok(if raw != decoded && !known(&raw) && known(&decoded) {
            decoded
        } else {
            raw
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_names_files_beside_it_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a b.vmdk", "c%20d.vmdk"] {
            std::fs::write(folder.path().join(name), "x").expect("written");
        }
        let package = Package::folder(folder.path()).expect("a folder");
        let resolve = |href: &str| package.resolve("", href);
        assert_eq!(resolve("a%20b.vmdk").expect("there"), "a b.vmdk");
        assert_eq!(resolve("c%20d.vmdk").expect("there"), "c%20d.vmdk");
        for href in ["%2e%2e/x", "..%2fx", "%2fetc/shadow", "../x"] {
            assert!(matches!(resolve(href), Err(Problem::Outside(_))), "{href}");
        }
        for href in ["http://a/x.vmdk", "file:/etc/shadow"] {
            assert!(matches!(resolve(href), Err(Problem::Elsewhere(_))), "{href}");
        }
    }
}
