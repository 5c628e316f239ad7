//! From the lines of an observation's sections to items. What a line lacks makes it no item.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::observation::{EDITED, EXPIRES, FAILED, MISSING, normalise};

type Items = BTreeMap<String, String>;

/// Services that come and go with a console or a login, or are made for one command, and tell nothing of the server.
const PASSING: [&str; 6] = [
    "getty@",
    "serial-getty@",
    "user@",
    "user-runtime-dir@",
    "run-",
    "systemd-fsck@",
];

/// Files below /etc that the system writes itself, anew at an installation or at a boot.
const GENERATED: [&str; 24] = [
    "/etc/.java/",
    "/etc/.pwd.lock",
    "/etc/.updated",
    "/etc/adjtime",
    "/etc/apparmor.d/cache/",
    "/etc/blkid.tab",
    "/etc/group",
    "/etc/gshadow",
    "/etc/init.d/.depend.",
    "/etc/ld.so.cache",
    "/etc/lvm/",
    "/etc/machine-id",
    "/etc/mailcap",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/sgml/",
    "/etc/shadow",
    "/etc/shells",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/certs/java/",
    "/etc/subgid",
    "/etc/subuid",
    "/etc/udev/hwdb.bin",
    "/etc/xml/",
];

/// File systems without a disk behind them, which the kernel and the service manager mount as they like.
const PSEUDO: [&str; 20] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// The first two words of each line.
pub fn pairs(lines: &[&str]) -> Items {
    lines
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(item, value)| (item.to_owned(), value.trim().to_owned()))
        .collect()
}

/// `UNIT LOAD ACTIVE SUB ...` of systemctl(1): the units that are up or failed. One that is just being started or
/// stopped is in no state, unless it is started over and over.
fn units<'a>(lines: &[&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    lines.iter().filter_map(|line| {
        let mut fields = line.trim_start_matches(['●', '*', '×', ' ']).split_whitespace();
        let (unit, _load, active, sub) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        match (active, sub) {
            ("failed", _) => Some((unit, FAILED)),
            ("active" | "reloading", _) | ("activating", "auto-restart") => Some((unit, sub)),
            _ => None,
        }
    })
}

/// A unit's kind, such as `service`: the end of its name.
fn kind(unit: &str) -> &str {
    unit.rsplit('.').next().unwrap_or_default()
}

/// Services and sockets that are up, and everything that failed.
pub fn services(lines: &[&str]) -> Items {
    units(lines)
        .filter(|(unit, state)| *state == FAILED || matches!(kind(unit), "service" | "socket"))
        .filter(|(unit, _)| !PASSING.iter().any(|passing| unit.starts_with(passing)))
        // A service that a socket starts runs when it is wanted; the socket listens or is in use.
        .map(|(unit, state)| {
            let state = if kind(unit) == "socket" && state != FAILED {
                "listening"
            } else {
                state
            };
            (unit.to_owned(), state.to_owned())
        })
        .collect()
}

/// Lines `UNIT COUNT`; terminals and what is one of a session's come and go.
pub fn restarts(lines: &[&str]) -> Items {
    let mut counts = pairs(lines);
    counts.retain(|unit, _| !PASSING.iter().any(|passing| unit.starts_with(passing)));
    counts
}

/// Timers that are up; whether one just runs does not matter.
pub fn timers(lines: &[&str]) -> Items {
    units(lines)
        .filter(|(unit, state)| *state != FAILED && kind(unit) == "timer")
        .map(|(unit, _)| (unit.to_owned(), String::new()))
        .collect()
}

/// Links below /etc/systemd/system, `LINK TARGET` (systemctl(1), `enable` and `mask`).
pub fn enabled(lines: &[&str]) -> Items {
    lines
        .iter()
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(link, target)| {
            let state = if target == "/dev/null" {
                "masked"
            } else {
                "enabled"
            };
            (link.to_owned(), state.to_owned())
        })
        .collect()
}

/// Lines of `ss -H -l -n -t -u -p` (ss(8)): `tcp LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=1,fd=6))`. Clients'
/// own ports (DHCP: 68, 546) come and go and are no service.
pub fn listening(lines: &[&str]) -> Items {
    let mut sockets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(&protocol @ ("tcp" | "udp")), Some(local)) = (fields.first(), fields.get(4)) else {
            continue;
        };
        let Some((address, port)) = local.rsplit_once(':') else {
            continue;
        };
        if protocol == "udp" && matches!(port, "68" | "546") {
            continue;
        }
        // `127.0.0.53%lo`: the interface is told by the address.
        let address = match address.split_once('%') {
            Some((bare, rest)) if rest.ends_with(']') => format!("{bare}]"),
            Some((bare, _)) => bare.to_owned(),
            None => address.to_owned(),
        };
        let users = fields.get(6).copied().unwrap_or_default();
        let names = users
            .split("(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        sockets
            .entry(format!("{protocol} {address}:{port}"))
            .or_default()
            .extend(names.map(str::to_owned));
    }
    sockets
        .into_iter()
        .map(|(socket, names)| (socket, names.into_iter().collect::<Vec<_>>().join(", ")))
        .collect()
}

/// Lines `KIND [DIGEST] PATH` of the files below /etc: `m` is a package's file that was edited, `x` one that is not
/// there, `o` a file of no package; those that the system writes anew are left out.
pub fn config(lines: &[&str]) -> Items {
    lines
        .iter()
        .filter_map(|line| {
            let (kind, rest) = line.split_once(' ')?;
            let (value, path) = match (kind, rest.split_once(' ')) {
                ("m", Some((digest, path))) => (format!("{EDITED}{digest}"), path),
                ("o", Some((digest, path))) => (digest.to_owned(), path),
                ("x", _) => (MISSING.to_owned(), rest),
                _ => return None,
            };
            let host_key = path.starts_with("/etc/ssh/ssh_host_");
            let is_generated = GENERATED.iter().any(|generated| path.starts_with(generated));
            (!host_key && !is_generated).then(|| (path.to_owned(), value))
        })
        .collect()
}

/// Lines `w PACKAGE PATH`: a file of no package that the package's scripts speak of. Packages by file.
pub fn writers(lines: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let mut writers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let named = lines
        .iter()
        .filter_map(|line| line.strip_prefix("w ")?.split_once(' '));
    for (package, path) in named {
        writers
            .entry(path.to_owned())
            .or_default()
            .insert(package.to_owned());
    }
    writers
}

/// What dpkg or ucf laid beside a file: lines `l PATH`.
pub fn leftovers(lines: &[&str]) -> Items {
    lines
        .iter()
        .filter_map(|line| line.strip_prefix("l "))
        .map(|path| (path.to_owned(), String::new()))
        .collect()
}

/// The kernel's taint (<https://docs.kernel.org/admin-guide/tainted-kernels.html>), and what it complained of.
pub fn taint(flags: &[&str], complaints: &[&str]) -> Items {
    let flags = flags
        .first()
        .map(|flags| ("flags".to_owned(), flags.trim().to_owned()));
    let complaints = complaints.iter().map(|line| {
        // `[   12.345678] BUG: ...`
        let text = match line.split_once("] ") {
            Some((stamp, text)) if stamp.starts_with('[') => text,
            Some(_) | None => line,
        };
        (normalise(text), String::new())
    });
    complaints.chain(flags).collect()
}

/// Core dumps, by their names without what differs from one to the next.
pub fn dumps(lines: &[&str]) -> Items {
    lines
        .iter()
        .map(|path| (normalise(path), String::new()))
        .collect()
}

/// `SOURCE POINT TYPE OPTIONS ...` of proc(5).
pub fn mounts(lines: &[&str]) -> Items {
    lines
        .iter()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (point, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
            let credentials = point.starts_with("/run/credentials/") || point.starts_with("/run/user/");
            if PSEUDO.contains(&kind) || credentials {
                return None;
            }
            let mode = options.split(',').find(|option| matches!(*option, "ro" | "rw"))?;
            Some((point.to_owned(), format!("{kind} {mode}")))
        })
        .collect()
}

/// passwd(5) and group(5).
pub fn users(users: &[&str], groups: &[&str]) -> Items {
    let users = users.iter().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields[..] else {
            return None;
        };
        Some((format!("user {name}"), format!("{uid}:{gid} {home} {shell}")))
    });
    let groups = groups.iter().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, gid, members] = fields[..] else {
            return None;
        };
        let value = format!("{gid} {members}").trim_end().to_owned();
        Some((format!("group {name}"), value))
    });
    users.chain(groups).collect()
}

/// Rules without their counters, each under its table and chain; `(order)` tells whether they stand in another order.
pub fn firewall(lines: &[&str]) -> Items {
    let (mut items, mut order) = (Items::new(), Vec::new());
    let (mut tool, mut table, mut chain) = ("", String::new(), String::new());
    for line in lines {
        let rule = line.trim();
        if let Some(name) = rule.strip_prefix("= ") {
            (tool, table, chain) = (name, String::new(), String::new());
            continue;
        }
        // iptables-save(8): `# comment`, `*table`, `:CHAIN POLICY [packets:bytes]`, `COMMIT`.
        if rule.is_empty() || rule.starts_with('#') || matches!(rule, "}" | "COMMIT") {
            continue;
        }
        if let Some(name) = rule.strip_prefix('*') {
            name.clone_into(&mut table);
            continue;
        }
        if let Some(name) = rule
            .strip_prefix("table ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            (table, chain) = (name.to_owned(), String::new());
            continue;
        }
        if let Some(name) = rule.strip_suffix(" {") {
            name.clone_into(&mut chain);
        }
        let rule = match rule.rsplit_once(" [") {
            Some((bare, _)) if rule.starts_with(':') => bare,
            Some(_) | None => rule,
        };
        let context = [tool, &table, &chain].join(" ");
        let item = format!("{}: {}", context.trim_end(), rule.trim_end_matches(" {"));
        order.push(item.clone());
        items.insert(item, String::new());
    }
    if !order.is_empty() {
        use sha2::{Digest, Sha256};
        let digest = crate::input::hex(&Sha256::digest(order.join("\n")));
        items.insert("(order)".to_owned(), digest[..12].to_owned());
    }
    items
}

/// `/proc/PID/FILE:TEXT`, as grep(1) writes it.
fn of_process(line: &str) -> Option<(&str, &str)> {
    let (path, text) = line.strip_prefix("/proc/")?.split_once(':')?;
    Some((path.split('/').next()?, text))
}

/// The names of the processes by id.
fn names<'a>(processes: &[&'a str]) -> BTreeMap<&'a str, &'a str> {
    processes
        .iter()
        .filter_map(|line| of_process(line))
        .filter_map(|(pid, text)| Some((pid, text.strip_prefix("Name:")?.trim())))
        .collect()
}

/// Code that runs and is not on the disk any more, by process: executable mappings of deleted files, but for memory that
/// only looks like a file.
pub fn stale(processes: &[&str], maps: &[&str]) -> Items {
    let names = names(processes);
    let mut deleted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mapped = maps
        .iter()
        .filter_map(|line| of_process(line))
        .filter_map(|(pid, text)| {
            let path = text.get(text.find(" /")? + 1..)?.strip_suffix(" (deleted)")?;
            let memory = [
                "/memfd:",
                "/SYSV",
                "/dev/",
                "/i915",
                "/drm",
                "/anon_hugepage",
                "/[aio]",
            ];
            if memory.iter().any(|memory| path.starts_with(memory)) {
                return None;
            }
            let name = names.get(pid).copied().unwrap_or("a process");
            // Elsewhere a file's name may be made anew at every start.
            let is_installed = ["/usr/", "/opt/", "/lib", "/bin/", "/sbin/"];
            let path = if is_installed.iter().any(|root| path.starts_with(root)) {
                path.to_owned()
            } else {
                normalise(path)
            };
            Some((name, path))
        });
    for (name, path) in mapped {
        deleted.entry(name).or_default().insert(path);
    }
    deleted
        .into_iter()
        .filter_map(|(name, paths)| {
            let first = paths.first()?;
            let words = match paths.len() {
                1 => first.clone(),
                files => format!("{first} and {} more", files - 1),
            };
            Some((name.to_owned(), words))
        })
        .collect()
}

/// Errors of this boot, `IDENTIFIER[PID]: MESSAGE`.
pub fn journal(lines: &[&str]) -> Items {
    lines
        .iter()
        .map(|line| normalise(line).replace("[#]:", ":"))
        .filter(|line| !line.is_empty())
        .map(|line| (line, String::new()))
        .collect()
}

/// `ok PATH`, `expires PATH`.
pub fn certificates(lines: &[&str]) -> Items {
    lines
        .iter()
        .filter_map(|line| {
            let (state, path) = line.split_once(' ')?;
            let state = if state == "expires" { EXPIRES } else { "ok" };
            Some((path.to_owned(), state.to_owned()))
        })
        .collect()
}

/// `SOURCE SIZE USED AVAILABLE CAPACITY POINT` of df(1), in MiB, under a line of headings.
pub fn disk(lines: &[&str]) -> Items {
    lines
        .iter()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, _, used, _, _, point @ ..] = &fields[..] else {
                return None;
            };
            let used: u64 = used.parse().ok()?;
            (!point.is_empty()).then(|| (point.join(" "), used.to_string()))
        })
        .collect()
}

/// Memory in use and what each program's processes hold, in MiB.
pub fn memory(meminfo: &[&str], processes: &[&str]) -> Items {
    let kib = |text: &str| -> Option<u64> { text.split_whitespace().next()?.parse().ok() };
    let of = |key: &str| meminfo.iter().find_map(|line| kib(line.strip_prefix(key)?));
    let used = match (of("MemTotal:"), of("MemAvailable:")) {
        (Some(total), Some(available)) => Some(total.saturating_sub(available)),
        (Some(_) | None, _) => None,
    };
    let names = names(processes);
    let mut programs: BTreeMap<&str, u64> = BTreeMap::new();
    for (pid, text) in processes.iter().filter_map(|line| of_process(line)) {
        if let (Some(name), Some(resident)) = (names.get(pid), text.strip_prefix("VmRSS:").and_then(kib)) {
            let sum = programs.entry(name).or_default();
            *sum = sum.saturating_add(resident);
        }
    }
    programs
        .into_iter()
        .map(|(name, sum)| (format!("process {name}"), (sum / 1024).to_string()))
        .chain(used.map(|used| ("used".to_owned(), (used / 1024).to_string())))
        .collect()
}

/// `FinishTimestampMonotonic=MICROSECONDS`, 0 while the boot goes on.
pub fn boot(lines: &[&str]) -> Items {
    lines
        .iter()
        .filter_map(|line| {
            line.strip_prefix("FinishTimestampMonotonic=")?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .filter(|micros| *micros > 0)
        .map(|micros| ("finish".to_owned(), (micros / 1000).to_string()))
        .collect()
}
