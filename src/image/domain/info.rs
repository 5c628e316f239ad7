//! What a copied file says of other files that its content is in.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::image::confined::Confined;
use crate::image::error::BuildError;
use crate::image::foreign::Format;
use crate::image::process::{Job, Runner};

/// How long a look may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What `qemu-img info` says of a file
/// (<https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html>, ImageInfo).
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Info {
    /// Bytes that a guest sees.
    pub virtual_size: u64,
    backing_filename: Option<String>,
    #[serde(default)]
    format_specific: Value,
}

impl Info {
    /// A file beside that one that its content is read from: what it stands on, a data file, or an extent.
    pub fn other(&self, file: &str) -> Option<&str> {
        let data = &self.format_specific["data"];
        let extents = data["extents"].as_array().into_iter().flatten();
        let named = extents
            .map(|extent| &extent["filename"])
            .chain([&data["data-file"]]);
        self.backing_filename.as_deref().or_else(|| {
            named
                .filter_map(Value::as_str)
                .find(|name| Path::new(name) != Path::new(file))
        })
    }
}

/// Asks about a file in the folder that `qemu-img` is confined to; `what` is that file to whoever reads an error. Its format is
/// told, so that its content is not asked for it: a raw disk may hold whatever its guest wrote.
pub fn info(
    runner: &Runner,
    confined: &Confined,
    (file, format): (&str, Format),
    what: &str,
) -> Result<Info, BuildError> {
    let argv = [
        "qemu-img",
        "info",
        "--output=json",
        "-f",
        format.qemu(),
        "--",
        file,
    ];
    let text =
        runner.run(&Job::asking(format!("look at the copy of {what}"), LIMIT, &argv).confined(confined))?;
    serde_json::from_str(&text).map_err(|error| BuildError::Unfit {
        path: what.into(),
        problem: format!("qemu-img's description cannot be read: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_a_file_reads_beside_itself_are_found() {
        for (rest, other) in [
            (r#""backing-filename": "base.qcow2""#, Some("base.qcow2")),
            (
                r#""format-specific": {"data": {"data-file": "/etc/shadow"}}"#,
                Some("/etc/shadow"),
            ),
            (
                r#""format-specific": {"data": {"extents": [{"filename": "disk"}, {"filename": "/x"}]}}"#,
                Some("/x"),
            ),
            (
                r#""format-specific": {"data": {"extents": [{"filename": "disk"}]}}"#,
                None,
            ),
            (r#""format-specific": {"data": []}"#, None),
            (r#""format": "raw""#, None),
        ] {
            let text = format!(r#"{{"virtual-size": 1, {rest}}}"#);
            let info: Info = serde_json::from_str(&text).expect("a description");
            assert_eq!((info.other("disk"), info.virtual_size), (other, 1), "{rest}");
        }
    }
}
