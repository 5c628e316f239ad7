//! Files of a department's in a Linux guest: put there in pieces, checked, run, and removed again.

use std::time::Duration;

use crate::guest::answer::ResultsFile;
use crate::guest::command::{GuestCommand, OUTPUT_LIMIT, ParseError};
use crate::guest::linux::command::{as_user, bounded, question, script, theirs};
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
    let mut command: Vec<&str> = asked.interpreter.iter().map(String::as_str).collect();
    command.push(path);
    command.extend(asked.args.iter().map(String::as_str));
    let (argv, env) = as_user(asked.user.as_deref(), &command, env);
    theirs("script", &argv, &env, timeout)
}

/// Removes results that were there before the script: they would be taken for its own.
pub fn clear(path: &str) -> GuestCommand {
    const TEXT: &str = include_str!("script_clear.sh");
    script(what::CLEAR, TEXT, &[path])
}

/// Prints and removes the files that a script wrote its results to; an exit code of 2 says that there is none.
pub fn results(path: &str, timeout: Duration) -> GuestCommand {
    const TEXT: &str = include_str!("script_results.sh");
    bounded(
        what::RESULTS,
        &["/bin/bash", "-c", TEXT, "patchgate", path],
        &[],
        timeout,
    )
}

/// Reads the answer to [`results`]: of each file a line `file BYTES NAME`, what it holds, and a line's end.
pub fn parse_results(output: &[u8]) -> Result<Vec<ResultsFile>, ParseError> {
    let wrong = |problem: &str| ParseError {
        what: "files of results",
        problem: problem.to_owned(),
    };
    let mut files = Vec::new();
    let mut rest = output;
    while !rest.is_empty() {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            // Cut where one begins.
            files.push(ResultsFile {
                name: "another file".to_owned(),
                bytes: Vec::new(),
                is_whole: false,
            });
            break;
        };
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let mut fields = head.splitn(3, ' ');
        let (Some("file"), Some(Ok(size)), Some(name)) = (
            fields.next(),
            fields.next().map(str::parse::<usize>),
            fields.next(),
        ) else {
            return Err(wrong("one has no name and length before it"));
        };
        let content = rest.get(end + 1..).unwrap_or_default();
        let bytes = content.get(..size).unwrap_or(content);
        files.push(ResultsFile {
            name: name.to_owned(),
            bytes: bytes.to_vec(),
            is_whole: bytes.len() == size,
        });
        rest = content
            .get(size..)
            .and_then(|rest| rest.strip_prefix(b"\n"))
            .unwrap_or_default();
    }
    match files.last_mut() {
        None => return Err(wrong("there is none")),
        // Cut between two files, perhaps.
        Some(last) if output.len() >= OUTPUT_LIMIT => last.is_whole = false,
        Some(_) => {}
    }
    Ok(files)
}
