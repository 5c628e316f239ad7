//! Whether a disk's file is whole, by its own tables. A converter's exit code proves nothing: `qemu-img convert` ends with 0
//! on cut files, and writes zeros.

use crate::image::foreign::Format;
use crate::image::format::flaw::Flaw;
use crate::image::format::read::Source;
use crate::image::format::shape::Shape;
use crate::image::format::{qcow2, vdi, vhd, vhdx, vmdk};

/// Looks at all tables of a disk's file. Raw disks have none but their guest's.
pub fn whole(source: &dyn Source, format: Format) -> Result<Shape, Flaw> {
    match format {
        Format::Raw => Ok(Shape {
            size: source.size(),
            holds: source.size(),
            ..Shape::default()
        }),
        Format::Qcow2 => qcow2::whole(source),
        Format::Vmdk => vmdk::sparse::whole(source),
        Format::Vhdx => vhdx::whole(source),
        Format::Vhd => vhd::whole(source),
        Format::Vdi => vdi::whole(source),
    }
}

/// Refuses by the head of a file, before anything of it is copied, what could never be taken.
pub fn head(source: &dyn Source, format: Format) -> Result<(), Flaw> {
    match format {
        Format::Raw => Ok(()),
        Format::Qcow2 => qcow2::header(source).map(drop),
        Format::Vmdk => vmdk::sparse::header(source).map(drop),
        Format::Vhdx => vhdx::header(source).map(drop),
        Format::Vhd => vhd::footer(source).map(drop),
        Format::Vdi => vdi::header(source).map(drop),
    }
}
