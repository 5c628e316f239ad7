//! Files of a department's in a Linux guest: put there in pieces, checked, run, and removed again.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::{bounded, question, script};
use crate::guest::what;
use crate::model::scenario::Script;

/// Bytes that one command brings: a request to the agent is a text of libvirt's, which ends at 4 MiB.
const PIECE: usize = 256 * 1024;

/// Where they are kept; a file system in memory, gone with the boot.
const FOLDER: &str = "/run/patchgate";

/// Where a file stands in the guest: it keeps its name, which some programs go by.
pub fn place(file: &str, sha256: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    format!("{FOLDER}/{}/{name}", sha256.get(..16).unwrap_or(sha256))
}

/// Puts a file into the guest: commands in their order.
pub fn put(path: &str, bytes: &[u8]) -> Vec<GuestCommand> {
    const FIRST: &str = include_str!("script_put.sh");
    const NEXT: &str = include_str!("script_append.sh");
    let mut pieces = bytes.chunks(PIECE);
    let first = pieces.next().unwrap_or_default();
    std::iter::once((FIRST, first))
        .chain(pieces.map(|piece| (NEXT, piece)))
        .map(|(text, piece)| {
            let mut command = script(what::PUT, text, &[path]);
            command.stdin = Some(piece.to_vec());
            command
        })
        .collect()
}

/// Asks for the digest of a file that was put there, as sha256sum(1) prints it.
pub fn check(path: &str) -> GuestCommand {
    question(what::CHECK, &["/usr/bin/sha256sum", "--", path])
}

/// Whether the answer to [`check`] is that digest.
pub fn is_whole(output: &str, sha256: &str) -> bool {
    output.split_whitespace().next() == Some(sha256)
}

/// Removes a file that was put there, with its folder.
pub fn remove(path: &str) -> GuestCommand {
    const TEXT: &str = include_str!("script_remove.sh");
    script(what::REMOVE, TEXT, &[path])
}

/// Runs a script that stands at `path`.
pub fn run(asked: &Script, path: &str, env: &[(&str, &str)], timeout: Duration) -> GuestCommand {
    let mut argv: Vec<&str> = Vec::new();
    if let Some(user) = &asked.user {
        argv.extend(["/sbin/runuser", "-u", user, "--"]);
    }
    argv.extend(asked.interpreter.iter().map(String::as_str));
    argv.push(path);
    argv.extend(asked.args.iter().map(String::as_str));
    bounded("script", &argv, env, timeout)
}

/// Removes results that were there before the script: they would be taken for its own.
pub fn clear(path: &str) -> GuestCommand {
    question(what::CLEAR, &["/bin/rm", "-f", "--", path])
}

/// Reads and removes the file that a script wrote its results to; an exit code of 2 says that there is none.
pub fn results(path: &str, timeout: Duration) -> GuestCommand {
    const TEXT: &str = include_str!("script_results.sh");
    bounded(
        what::RESULTS,
        &["/bin/bash", "-c", TEXT, "patchgate", path],
        &[],
        timeout,
    )
}
