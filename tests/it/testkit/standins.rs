//! Commands for a guest, performed here by stand-ins of its programs, below a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use patchgate::guest::command::GuestCommand;

/// Writes a file in a folder that is made for it.
pub fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

/// A program of the guest's, as a script.
pub fn program(path: &Path, text: &str) {
    write(path, &format!("#!/bin/bash\n{text}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program");
}

/// Performs a command with the programs of `root/bin` before those of this machine; `at` leads its places below the root.
pub fn perform(root: &Path, command: &GuestCommand, at: impl Fn(&str) -> String) -> Output {
    let argv: Vec<String> = command.argv.iter().map(|word| at(word)).collect();
    let bin = root.join("bin");
    Command::new(&argv[0])
        .args(&argv[1..])
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("root", root)
        .output()
        .expect("it runs")
}
