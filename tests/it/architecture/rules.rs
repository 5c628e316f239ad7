//! Which room may know which.

use super::source;

/// The rooms from the ground up: a room names only rooms before it. The crate's root names them all.
pub const ORDER: [&str; 20] = [
    "input", "units", "measure", "secret", "model", "guest", "step", "lab", "verdict", "gate", "record",
    "decide", "report", "port", "image", "run", "host", "session", "fake", "cli",
];

/// Rooms without input, output or clock.
pub const PURE: [&str; 17] = [
    "input",
    "units",
    "measure",
    "secret",
    "model",
    "guest",
    "step",
    "lab::build",
    "lab::file",
    "lab::lint",
    "lab::sections",
    "lab::names",
    "lab::select",
    "verdict",
    "gate",
    "record::share",
    "run::queue",
];
/// What a pure room may not name.
const IMPURE: [&str; 23] = [
    "tokio",
    "tokio_util",
    "virt",
    "qapi",
    "indicatif",
    "clap",
    "tempfile",
    "std::fs",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::process",
    "std::env",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "crate::lab::disk",
    "crate::lab::load",
    "crate::lab::open",
    "crate::lab::scenario::load",
    "crate::lab::survey",
    "crate::record::journal",
    "tracing",
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
    let module = source::module(file);
    let room = module.join("::");
    let mut forbidden: Vec<&str> = Vec::new();
    let pure = PURE.iter().any(|pure| is_in(&room, pure));
    if pure {
        forbidden.extend(IMPURE);
    }
    if is_in(&room, "report") {
        forbidden.extend([
            "crate::verdict::judge",
            "crate::verdict::verdict",
            "crate::gate::decide",
            "tracing",
        ]);
    }
    if is_in(&room, "host::proxy") {
        forbidden.push("crate::host::agent");
    }
    // The one door to it, so that all else builds without.
    if !is_in(&room, "host::libvirt") && !is_in(&room, "host::connect") {
        forbidden.push("crate::host::libvirt");
    }
    if !is_in(&room, "host::libvirt") {
        forbidden.extend(["virt", "virt_sys"]);
    }
    if !is_in(&room, "host::agent") {
        forbidden.push("qapi");
    }
    let mut breaks: Vec<String> = Vec::new();
    for path in source::paths(text) {
        let path = source::absolute(&path, &module);
        for rule in &forbidden {
            if is_in(&path, rule) {
                breaks.push(format!(
                    "src/{file}: `{room}` may not know `{rule}` (names `{path}`)"
                ));
            }
        }
        if let Some(named) = above(&room, &path) {
            breaks.push(format!(
                "src/{file}: `{room}` may not know `{named}`, which stands above it (names `{path}`)"
            ));
        }
        if pure
            && CLOCKS
                .iter()
                .any(|clock| path == *clock || path.ends_with(&format!("::{clock}")))
        {
            breaks.push(format!(
                "src/{file}: `{room}` may not read a clock (names `{path}`)"
            ));
        }
    }
    breaks.sort();
    breaks.dedup();
    breaks
}
