//! The command line in a test's own folder.

use std::path::Path;

use assert_cmd::Command;

/// patchgate, called in a folder that has its state and its image store too, and by nobody's settings.
pub fn patchgate(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("patchgate").expect("the binary");
    command
        .current_dir(folder)
        .env("PATCHGATE_STATE", folder.join("state"))
        .env("PATCHGATE_IMAGES", folder.join("images-store"))
        .env("NO_COLOR", "1")
        .env_remove("PATCHGATE_LAB");
    command
}
