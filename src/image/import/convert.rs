//! What `qemu-img` does with the copies: it is told each file and each format, and finds out nothing by itself.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::image::confined::Confined;
use crate::image::error::BuildError;
use crate::image::foreign::Format;
use crate::image::import::desk::Desk;
use crate::image::process::Job;

/// How long a conversion may take, and a repair.
const DEADLINE: Duration = Duration::from_secs(4 * 60 * 60);
/// How often one looks how far it is.
const LOOK: Duration = Duration::from_millis(500);

/// A file as QEMU is told of it (<https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html>, `BlockdevOptions`). What it leans on is
/// named here, or nothing: the name in the file is passed over.
pub fn node(format: Format, file: &str, below: Option<&Value>) -> Value {
    let file = json!({ "driver": "file", "filename": file });
    match format {
        Format::Qcow2 | Format::Vmdk => json!({
            "driver": format.qemu(),
            "file": file,
            "backing": below,
        }),
        // Else it takes the disk of some writers to be as long as its cylinders, heads and sectors.
        Format::Vhd => json!({
            "driver": format.qemu(),
            "file": file,
            "force_size_calc": "current_size",
        }),
        Format::Raw | Format::Vhdx | Format::Vdi => json!({ "driver": format.qemu(), "file": file }),
    }
}

/// Mends the copy of a disk that was not closed: reference counts that are behind, or a log that is not in its place.
pub fn repair(desk: &Desk<'_>, confined: &Confined, format: Format, file: &str) -> Result<(), BuildError> {
    let named = format!("json:{}", node(format, file, None));
    let argv = ["qemu-img", "check", "-q", "-r", "all", &named];
    confined.give().map_err(|error| desk.broken(error))?;
    let job = Job::new("repair the copy", DEADLINE, &argv).confined(confined);
    let ended = desk.runner.run(&job);
    confined.take().map_err(|error| desk.broken(error))?;
    ended.map(drop)
}

/// Makes of a node a new file of a format in the folder; `holds`: how many bytes it will take, some.
pub fn convert(
    desk: &Desk<'_>,
    confined: &Confined,
    from: &Value,
    format: Format,
    to: &str,
    holds: u64,
) -> Result<(), BuildError> {
    let named = format!("json:{from}");
    let argv = ["qemu-img", "convert", "-O", format.qemu(), &named, to];
    confined.give().map_err(|error| desk.broken(error))?;
    let job = Job::new("convert the disk", DEADLINE, &argv).confined(confined);
    let made = confined.folder.join(to);
    let over = AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                desk.progress.bytes(taken(&made), Some(holds));
                std::thread::park_timeout(LOOK);
            }
        });
        let ended = desk.runner.run(&job);
        over.store(true, Ordering::Relaxed);
        watch.thread().unpark();
        ended
    });
    confined.take().map_err(|error| desk.broken(error))?;
    ended?;
    confined.made(to).map_err(|error| desk.broken(error.into()))
}

fn taken(path: &Path) -> u64 {
    path.metadata()
        .map_or(0, |about| about.blocks().saturating_mul(512))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_names_all_that_is_read_and_no_name_is_more_than_a_file_s() {
        let base = node(Format::Raw, "link-2", None);
        let top = node(Format::Qcow2, "source", Some(&base));
        assert_eq!(top["backing"]["file"]["filename"], "link-2");
        assert_eq!(node(Format::Qcow2, "source", None)["backing"], Value::Null);
        assert_eq!(node(Format::Vhd, "source", None)["driver"], "vpc");
    }
}
