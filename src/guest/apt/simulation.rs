//! What apt would do, as its simulations tell it.

use crate::guest::command::ParseError;
use crate::input;
use crate::model::update::Update;

/// Reads a simulation (apt-get(8), `-s`): `Inst NAME [FROM] (TO ORIGIN[, ORIGIN] [ARCH])` and `Remv NAME [FROM]`.
pub fn parse_simulation(output: &str) -> Result<Vec<Update>, ParseError> {
    let mut updates = Vec::new();
    for line in output.lines() {
        let parsed = if let Some(rest) = line.strip_prefix("Inst ") {
            parse_inst(rest)
        } else if let Some(rest) = line.strip_prefix("Remv ") {
            parse_remv(rest)
        } else {
            continue;
        };
        updates.push(parsed.ok_or_else(|| ParseError {
            what: "apt's simulation",
            problem: format!("`{}` cannot be read", input::clip(line)),
        })?);
    }
    Ok(updates)
}

fn parse_inst(rest: &str) -> Option<Update> {
    let (head, tail) = rest.split_once('(')?;
    let (inside, _) = tail.split_once(')')?;
    let mut head = head.split_whitespace();
    let name = package_name(head.next()?)?;
    let from = match head.next() {
        Some(version) => Some(version.strip_prefix('[')?.strip_suffix(']')?.to_owned()),
        None => None,
    };
    let (version_and_origin, arch) = inside.rsplit_once(" [")?;
    let (to, origin) = version_and_origin.split_once(' ')?;
    Some(Update {
        kernel: is_kernel(&name),
        name,
        arch: arch.strip_suffix(']')?.to_owned(),
        from,
        to: Some(to.to_owned()),
        origin: origin.trim().to_owned(),
    })
}

fn parse_remv(rest: &str) -> Option<Update> {
    let mut fields = rest.split_whitespace();
    let name = package_name(fields.next()?)?;
    let from = fields.next()?.strip_prefix('[')?.strip_suffix(']')?;
    Some(Update {
        kernel: is_kernel(&name),
        name,
        arch: String::new(),
        from: Some(from.to_owned()),
        to: None,
        origin: String::new(),
    })
}

/// A package name, with `:arch` for a foreign architecture (Debian policy 5.6.1). Nothing else may reach a command.
fn package_name(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.:".contains(c);
    let starts = text.chars().next()?.is_ascii_alphanumeric();
    (starts && text.chars().all(fits)).then(|| text.to_owned())
}

/// Whether a package is a kernel or a part of one.
fn is_kernel(name: &str) -> bool {
    name.starts_with("linux-image") || name.starts_with("linux-modules")
}

/// Whether an origin is a security archive: `Debian-Security:12/oldstable-security`, or any archive of that ending.
pub fn is_security(origin: &str) -> bool {
    origin
        .split(", ")
        .any(|one| one.starts_with("Debian-Security:") || one.ends_with("-security"))
}
