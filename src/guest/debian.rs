//! Debian and its like: pending updates through apt, the truth through dpkg.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::guest::{GuestCommand, ParseError, linux};
use crate::input;
use crate::model::policy::{UpdateMode, UpdatePolicy};
use crate::model::update::{Proof, Update, UpdateSet};

/// Settings of every apt call: no dialogue of debconf (debconf(7)), ucf (ucf(1)), needrestart or apt-listchanges, and
/// the words that the parsers know.
const ENV: [(&str, &str); 6] = [
    ("LC_ALL", "C"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("UCF_FORCE_CONFFOLD", "1"),
    ("NEEDRESTART_SUSPEND", "1"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
];

fn apt(what: &str, args: &[&str], timeout: Duration) -> GuestCommand {
    let mut line = vec![
        "/usr/bin/apt-get",
        "-q",
        "-o",
        "Dpkg::Use-Pty=0",
        "-o",
        "DPkg::Lock::Timeout=120",
    ];
    line.extend(args);
    linux::bounded(what, &line, &ENV, timeout)
}

/// apt's options for a proxy (apt-transport-http(1)).
fn by_way_of(proxy: Option<&str>) -> Vec<String> {
    let option = |scheme: &str, proxy: &str| ["-o".to_owned(), format!("Acquire::{scheme}::Proxy={proxy}")];
    proxy
        .map(|proxy| [option("http", proxy), option("https", proxy)].concat())
        .unwrap_or_default()
}

/// Reads the update sources (apt-get(8), `update`), through a proxy where one is given.
pub fn refresh(proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    let proxy = by_way_of(proxy);
    let mut args: Vec<&str> = proxy.iter().map(String::as_str).collect();
    args.extend([
        "-o",
        "Acquire::Retries=2",
        "-o",
        "APT::Update::Error-Mode=any",
        "update",
    ]);
    apt("read the update sources", &args, timeout)
}

/// What of [`refresh`]'s error output says that a source could not be read; before apt 2.3 it exits 0 then. The `Err:`
/// lines of its output say nothing: a repository without a Release file has some until one form of its index is found.
pub fn refresh_errors(stderr: &str) -> Vec<String> {
    stderr
        .lines()
        .filter(|line| {
            line.starts_with("E: ") || line.starts_with("W: Failed to fetch") || line.contains("W: GPG error")
        })
        .map(input::clip)
        .collect()
}

/// Asks what a full upgrade would do, without doing it.
pub fn simulate_all(timeout: Duration) -> GuestCommand {
    apt(
        "list the pending updates",
        &["-s", "-o", "Debug::NoLocking=1", "dist-upgrade"],
        timeout,
    )
}

/// Asks what installing exactly these updates would do.
pub fn simulate(updates: &[Update], timeout: Duration) -> GuestCommand {
    let wanted = wanted(updates);
    let mut args = vec!["-s", "-o", "Debug::NoLocking=1", "install"];
    args.extend(wanted.iter().map(String::as_str));
    apt("resolve the update set", &args, timeout)
}

/// Fetches a pinned set into apt's cache, through a proxy where one is given.
pub fn download(set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    let proxy = by_way_of(proxy);
    let mut options = vec!["--download-only", "-o", "Acquire::Retries=2"];
    options.extend(proxy.iter().map(String::as_str));
    install("fetch the update set", set, &options, timeout)
}

/// Installs a pinned set from apt's cache: without prompting, changed conffiles staying the admin's (dpkg(1),
/// `--force-confdef --force-confold`), and without a way to the mirror, so that a failure here is the packages' own. The
/// way is barred by a proxy on the discard port: with `--no-download` apt does not find what a `file:` source has.
pub fn apply(set: &UpdateSet, timeout: Duration) -> GuestCommand {
    let barred = by_way_of(Some("http://127.0.0.1:9/"));
    let mut args: Vec<&str> = barred.iter().map(String::as_str).collect();
    args.extend([
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        "Dpkg::Options::=--force-unsafe-io",
    ]);
    install("install the update set", set, &args, timeout)
}

fn install(what: &str, set: &UpdateSet, options: &[&str], timeout: Duration) -> GuestCommand {
    let wanted = wanted(&set.updates);
    let mut args = vec!["-y"];
    if set.updates.iter().all(|update| update.to.is_some()) {
        args.push("--no-remove");
    }
    args.extend(options);
    args.push("install");
    args.extend(wanted.iter().map(String::as_str));
    apt(what, &args, timeout)
}

/// apt's way to name a package with its version, or one that is to go.
fn wanted(updates: &[Update]) -> Vec<String> {
    updates
        .iter()
        .map(|update| match &update.to {
            Some(version) => format!("{}={version}", update.name),
            None => format!("{}-", update.name),
        })
        .collect()
}

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

/// Those of the pending updates that a policy asks for.
pub fn choose(pending: &[Update], policy: &UpdatePolicy) -> Vec<Update> {
    let bare = |update: &Update| update.name.split(':').next().unwrap_or_default().to_owned();
    pending
        .iter()
        .filter(|update| match policy.mode {
            UpdateMode::Security => update.to.is_some() && is_security(&update.origin),
            UpdateMode::All => true,
            UpdateMode::Listed => update.to.is_some() && policy.listed.contains(&bare(update)),
        })
        .filter(|update| !policy.exclude.contains(&bare(update)))
        .cloned()
        .collect()
}

/// Whether an origin is a security archive: `Debian-Security:12/oldstable-security`, or any archive of that ending.
fn is_security(origin: &str) -> bool {
    origin
        .split(", ")
        .any(|one| one.starts_with("Debian-Security:") || one.ends_with("-security"))
}

/// Asks dpkg for every package that it knows, with version and state (dpkg-query(1)).
pub fn packages() -> GuestCommand {
    linux::bounded(
        "read the package states",
        &[
            "/usr/bin/dpkg-query",
            "-W",
            "-f",
            "${Package}:${Architecture}\\t${Version}\\t${db:Status-Abbrev}\\n",
        ],
        &ENV,
        Duration::from_secs(120),
    )
}

/// Asks dpkg for one package: `state<TAB>version`, or nothing where it knows none of that name.
pub fn package(name: &str, timeout: Duration) -> GuestCommand {
    linux::bounded(
        "package",
        &[
            "/usr/bin/dpkg-query",
            "-W",
            "-f",
            "${db:Status-Abbrev}\\t${Version}\\n",
            "--",
            name,
        ],
        &ENV,
        timeout,
    )
}

/// What dpkg says of its packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageStates {
    /// `name:arch` to version, of those that are fully installed.
    pub installed: BTreeMap<String, String>,
    /// `name:arch` to dpkg's state, of those that are neither fully installed nor gone.
    pub unfinished: BTreeMap<String, String>,
}

impl PackageStates {
    /// Every package with its version, or with dpkg's state where it is not fully installed.
    pub fn states(&self) -> BTreeMap<String, String> {
        let mut states = self.installed.clone();
        let unfinished = self.unfinished.iter();
        states.extend(unfinished.map(|(name, state)| (name.clone(), format!("in dpkg's state `{state}`"))));
        states
    }
}

/// Reads the answer to [`packages`].
pub fn parse_packages(output: &str) -> Result<PackageStates, ParseError> {
    let mut states = PackageStates::default();
    for line in output.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, state] = fields[..] else {
            return Err(ParseError {
                what: "dpkg's package states",
                problem: format!("`{}` has not three fields", input::clip(line)),
            });
        };
        // Second letter: i installed, n not installed, c only its configuration files remain; a third one is an error.
        match state.trim_end().as_bytes() {
            [_, b'i'] => {
                states.installed.insert(name.to_owned(), version.to_owned());
            }
            [_, b'n' | b'c'] => {}
            _ => {
                states
                    .unfinished
                    .insert(name.to_owned(), state.trim_end().to_owned());
            }
        }
    }
    if states.installed.is_empty() {
        return Err(ParseError {
            what: "dpkg's package states",
            problem: "no package is installed".into(),
        });
    }
    Ok(states)
}

/// Asks what speaks for a reboot: Debian's flag file, the running kernel, the kernel that would be booted, and files that
/// processes have mapped though they are deleted or replaced (proc_pid_maps(5)). The last line shows that it came to its
/// end.
pub fn reboot_hints() -> GuestCommand {
    const TEXT: &str = r#"[ -e /run/reboot-required ] && echo "flag $(tr '\n' ' ' < /run/reboot-required.pkgs 2>/dev/null)"
echo "running $(uname -r)"
next=$(readlink -f /vmlinuz 2>/dev/null) && echo "next ${next#/boot/vmlinuz-}"
sed -snE 's|^[^ ]+ ..(.). [^ ]+ [^ ]+ [^ ]+ +(/.*) \(deleted\)$|stale \1 \2|p' /proc/[0-9]*/maps 2>/dev/null | sort -u | head -n 500
echo "end"
exit 0"#;
    linux::bounded(
        "see whether a reboot is needed",
        &["/bin/bash", "-c", TEXT],
        &ENV,
        Duration::from_secs(60),
    )
}

/// Why the node wants a reboot, from [`reboot_hints`] and what was updated; `None` where it does not. Where that cannot be
/// told it does.
pub fn reboot_reason(output: &str, set: &UpdateSet) -> Option<String> {
    /// Packages that every process has mapped, that are process 1 or hold others together, or that load only at boot.
    const DEEP: [&str; 7] = [
        "libc6",
        "systemd",
        "init",
        "udev",
        "dbus",
        "intel-microcode",
        "amd64-microcode",
    ];
    /// The same, by how the names start.
    const DEEP_STARTS: [&str; 7] = [
        "systemd-",
        "libsystemd",
        "libudev",
        "dbus-",
        "libdbus",
        "libssl",
        "firmware-",
    ];
    let value = |key: &str| {
        output
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .map(|value| input::clip(value.trim()))
    };
    if output.lines().any(|line| line.trim_end() == "flag") || value("flag ").is_some() {
        let packages = value("flag ").unwrap_or_default();
        return Some(format!("/run/reboot-required: {packages}"));
    }
    let Some(running) = value("running ").filter(|running| !running.is_empty()) else {
        return Some("it cannot be told which kernel is running".to_owned());
    };
    let next = value("next ").unwrap_or_default();
    if !next.is_empty() && running != next {
        return Some(format!("kernel {next} is installed, {running} is running"));
    }
    if set.has_kernel() {
        return Some("a kernel was updated".to_owned());
    }
    let deep = |update: &&Update| {
        let name = update.name.split(':').next().unwrap_or_default();
        DEEP.contains(&name) || DEEP_STARTS.iter().any(|start| name.starts_with(start))
    };
    if let Some(update) = set.updates.iter().find(deep) {
        return Some(format!("{} was updated", update.name));
    }
    if let Some(file) = output.lines().find_map(stale_file) {
        return Some(format!("{} is replaced and still in use", input::clip(file)));
    }
    if output.lines().next_back() != Some("end") {
        return Some("it cannot be told which replaced files are still in use".to_owned());
    }
    None
}

/// A file that a process has mapped and that is not on the disk any more: code wherever it is, and data where packages have
/// theirs. Memory that only looks like a file is none.
fn stale_file(line: &str) -> Option<&str> {
    const MEMORY: [&str; 7] = [
        "/memfd:",
        "/SYSV",
        "/dev/",
        "/i915",
        "/drm",
        "/anon_hugepage",
        "/[",
    ];
    const WORK: [&str; 6] = ["/tmp/", "/run/", "/var/", "/home/", "/root/", "/srv/"];
    let (executable, path) = line.strip_prefix("stale ")?.split_once(' ')?;
    let is_memory = MEMORY.iter().any(|start| path.starts_with(start));
    let is_work = executable != "x" && WORK.iter().any(|start| path.starts_with(start));
    (!is_memory && !is_work).then_some(path)
}

/// Compares what is installed with what was pinned. `running` is the kernel's release after the reboot.
pub fn prove(
    set: &UpdateSet,
    before: &PackageStates,
    after: &PackageStates,
    boot_changed: bool,
    running: &str,
) -> Proof {
    let key = |update: &Update| {
        if update.name.contains(':') {
            update.name.clone()
        } else {
            format!("{}:{}", update.name, update.arch)
        }
    };
    let bare = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    let mut missing = Vec::new();
    for update in &set.updates {
        let is = match &update.to {
            Some(_) => after.installed.get(&key(update)),
            None => after
                .installed
                .iter()
                .find(|(name, _)| bare(name) == update.name)
                .map(|(_, version)| version),
        };
        if is != update.to.as_ref() {
            let words = |version: Option<&String>| version.map_or("absent".to_owned(), Clone::clone);
            missing.push(format!(
                "{}: is {}, pinned {}",
                update.name,
                words(is),
                words(update.to.as_ref())
            ));
        }
    }
    if let Some(kernel) = new_kernel(set)
        && kernel != running
    {
        missing.push(format!("kernel {kernel}: installed, but {running} was booted"));
    }
    let pinned = |name: &str| set.updates.iter().any(|update| bare(&update.name) == bare(name));
    let mut unexpected = Vec::new();
    for (name, from) in &before.installed {
        match after.installed.get(name) {
            Some(to) if to == from => {}
            _ if pinned(name) => {}
            Some(to) => unexpected.push(format!("{name}: {from} -> {to}")),
            None => unexpected.push(format!("{name}: {from} -> absent")),
        }
    }
    for (name, to) in &after.installed {
        if !before.installed.contains_key(name) && !pinned(name) {
            unexpected.push(format!("{name}: new {to}"));
        }
    }
    Proof {
        boot_changed,
        missing,
        unexpected,
        half_configured: after
            .unfinished
            .iter()
            .map(|(name, state)| format!("{name}: dpkg state `{state}`"))
            .collect(),
    }
}

/// The release of a kernel that the set newly installs: `linux-image-6.1.0-56-cloud-amd64` is booted as
/// `6.1.0-56-cloud-amd64`. A set with two of them says nothing certain.
fn new_kernel(set: &UpdateSet) -> Option<&str> {
    let mut kernels = set
        .updates
        .iter()
        .filter(|update| update.from.is_none() && update.to.is_some())
        .filter_map(|update| update.name.strip_prefix("linux-image-"))
        .filter(|release| release.starts_with(|c: char| c.is_ascii_digit()))
        .map(|release| release.trim_end_matches("-unsigned"));
    let first = kernels.next()?;
    kernels.next().is_none().then_some(first)
}
