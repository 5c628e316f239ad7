//! Making one file of each disk that was copied, in the folder of the copies and by programs that see nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::image::confined::Confined;
use crate::image::domain::error::DomainError;
use crate::image::domain::fetch::{Copied, Fetched};
use crate::image::domain::info::{Info, info};
use crate::image::error::BuildError;
use crate::image::foreign::{Foreign, Format};
use crate::image::process::{Job, Runner};

/// How long a conversion may take.
const DEADLINE: Duration = Duration::from_secs(12 * 60 * 60);
/// How long a change of a file's header may take.
const MOMENT: Duration = Duration::from_secs(60);
/// Bytes of a firmware's variables: OVMF's have half a megabyte, those of an ARM machine's flash 64 MiB.
const NVRAM: u64 = 64 << 20;
/// The file that a firmware's variables end in.
const VARIABLES: &str = "nvram";

/// The machine that was fetched, each of its disks one file beside the copies. `confined` holds the programs, in the folder of
/// the copies.
pub fn whole(fetched: Fetched, runner: &Runner, confined: &Confined) -> Result<Foreign, DomainError> {
    let failed = |error| DomainError::of_io("prepare the copies", &confined.folder, error);
    confined.give().map_err(failed)?;
    let work = Work {
        domain: &fetched.name,
        runner,
        confined,
    };
    let mut disks = Vec::new();
    for (nth, links) in fetched.disks.iter().enumerate() {
        disks.push(work.disk(nth, links)?);
    }
    let nvram = fetched
        .nvram
        .as_ref()
        .map(|copied| work.nvram(copied))
        .transpose()?;
    confined.take().map_err(failed)?;
    for file in disks.iter().map(|(file, _)| file).chain(&nvram) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        confined.made(&name).map_err(|error| failed(error.into()))?;
    }
    Ok(fetched.domain.foreign(disks, nvram))
}

struct Work<'a> {
    domain: &'a str,
    runner: &'a Runner,
    confined: &'a Confined,
}

/// The name of a file in the folder of the copies.
fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

impl Work<'_> {
    /// One file of a disk's files, the top first.
    fn disk(&self, nth: usize, links: &[Copied]) -> Result<(PathBuf, Format), DomainError> {
        let (Some(top), Some(base)) = (links.first(), links.last()) else {
            let domain = self.domain.to_owned();
            let place = format!("disk{nth}");
            return Err(DomainError::Missing { domain, place });
        };
        for link in links.windows(2) {
            let [upper, lower] = link else {
                continue;
            };
            // What its header has below it is a name on another host, or has been moved since; the description is what counts.
            self.stands_on(upper, None)?;
            self.is_alone(upper)?;
            self.stands_on(upper, Some(lower))?;
        }
        self.is_alone(base)?;
        if links.len() == 1 {
            return Ok((top.file.clone(), top.format));
        }
        let made = format!("disk{nth}");
        self.convert(top, &made, "qcow2")?;
        for link in links {
            fs::remove_file(&link.file)
                .map_err(|error| DomainError::of_io("remove a copy", &link.file, error))?;
        }
        Ok((self.confined.folder.join(made), Format::Qcow2))
    }

    /// A firmware's variables as they are in its flash.
    fn nvram(&self, copied: &Copied) -> Result<PathBuf, DomainError> {
        let info = self.is_alone(copied)?;
        if info.virtual_size > NVRAM {
            return Err(BuildError::Unfit {
                path: copied.from.to_string().into(),
                problem: format!("variables of a firmware are at most {} MiB", NVRAM >> 20),
            }
            .into());
        }
        self.convert(copied, VARIABLES, "raw")?;
        Ok(self.confined.folder.join(VARIABLES))
    }

    /// Whether all of a file's content is in it.
    fn is_alone(&self, copied: &Copied) -> Result<Info, DomainError> {
        let file = name(&copied.file);
        let of = copied.from.to_string();
        let info = info(self.runner, self.confined, (file, copied.format), &of)?;
        match info.other(file) {
            None => Ok(info),
            Some(other) => Err(DomainError::Elsewhere {
                domain: self.domain.to_owned(),
                place: copied.from.to_string(),
                other: other.to_owned(),
            }),
        }
    }

    /// Writes into the header of a copy what it stands on.
    fn stands_on(&self, upper: &Copied, lower: Option<&Copied>) -> Result<(), DomainError> {
        let mut argv = vec!["qemu-img", "rebase", "-u", "-f", upper.format.qemu()];
        if let Some(lower) = lower {
            argv.extend(["-F", lower.format.qemu()]);
        }
        argv.extend([
            "-b",
            lower.map_or("", |lower| name(&lower.file)),
            "--",
            name(&upper.file),
        ]);
        let what = format!("put the copy of {} on what it stands on", upper.from);
        self.runner
            .run(&Job::new(what, MOMENT, &argv).confined(self.confined))?;
        Ok(())
    }

    fn convert(&self, copied: &Copied, to: &str, format: &str) -> Result<(), DomainError> {
        let argv = [
            "qemu-img",
            "convert",
            "-f",
            copied.format.qemu(),
            "-O",
            format,
            "--",
            name(&copied.file),
            to,
        ];
        let what = format!("make {} whole", copied.from);
        self.runner
            .run(&Job::new(what, DEADLINE, &argv).confined(self.confined))?;
        Ok(())
    }
}
