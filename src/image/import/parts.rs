//! The private copies of a disk's files, each looked at whole.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::image::confined::Confined;
use crate::image::error::BuildError;
use crate::image::foreign::{ForeignDisk, Format};
use crate::image::format::detect::{Content, detect};
use crate::image::format::flaw::{Flaw, name};
use crate::image::format::qcow2::Header;
use crate::image::format::read::{start, within};
use crate::image::format::shape::Shape;
use crate::image::format::vmdk::description::{self, Extent, Place};
use crate::image::format::{check, qcow2, raw, vhdx, vmdk};
use crate::image::import::convert::{node, repair};
use crate::image::import::copy;
use crate::image::import::desk::{DISK_LIMIT, Desk};
use crate::image::import::links::{self, name_of};
use crate::image::import::opened::Opened;
use crate::image::import::told::Step;
use crate::image::import::unpack::unpack;

/// Bytes at the beginning of a raw disk by which garbage is told before it is converted.
const BEGINNING: usize = 64 << 10;
/// The name of the copy of the file that was named.
const SOURCE: &str = "source";

/// How a disk may be taken.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What the SHA-256 of its file has to be.
    pub sha256: Option<&'a str>,
    /// Whether a chain is joined.
    pub flatten: bool,
    /// Files that the links of a chain may be, beside those in its own folder.
    pub named: &'a [PathBuf],
}

/// The copies, ready for `qemu-img`.
pub struct Parts {
    /// What it reads.
    pub node: Value,
    /// What their tables say, of all of them.
    pub shape: Shape,
    /// Whether it is raw because it is nothing else, and nobody said so.
    pub guessed: bool,
    /// The format.
    pub format: Format,
}

/// Copies all files of a disk into a folder, and looks at them.
#[expect(clippy::similar_names, reason = "a disk is what lies on the desk")]
pub fn gather(
    desk: &Desk<'_>,
    confined: &Confined,
    disk: &ForeignDisk,
    asked: &Asked<'_>,
) -> Result<Parts, BuildError> {
    let unfit = |flaw| BuildError::Disk {
        path: disk.file.clone(),
        flaw,
    };
    let opened = Opened::at(&disk.file).map_err(|error| BuildError::Unfit {
        path: disk.file.clone(),
        problem: error.to_string(),
    })?;
    early(disk, &opened, asked).map_err(unfit)?;
    let packed = match detect(&opened, disk.format).map_err(unfit)? {
        Content::Packed(packing) => Some(packing),
        Content::Disk(_) | Content::Description => None,
    };
    let source = confined.folder.join(SOURCE);
    // Once as it is, and once as the image.
    desk.has_room("importing it", opened.held().saturating_mul(2))?;
    let found = if let Some(packing) = packed {
        desk.progress.step(&disk.name, Step::Unpacking);
        let found = unpack(desk, confined, &opened, &disk.file, packing, &source)?;
        Some(found)
    } else {
        desk.progress.step(&disk.name, Step::Copying);
        copy::copy(desk, &opened, &disk.file, &source, asked.sha256.is_some())?
    };
    if let (Some(expected), Some(found)) = (asked.sha256, found)
        && !found.eq_ignore_ascii_case(expected)
    {
        return Err(BuildError::OtherFile {
            path: disk.file.clone(),
            expected: expected.to_owned(),
            found,
        });
    }
    // All that follows is of the copies, whatever becomes of the files meanwhile.
    let copied = Copies { desk, confined, disk };
    let own = copied.open(SOURCE)?;
    match detect(&own, disk.format).map_err(unfit)? {
        Content::Packed(_) => Err(unfit(Flaw::Strange("packed twice".into()))),
        Content::Description if packed.is_some() => Err(unfit(Flaw::Unknown(
            "is a packed description of a disk that is in other files; unpack it beside them".into(),
        ))),
        Content::Description => copied.described(&own),
        Content::Disk(Format::Qcow2) => copied.chained(&opened, asked),
        Content::Disk(format) => copied.single(format),
    }
}

/// Refuses what could never be taken, before anything is copied.
fn early(disk: &ForeignDisk, opened: &Opened, asked: &Asked<'_>) -> Result<(), Flaw> {
    match detect(opened, disk.format)? {
        Content::Disk(Format::Qcow2) => {
            let header = qcow2::header(opened)?;
            refuse_chain(disk, opened, &header, asked)?;
            header.holds_its_data()
        }
        Content::Disk(format) => check::head(opened, format),
        Content::Description => {
            let text = start(opened, 0, description::MOST)?;
            links::extents(&disk.file, &description::read(&text)?).map(drop)
        }
        Content::Packed(_) => Ok(()),
    }
}

/// The older links of a disk, which must be wanted.
fn refuse_chain(
    disk: &ForeignDisk,
    opened: &Opened,
    header: &Header,
    asked: &Asked<'_>,
) -> Result<Vec<links::Link>, Flaw> {
    let found = links::below(&disk.file, opened, header, asked.named)?;
    if found.is_empty() || asked.flatten {
        return Ok(found);
    }
    let older = found.iter().map(|link| name_of(&link.path));
    Err(Flaw::Chain(
        [disk.name.clone()].into_iter().chain(older).collect(),
    ))
}

struct Copies<'a> {
    desk: &'a Desk<'a>,
    confined: &'a Confined,
    disk: &'a ForeignDisk,
}

impl Copies<'_> {
    fn unfit(&self, flaw: Flaw) -> BuildError {
        BuildError::Disk {
            path: self.disk.file.clone(),
            flaw,
        }
    }

    fn open(&self, name: &str) -> Result<Opened, BuildError> {
        Opened::at(&self.confined.folder.join(name)).map_err(|error| self.desk.broken(error.into()))
    }

    /// Looks at a copy whole, mended first where it needs that.
    fn whole(&self, name: &str, format: Format) -> Result<Shape, BuildError> {
        let mut own = self.open(name)?;
        let needs_repair = match format {
            Format::Qcow2 => qcow2::header(&own).map(|header| header.dirty),
            Format::Vhdx => vhdx::header(&own).map(|header| header.log),
            Format::Raw | Format::Vmdk | Format::Vhd | Format::Vdi => Ok(false),
        }
        .map_err(|flaw| self.unfit(flaw))?;
        if needs_repair {
            self.desk.progress.step(&self.disk.name, Step::Repairing);
            repair(self.desk, self.confined, format, name)?;
            own = self.open(name)?;
        }
        self.desk.progress.step(&self.disk.name, Step::Checking);
        let mut shape = check::whole(&own, format).map_err(|flaw| self.unfit(flaw))?;
        if format == Format::Raw {
            shape.holds = own.held();
        }
        if needs_repair {
            shape.said.push(match format {
                Format::Vhdx => "its log had changes that were not in their places; a copy was mended".into(),
                Format::Qcow2 | Format::Raw | Format::Vmdk | Format::Vhd | Format::Vdi => {
                    "it was not closed when it was copied; a copy was mended".into()
                }
            });
        }
        self.bounded(&shape)?;
        Ok(shape)
    }

    fn bounded(&self, shape: &Shape) -> Result<(), BuildError> {
        if shape.size > DISK_LIMIT {
            return Err(BuildError::Unfit {
                path: self.disk.file.clone(),
                problem: format!(
                    "a disk of {} GiB; at most {} are taken",
                    shape.size >> 30,
                    DISK_LIMIT >> 30
                ),
            });
        }
        Ok(())
    }

    fn single(&self, format: Format) -> Result<Parts, BuildError> {
        if format == Format::Vmdk && !self.described_within()? {
            return Err(self.unfit(Flaw::Unknown(
                "is one extent of a VMware disk; name the disk's description, the small .vmdk beside it"
                    .into(),
            )));
        }
        let shape = self.whole(SOURCE, format)?;
        let guessed = format == Format::Raw && self.disk.format.is_none();
        if format == Format::Raw {
            let sector = self.disk.hardware.block_size;
            let own = self.open(SOURCE)?;
            let look = raw::look(&own, sector).map_err(|flaw| self.unfit(flaw))?;
            // One that begins with zeros is looked at later: it may be a blank one.
            let begins = start(&own, 0, BEGINNING).map_err(|flaw| self.unfit(flaw))?;
            if guessed && look.is_nothing() && begins.iter().any(|&byte| byte != 0) {
                return Err(self.unfit(Flaw::Garbage));
            }
        }
        Ok(Parts {
            node: node(format, SOURCE, None),
            shape,
            guessed,
            format,
        })
    }

    fn described_within(&self) -> Result<bool, BuildError> {
        let own = self.open(SOURCE)?;
        let header = vmdk::sparse::header(&own).map_err(|flaw| self.unfit(flaw))?;
        Ok(header.described)
    }

    /// A qcow2 with all that it leans on.
    fn chained(&self, opened: &Opened, asked: &Asked<'_>) -> Result<Parts, BuildError> {
        let unfit = |flaw| self.unfit(flaw);
        let own = self.open(SOURCE)?;
        let header = qcow2::header(&own).map_err(unfit)?;
        let chain = refuse_chain(self.disk, opened, &header, asked).map_err(unfit)?;
        let mut shape = self.whole(SOURCE, Format::Qcow2)?;
        let newer = links::newer(&self.disk.file);
        if !newer.is_empty() {
            let names: Vec<String> = newer.iter().map(|text| name(text)).collect();
            shape.said.push(format!(
                "newer links of its chain lie beside it, {}, and were not taken: this is an older state",
                names.join(", ")
            ));
        }
        let mut below = Vec::new();
        for (number, link) in chain.iter().enumerate() {
            let copied = format!("link-{}", number + 1);
            self.desk.progress.step(&name_of(&link.path), Step::Copying);
            self.desk
                .has_room("importing it", link.file.held().saturating_mul(2))?;
            copy::copy(
                self.desk,
                &link.file,
                &link.path,
                &self.confined.folder.join(&copied),
                false,
            )?;
            let other = |flaw| BuildError::Disk {
                path: link.path.clone(),
                flaw,
            };
            let own = self.open(&copied)?;
            if let Some(header) = &link.header
                && qcow2::header(&own).map_err(other)? != *header
            {
                return Err(other(Flaw::Unreadable(
                    "it was written while it was copied".into(),
                )));
            }
            let part = self.whole(&copied, link.format).map_err(|error| match error {
                BuildError::Disk { flaw, .. } => other(flaw),
                error => error,
            })?;
            if link.format == Format::Raw && raw::look(&own, None).map_err(other)?.is_nothing() {
                return Err(other(Flaw::Garbage));
            }
            shape.holds = shape.holds.saturating_add(part.holds);
            shape.said.extend(part.said);
            below.push((link.format, copied));
        }
        if !chain.is_empty() {
            let names: Vec<String> = chain.iter().map(|link| name(&name_of(&link.path))).collect();
            shape
                .said
                .push(format!("joined with what it leans on: {}", names.join(", ")));
        }
        shape.holds = shape.holds.min(shape.size);
        let below = below
            .into_iter()
            .rev()
            .fold(None, |below: Option<Value>, (format, file)| {
                Some(node(format, &file, below.as_ref()))
            });
        Ok(Parts {
            node: node(Format::Qcow2, SOURCE, below.as_ref()),
            shape,
            guessed: false,
            format: Format::Qcow2,
        })
    }

    /// A VMware disk whose bytes are in files beside its description; `qemu-img` is given one of our own.
    fn described(&self, own: &Opened) -> Result<Parts, BuildError> {
        let unfit = |flaw| self.unfit(flaw);
        let text = start(own, 0, description::MOST).map_err(unfit)?;
        let extents = description::read(&text).map_err(unfit)?;
        let files = links::extents(&self.disk.file, &extents).map_err(unfit)?;
        let mut shape = Shape::default();
        for extent in &extents {
            shape.size = shape.size.saturating_add(extent.sectors.saturating_mul(512));
        }
        self.bounded(&shape)?;
        if shape.size == 0 {
            return Err(unfit(Flaw::Damaged("its description has no extents".into())));
        }
        let mut names = std::collections::BTreeMap::new();
        for (number, (theirs, (path, file))) in files.iter().enumerate() {
            let copied = format!("extent-{number}");
            self.desk.progress.step(&name_of(path), Step::Copying);
            self.desk
                .has_room("importing it", file.held().saturating_mul(2))?;
            copy::copy(self.desk, file, path, &self.confined.folder.join(&copied), false)?;
            names.insert(theirs.as_str(), copied);
        }
        let mut ours = Vec::new();
        for (number, extent) in extents.iter().enumerate() {
            ours.push(self.extent(number, extent, &names, &mut shape)?);
        }
        fs::write(self.confined.folder.join(SOURCE), description::write(&ours))
            .map_err(|error| self.desk.broken(error))?;
        Ok(Parts {
            node: node(Format::Vmdk, SOURCE, None),
            shape,
            guessed: false,
            format: Format::Vmdk,
        })
    }

    /// Looks at an extent; gives it with the name of its copy.
    fn extent(
        &self,
        number: usize,
        extent: &Extent,
        names: &std::collections::BTreeMap<&str, String>,
        shape: &mut Shape,
    ) -> Result<Extent, BuildError> {
        let unfit = |flaw| self.unfit(flaw);
        let copy_of = |theirs: &str| names.get(theirs).cloned().unwrap_or_default();
        let length = extent.sectors.saturating_mul(512);
        let place = match &extent.place {
            Place::Flat(theirs, first) => {
                let file = copy_of(theirs);
                let own = self.open(&file)?;
                within(&own, &format!("its extent {}", name(theirs)), *first, length).map_err(unfit)?;
                shape.holds = shape.holds.saturating_add(own.held().min(length));
                Place::Flat(file, *first)
            }
            Place::Sparse(theirs) => {
                let file = copy_of(theirs);
                let own = self.open(&file)?;
                if !start(&own, 0, 4).map_err(unfit)?.starts_with(b"KDMV") {
                    return Err(unfit(Flaw::Damaged(format!(
                        "its extent {} is none of VMware's",
                        name(theirs)
                    ))));
                }
                let part = self.whole(&file, Format::Vmdk)?;
                if part.size < length {
                    return Err(unfit(Flaw::Cut {
                        what: format!("its extent {}", name(theirs)),
                        needs: length,
                        has: part.size,
                    }));
                }
                shape.holds = shape.holds.saturating_add(part.holds);
                Place::Sparse(file)
            }
            Place::Zero => {
                // QEMU passes over an extent that is nowhere.
                let file = format!("zero-{number}");
                let made = fs::File::create_new(self.confined.folder.join(&file));
                made.and_then(|made| made.set_len(length))
                    .map_err(|error| self.desk.broken(error))?;
                Place::Flat(file, 0)
            }
        };
        Ok(Extent {
            sectors: extent.sectors,
            place,
        })
    }
}
