//! Child processes: made here and nowhere else, so that none of them inherits what patchgate was started with.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// Where programs are; an admin's PATH often lacks the `sbin` folders.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program to be started with nothing of patchgate's environment, which holds secrets: it has a PATH, a language, a home
/// that is no one's, and no standard input. What else it needs is given by name.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs([("PATH", PATH), ("HOME", "/nonexistent"), ("LC_ALL", "C.UTF-8")])
        .stdin(Stdio::null());
    command
}

/// The variables of the environment that name a proxy, for programs that fetch something.
pub fn proxies() -> impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)> {
    std::env::vars_os().filter(|(name, _)| {
        name.to_str()
            .is_some_and(|name| name.to_ascii_lowercase().ends_with("_proxy"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_has_nothing_of_the_environment_and_no_input() {
        assert!(
            std::env::var_os("CARGO_MANIFEST_DIR").is_some(),
            "this test runs below cargo"
        );
        let told = command("env").output().expect("env runs");
        let text = String::from_utf8(told.stdout).expect("text");
        let mut names: Vec<&str> = text
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["HOME", "LC_ALL", "PATH"]);
        let heard = command("cat").output().expect("cat runs");
        assert!(heard.status.success() && heard.stdout.is_empty());
    }
}
