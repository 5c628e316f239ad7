//! The files of an appliance, taken once each: compared with the manifest while they are read, joined of their pieces, unpacked
//! where they are compressed, and left where they are if none of that is needed.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::image::bundle::error::{Problem, listed, shown};
use crate::image::bundle::holey::{Holey, room};
use crate::image::bundle::manifest::Manifest;
use crate::image::bundle::ovf::descriptor::FileRef;
use crate::image::bundle::package::Package;
use crate::image::bundle::part::{Part, fill};
use crate::image::bundle::unpack::{Packed, Unpacking};
use crate::system::file;

/// Bytes that are read at once.
const BLOCK: usize = 256 * 1024;
/// Digits of a piece's number (DSP0243, 7.1).
const DIGITS: usize = 9;

/// A file that was taken.
#[derive(Debug)]
pub struct Taken {
    /// Where it is.
    pub path: PathBuf,
    /// Its first bytes.
    pub head: Vec<u8>,
}

/// The taking of an appliance's files.
pub struct Taking<'a> {
    package: &'a Package,
    base: &'a str,
    manifest: &'a Manifest,
    /// Where files are unpacked to.
    pub into: &'a Path,
    stop: &'a dyn Fn() -> bool,
    seen: BTreeSet<String>,
    /// What the admin should know.
    pub said: Vec<String>,
}

impl<'a> Taking<'a> {
    /// Begins with the files of a package, as a descriptor in the folder `base` names them.
    pub fn new(
        package: &'a Package,
        base: &'a str,
        manifest: &'a Manifest,
        into: &'a Path,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        Self {
            package,
            base,
            manifest,
            into,
            stop,
            seen: BTreeSet::new(),
            said: Vec::new(),
        }
    }

    /// Notes that others have told of these files: manifests and signatures.
    pub fn saw(&mut self, names: Vec<String>) {
        self.seen.extend(names);
    }

    /// Whether a file was looked at, or told of.
    pub fn is_used(&self, name: &str) -> bool {
        self.seen.contains(name)
    }

    /// Reads a small file whole.
    pub fn read(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, Problem> {
        let part = self.part(name, "the export")?;
        let bytes = part.bytes(name, limit)?;
        let mut watch = self.manifest.watch(self.relative(name));
        watch.see(&bytes);
        judge(name, watch.verdict())?;
        Ok(bytes)
    }

    /// Takes a file of the references; what must be unpacked goes to `place`.
    pub fn file(&mut self, file: &FileRef, place: &Path) -> Result<Taken, Problem> {
        let name = self.package.resolve(self.base, &file.href)?;
        let pieces = self.pieces(&name, file)?;
        let mut known = true;
        for piece in &pieces {
            known &= self.manifest.knows(self.relative(piece));
        }
        let packed = match file.compression.as_deref() {
            None => None,
            Some("gzip") => Some(Packed::Gzip),
            Some(other) => {
                return Err(Problem::Unfit(format!(
                    "has {} compressed by {}, which is not known; export it without compression",
                    shown(&file.href),
                    shown(other)
                )));
            }
        };
        let in_place = self
            .package
            .place(&name)
            .filter(|_| pieces.len() == 1 && pieces[0] == name);
        let joined = if packed.is_some() {
            place.with_extension("packed")
        } else {
            place.to_owned()
        };
        let length = self.length(&pieces)?;
        let path = if let Some(path) = in_place {
            self.copy(&pieces, None)?;
            path
        } else {
            room(self.into, length)?;
            let mut copy = Holey::create(&joined, 0)?;
            self.copy(&pieces, Some(&mut copy))?;
            copy.finish()?;
            joined.clone()
        };
        let (path, unpacked) = match packed {
            None => (path, length),
            Some(packed) => {
                let size = self.unpack(packed, &path, &file.href, place)?;
                if path == joined {
                    std::fs::remove_file(&path).map_err(|error| Problem::writing(&path, error))?;
                }
                (place.to_owned(), size)
            }
        };
        self.fits(file, [length, unpacked], known)?;
        if !known {
            let pieces = pieces.iter().map(String::as_str);
            let unknown = listed(pieces.filter(|piece| !self.manifest.knows(self.relative(piece))));
            // Without a manifest that is said of all.
            if !self.manifest.is_empty() {
                self.said
                    .push(format!("its manifest does not know {unknown}, taken unchecked"));
            }
        }
        let head = Part::whole(file::open(&path).map_err(|error| Problem::of_file(&name, error))?)?.head()?;
        Ok(Taken { path, head })
    }

    /// Reads all that the manifest knows and nobody has taken, to compare it.
    pub fn rest(&mut self) -> Result<(), Problem> {
        let names: BTreeSet<String> = self
            .manifest
            .names()
            .map(|name| format!("{}{name}", self.base))
            .filter(|name| !self.seen.contains(name))
            .collect();
        for name in names {
            self.part(&name, "its manifest")?;
            self.copy(&[name], None)?;
        }
        Ok(())
    }

    fn relative<'b>(&self, name: &'b str) -> &'b str {
        name.strip_prefix(self.base).unwrap_or(name)
    }

    fn part(&mut self, name: &str, by: &str) -> Result<Part, Problem> {
        self.seen.insert(name.to_owned());
        self.package.find(name)?.ok_or_else(|| Problem::Absent {
            file: shown(name),
            by: by.to_owned(),
        })
    }

    /// The files that one is joined of, in order: itself, or its pieces, whose numbers have no gap.
    fn pieces(&mut self, name: &str, file: &FileRef) -> Result<Vec<String>, Problem> {
        let Some(size) = file.piece else {
            return Ok(vec![name.to_owned()]);
        };
        let number = |there: &str| {
            let digits = there.strip_prefix(name)?.strip_prefix('.')?;
            let fits = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
            fits.then(|| digits.parse::<usize>().ok())?
        };
        let mut pieces: Vec<(usize, &str)> = self
            .package
            .names()
            .into_iter()
            .filter_map(|there| Some((number(there)?, there)))
            .collect();
        pieces.sort_unstable();
        if pieces.is_empty() {
            return Ok(vec![name.to_owned()]);
        }
        for (expected, (number, _)) in pieces.iter().enumerate() {
            if expected != *number {
                return Err(Problem::Absent {
                    file: format!("piece {expected} of {}", shown(name)),
                    by: "the descriptor".to_owned(),
                });
            }
        }
        let pieces: Vec<String> = pieces.into_iter().map(|(_, piece)| piece.to_owned()).collect();
        for (index, piece) in pieces.iter().enumerate() {
            let length = self.part(piece, "the descriptor")?.left();
            let last = index + 1 == pieces.len();
            if length > size || (length < size && !last) {
                return Err(Problem::Damaged(format!(
                    "its piece {} has {length} bytes instead of {size}",
                    shown(piece)
                )));
            }
        }
        Ok(pieces)
    }

    fn length(&mut self, pieces: &[String]) -> Result<u64, Problem> {
        let mut length: u64 = 0;
        for piece in pieces {
            length = length.saturating_add(self.part(piece, "the descriptor")?.left());
        }
        Ok(length)
    }

    /// Reads files one after the other, compares each with the manifest, and writes them where that is wanted.
    fn copy(&mut self, pieces: &[String], mut to: Option<&mut Holey>) -> Result<(), Problem> {
        let mut buffer = vec![0; BLOCK];
        for piece in pieces {
            let mut watch = self.manifest.watch(self.relative(piece));
            let mut part = self.part(piece, "the descriptor")?;
            if to.is_none() && watch.is_idle() {
                continue;
            }
            loop {
                self.go_on()?;
                let count = fill(&mut part, &mut buffer)?;
                if count == 0 {
                    break;
                }
                watch.see(&buffer[..count]);
                if let Some(to) = &mut to {
                    to.add(&buffer[..count])?;
                }
            }
            judge(piece, watch.verdict())?;
        }
        Ok(())
    }

    fn unpack(&self, packed: Packed, from: &Path, href: &str, place: &Path) -> Result<u64, Problem> {
        let file: File = file::open(from).map_err(|error| Problem::of_file(href, error))?;
        let head = Part::whole(file.try_clone().map_err(Problem::reading)?)?.head()?;
        if Packed::of(&head) != Some(packed) {
            return Err(Problem::Damaged(format!(
                "{} is not compressed as the descriptor says",
                shown(href)
            )));
        }
        let mut unpacking = Unpacking::of(packed, file)?;
        let mut to = Holey::create(place, 0)?;
        let mut buffer = vec![0; BLOCK];
        let mut since = 0;
        loop {
            self.go_on()?;
            let count = fill(&mut unpacking, &mut buffer)?;
            if count == 0 {
                break;
            }
            to.add(&buffer[..count])?;
            since += count;
            if since > 64 << 20 {
                // How much it becomes is not known before.
                room(self.into, 0)?;
                since = 0;
            }
        }
        unpacking.finish()?;
        to.finish()
    }

    fn go_on(&self) -> Result<(), Problem> {
        if (self.stop)() {
            Err(Problem::Stopped)
        } else {
            Ok(())
        }
    }

    /// Compares a file's size, packed and unpacked, with the descriptor's. Where the manifest vouches for it the descriptor is
    /// merely wrong, but for pieces, of which the last may be missing.
    fn fits(&mut self, file: &FileRef, lengths: [u64; 2], known: bool) -> Result<(), Problem> {
        let Some(told) = file.size.filter(|told| !lengths.contains(told)) else {
            return Ok(());
        };
        if told > lengths[0] && (!known || file.piece.is_some()) {
            return Err(Problem::Cut(format!(
                "{} has {} bytes, and {told} by its descriptor",
                shown(&file.href),
                lengths[0]
            )));
        }
        self.said.push(format!(
            "{} has {} bytes, and {told} by its descriptor",
            shown(&file.href),
            lengths[0]
        ));
        Ok(())
    }
}

fn judge(name: &str, verdict: Result<(), &'static str>) -> Result<(), Problem> {
    verdict.map_err(|algorithm| Problem::Digest {
        file: shown(name),
        algorithm,
    })
}
