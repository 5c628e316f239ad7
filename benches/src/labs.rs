//! The labs that are run on real clones.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failed;

/// Cells of the wide lab; its cells run all at once, one arm of each.
pub const CELLS: usize = 16;
/// The name of the wide lab's file, beside the fixed lab's.
pub const WIDE: &str = "wide.toml";

/// The lab file of the image that clones are made of.
pub const CLONES: &str = "clones.toml";
/// That image.
pub const CLONES_IMAGE: &str = "debian-12+ssh";

/// The source tree that this program was built from.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Writes the labs anew into a folder: `patchgate.toml`, of which `web,database` are the four cells of the fixed lab, and
/// [`WIDE`].
pub fn write(folder: &Path) -> Result<(), Failed> {
    let io = |error: std::io::Error| Failed(format!("{}: {error}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(io)?;
    }
    let script = root().join("tests/corpus/harmless.sh");
    let written = Command::new(&script)
        .arg(folder)
        .output()
        .map_err(|error| Failed(format!("{}: {error}", script.display())))?;
    if !written.status.success() {
        let words = String::from_utf8_lossy(&written.stderr).into_owned();
        return Err(Failed(format!("{}: {words}", script.display())));
    }
    let scenarios = folder.join("scenarios/wide");
    fs::create_dir_all(&scenarios).map_err(io)?;
    fs::write(scenarios.join("answers.toml"), SCENARIO).map_err(io)?;
    let clones = folder.join("clones/ssh");
    fs::create_dir_all(&clones).map_err(io)?;
    fs::write(
        clones.join("answers.toml"),
        SCENARIO.replace("\"web\"", "\"ssh\""),
    )
    .map_err(io)?;
    fs::write(folder.join("roles/ssh.toml"), "packages = [\"openssh-server\"]\n").map_err(io)?;
    let lab = CLONES_LAB.replace("ROOT", &root().display().to_string());
    fs::write(folder.join(CLONES), lab).map_err(io)?;
    fs::write(folder.join(WIDE), wide()).map_err(io)
}

const SCENARIO: &str = r#"
title = "The node answers"
owner = "bench"
timeout = "30m"

[[step]]
name = "it answers"
on = "web"
run = "true"
"#;

/// A server with SSH host keys, which no two clones may share.
const CLONES_LAB: &str = r#"[soak]
look = false

[lab]
name = "clones"
scenarios = "clones"

[image.debian-12]
build = "ROOT/images/debian-12.toml"

[role.ssh]
recipe = "roles/ssh.toml"

[group.clones]
owner = "bench"
admin = "bench"
os = ["debian-12"]
roles = ["ssh"]
scenarios = ["ssh"]
"#;

/// One image, one role, and as many groups as cells. The deadlines are long: so many guests share a few processors.
fn wide() -> String {
    let mut text = format!(
        r#"[soak]
look = false

[lab]
name = "wide"
updates = "listed"
listed = ["house-rules"]
reboot = "when-needed"

[[host]]
uri = "auto"
vcpus = {CELLS}

[image.debian-12]
build = "{}/images/debian-12.toml"

[role.web]
recipe = "roles/web.toml"
memory = "512MiB"

[deadlines]
boot = "90m"
resolve = "60m"
download = "60m"
apply = "90m"
reboot = "90m"
"#,
        root().display()
    );
    for cell in 1..=CELLS {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n[group.g{cell:02}]\nowner = \"bench\"\nadmin = \"bench\"\nos = [\"debian-12\"]\nroles = [\"web\"]\n\
             scenarios = [\"wide\"]\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use patchgate::guest::families::Families;
    use patchgate::lab::build::ImageChoice;
    use patchgate::lab::file::Lab;
    use patchgate::lab::select::Selection;
    use patchgate::model::machine::MachinePlan;
    use patchgate::model::plan::ImagePin;
    use patchgate::report;

    use super::*;

    #[test]
    fn the_labs_are_right_and_have_their_cells() {
        let folder = tempfile::tempdir().expect("folder");
        let labs = folder.path().join("labs");
        // The second time over what the first left.
        for _ in 0..2 {
            write(&labs).expect("labs");
        }
        let choice = |os: &str, role: &str| ImageChoice {
            os: os.to_owned(),
            role: role.to_owned(),
            pin: ImagePin {
                name: format!("{os}+{role}"),
                os: os.to_owned(),
                key: "c0ffee".repeat(4),
                sha256: None,
                machine: MachinePlan::default(),
                manager: None,
            },
            recipes: BTreeMap::new(),
            sources: Vec::new(),
        };
        for (file, select, cells) in [
            (
                "patchgate.toml",
                Some("web,database"),
                "lab hq: 4 cells, 8 arms, 8 VMs",
            ),
            (WIDE, None, "lab wide: 16 cells, 32 arms, 32 VMs"),
        ] {
            let os = ["debian-11", "debian-12"];
            let images: Vec<ImageChoice> = os
                .iter()
                .flat_map(|os| ["web", "database"].map(|role| choice(os, role)))
                .collect();
            let selection = select.map(|text| Selection::parse(text).expect("a selection"));
            let checked = Lab::open(&labs.join(file), &Families::default()).expect(file);
            let plan = checked.plan(selection.as_ref(), &images).expect(file);
            let plan = report::plan::text(&plan, "not known");
            assert!(plan.contains(cells), "{plan}");
            assert!(
                plan.contains("updates: of house-rules\n"),
                "one must be pending: {plan}"
            );
        }
    }
}
