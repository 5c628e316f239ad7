//! What is known of a disk.

use std::path::Path;
use std::time::Duration;

use crate::image::confined::Confined;
use crate::image::error::BuildError;
use crate::image::process::{Job, Runner};

/// What `qemu-img info` says of a disk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DiskInfo {
    /// Its format, such as `qcow2`.
    pub format: String,
    /// Its size as the guest sees it, in bytes.
    pub virtual_size: u64,
    /// The file that it is an overlay of.
    pub backing_filename: Option<String>,
    #[serde(default)]
    format_specific: serde_json::Value,
}

impl DiskInfo {
    /// A file beside `disk` that its content is read from: its backing file, a qcow2's data file or an extent of a vmdk
    /// (<https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html>, ImageInfoSpecific).
    pub fn other_file(&self, disk: &Path) -> Option<&str> {
        let data = &self.format_specific["data"];
        let extents = data["extents"].as_array().into_iter().flatten();
        let named = extents
            .map(|extent| &extent["filename"])
            .chain([&data["data-file"]]);
        self.backing_filename.as_deref().or_else(|| {
            named
                .filter_map(serde_json::Value::as_str)
                .find(|name| Path::new(name) != disk)
        })
    }
}

/// Asks `qemu-img` about a disk in the folder that it is confined to.
pub fn info(runner: &Runner, confined: &Confined, disk: &Path) -> Result<DiskInfo, BuildError> {
    let path = disk.to_string_lossy();
    let argv = ["qemu-img", "info", "--output=json", "--", &path];
    let text = runner
        .run(&Job::asking(format!("look at {path}"), Duration::from_secs(60), &argv).confined(confined))?;
    serde_json::from_str(&text).map_err(|error| BuildError::Unfit {
        path: disk.to_owned(),
        problem: format!("qemu-img's description cannot be read: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemu_img_s_description_is_read() {
        let text = r#"{"virtual-size": 4294967296, "filename": "a.qcow2", "format": "qcow2", "actual-size": 1,
            "format-specific": {"type": "qcow2", "data": {"compat": "1.1"}}}"#;
        let info: DiskInfo = serde_json::from_str(text).expect("description");
        assert_eq!(
            (info.format.as_str(), info.virtual_size),
            ("qcow2", 4_294_967_296)
        );
        assert_eq!(info.other_file(Path::new("a.qcow2")), None);
    }

    #[test]
    fn files_that_a_disk_reads_beside_itself_are_found() {
        for (rest, other) in [
            (r#""backing-filename": "base.qcow2""#, Some("base.qcow2")),
            (
                r#""format-specific": {"data": {"data-file": "/etc/shadow"}}"#,
                Some("/etc/shadow"),
            ),
            (
                r#""format-specific": {"data": {"extents": [{"filename": "/d"}, {"filename": "/x"}]}}"#,
                Some("/x"),
            ),
            (
                r#""format-specific": {"data": {"extents": [{"filename": "/d"}]}}"#,
                None,
            ),
            (r#""format-specific": {"data": []}"#, None),
        ] {
            let text = format!(r#"{{"virtual-size": 1, "format": "vmdk", {rest}}}"#);
            let info: DiskInfo = serde_json::from_str(&text).expect("description");
            assert_eq!(info.other_file(Path::new("/d")), other, "{rest}");
        }
    }
}
