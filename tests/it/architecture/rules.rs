//! Which room may know which.

use super::source;

/// The rooms from the ground up: a room names only rooms before it. The crate's root names them all.
pub const ORDER: [&str; 21] = [
    "input", "units", "measure", "secret", "model", "guest", "step", "system", "lab", "verdict", "gate",
    "record", "decide", "report", "port", "image", "run", "host", "session", "fake", "cli",
];

/// Rooms without input, output or clock.
pub const PURE: [&str; 13] = [
    "input",
    "units",
    "measure",
    "secret",
    "model",
    "guest",
    "step",
    "lab",
    "verdict",
    "gate",
    "record::share",
    "image::format",
    "run::queue",
];
/// What of them reads or writes files, and no other part may name.
pub const EDGES: [&str; 9] = [
    "lab::disk",
    "lab::load",
    "lab::new",
    "lab::open",
    "lab::recipe::changes",
    "lab::recipe::load",
    "lab::scenario::files",
    "lab::scenario::load",
    "lab::survey",
];
/// What a pure room may not name.
const IMPURE: [&str; 26] = [
    "tokio",
    "tokio_util",
    "virt",
    "qapi",
    "indicatif",
    "clap",
    "tempfile",
    "rustix",
    "uuid",
    "std::fs",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::process",
    "std::env",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "crate::lab::recipe::load_os",
    "crate::lab::recipe::load_role",
    "crate::system",
    "crate::record::journal",
    "tracing",
];
/// Methods of a path that look at the disk.
const LOOKS: [&str; 10] = [
    "canonicalize",
    "exists",
    "is_dir",
    "is_file",
    "is_symlink",
    "metadata",
    "read_dir",
    "read_link",
    "symlink_metadata",
    "try_exists",
];
const CLOCKS: [&str; 4] = [
    "Timestamp::now",
    "ZonedDateTime::now",
    "Instant::now",
    "SystemTime::now",
];

fn is_in(path: &str, room: &str) -> bool {
    path.strip_prefix(room)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a path leads to what a rule forbids, or takes it in with all that stands beside it.
fn reaches(path: &str, rule: &str) -> bool {
    is_in(path, rule) || path.strip_suffix("::*").is_some_and(|all| is_in(rule, all))
}

/// The room that a path leads into, where it stands above the room that names it.
fn above<'a>(room: &str, path: &'a str) -> Option<&'a str> {
    let level = |name: &str| ORDER.iter().position(|known| *known == name);
    let own = level(room.split("::").next()?)?;
    let named = path.strip_prefix("crate::")?.split("::").next()?;
    // What is no room is an item of the crate's root, which is above all.
    (level(named).unwrap_or(ORDER.len()) > own).then_some(named)
}

/// The rules that a file breaks, one sentence each.
pub fn broken(file: &str, text: &str) -> Vec<String> {
    let room = source::module(file).join("::");
    let is_edge = EDGES.iter().any(|edge| is_in(&room, edge));
    let pure = !is_edge && PURE.iter().any(|pure| is_in(&room, pure));
    let mut forbidden: Vec<String> = Vec::new();
    let mut forbid = |paths: &[&str]| forbidden.extend(paths.iter().map(|&path| path.to_owned()));
    if pure {
        forbid(&IMPURE);
        // A room's own file is the list of its parts.
        let beside = |edge: &&&str| edge.rsplit_once("::").is_none_or(|(parent, _)| parent != room);
        for edge in EDGES.iter().filter(beside) {
            forbid(&[&format!("crate::{edge}")]);
        }
    }
    if is_in(&room, "report") {
        forbid(&[
            "crate::verdict::judge",
            "crate::verdict::verdict",
            "crate::gate::decide",
            "crate::decide::Decided::load",
            "crate::decide::Decided::of",
            "tracing",
        ]);
    }
    if is_in(&room, "run") {
        forbid(&["crate::verdict", "crate::gate", "crate::decide", "crate::report"]);
    }
    // The engine asks a family; which one answers is the table's to say.
    if !is_in(&room, "guest") && !is_in(&room, "fake") {
        forbid(&[
            "crate::guest::apt",
            "crate::guest::debian",
            "crate::guest::linux",
            "crate::guest::rpm",
            "crate::guest::suse",
            "crate::guest::zypper",
        ]);
    }
    if is_in(&room, "host::proxy") {
        forbid(&["crate::host::agent"]);
    }
    // The one door to it, so that all else builds without.
    if !is_in(&room, "host::libvirt") && !is_in(&room, "host::connect") {
        forbid(&["crate::host::libvirt"]);
    }
    if !is_in(&room, "host::libvirt") {
        forbid(&["virt", "virt_sys"]);
    }
    if !is_in(&room, "host::agent") {
        forbid(&["qapi"]);
    }
    // Whoever starts a process elsewhere hands it patchgate's environment, with the secrets in it.
    if !is_in(&room, "system::child") {
        forbid(&["std::process::Command::new", "tokio::process::Command::new"]);
    }
    // What somebody else may have written is opened by one helper; who writes files opens what is its own.
    if !is_in(&room, "system::file") {
        forbid(&[
            "std::fs::read",
            "std::fs::read_to_string",
            "tokio::fs::read",
            "tokio::fs::read_to_string",
        ]);
    }
    let mut breaks: Vec<String> = Vec::new();
    let mut breach = |what: &str| breaks.push(format!("src/{file}: `{room}` {what}"));
    for path in source::named(file, text) {
        for rule in forbidden.iter().filter(|rule| reaches(&path, rule)) {
            breach(&format!("may not know `{rule}` (names `{path}`)"));
        }
        if let Some(named) = above(&room, &path) {
            breach(&format!(
                "may not know `{named}`, which stands above it (names `{path}`)"
            ));
        }
        let is_clock = |clock: &&str| path == **clock || path.ends_with(&format!("::{clock}"));
        if pure && CLOCKS.iter().any(is_clock) {
            breach(&format!("may not read a clock (names `{path}`)"));
        }
    }
    let called = source::methods(text);
    for method in LOOKS.iter().filter(|method| pure && called.contains(**method)) {
        breach(&format!("may not look at the disk (calls `{method}`)"));
    }
    if source::takes_in(text) {
        breach("takes in a file past its module's name");
    }
    breaks
}
