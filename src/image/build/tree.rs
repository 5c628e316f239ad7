//! The root file system of an image while it is made: files, masked units, commands in a chroot, and what is taken
//! out before it is sealed.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::image::error::BuildError;
use crate::image::process::{Apart, Job, Runner};
use crate::lab::recipe::{Changes, RecipeFile};

/// How long one command of a recipe may take.
const COMMAND_DEADLINE: Duration = Duration::from_secs(10 * 60);
/// What a chroot takes, each for a shell to whom `$1` is the tree.
const MOUNTS: &str = include_str!("mounts.sh");
const RESOLVER: &str = include_str!("resolver.sh");
const CHROOT: &str = include_str!("chroot.sh");
/// As many symbolic links as the kernel follows (path_resolution(7)).
const LINK_LIMIT: usize = 40;

/// Does to the tree at `root` what a recipe says.
pub fn apply(runner: &Runner, root: &Path, changes: &Changes) -> Result<(), BuildError> {
    for file in &changes.files {
        write(root, file)?;
    }
    for unit in &changes.mask {
        let path = format!("/etc/systemd/system/{unit}");
        replace(root, &path, |target| symlink("/dev/null", target))?;
    }
    for unit in &changes.enable {
        let job = format!("enable {unit}");
        run_inside(runner, root, &job, Apart::Network, &["systemctl", "enable", unit])?;
    }
    for command in &changes.commands {
        let what = format!("command of the recipe `{}`", command.trim());
        run_inside(runner, root, &what, Apart::Network, &["sh", "-ec", command])?;
    }
    Ok(())
}

/// Runs a command in a chroot at `root`, with the kernel's file systems that a package's scripts expect.
pub fn run_inside(
    runner: &Runner,
    root: &Path,
    what: &str,
    apart: Apart,
    argv: &[&str],
) -> Result<(), BuildError> {
    // The mounts live in the job's own namespace and vanish with it; only `Processes` may read the host's resolver.
    let script = match apart {
        Apart::Not | Apart::Network => [MOUNTS, CHROOT].concat(),
        Apart::Processes => [MOUNTS, RESOLVER, CHROOT].concat(),
    };
    let root_text = root.to_string_lossy();
    let mut all: Vec<&str> = vec!["sh", "-ec", &script, "sh", &root_text];
    all.extend(argv);
    let apart = match apart {
        Apart::Not | Apart::Processes => Apart::Processes,
        Apart::Network => Apart::Network,
    };
    runner.run(&Job::new(what, COMMAND_DEADLINE, &all).apart(apart))?;
    Ok(())
}

/// Writes a file of the recipe, without following a link out of the tree.
pub fn write(root: &Path, file: &RecipeFile) -> Result<(), BuildError> {
    replace(root, &file.path, |target| {
        fs::write(target, &file.content)?;
        fs::set_permissions(target, fs::Permissions::from_mode(file.mode))
    })
}

/// Makes the tree one that any clone can call its own: no identity, no traces of the build.
pub fn neutralise(root: &Path) -> Result<(), BuildError> {
    let empty = |path: &str| RecipeFile {
        path: path.into(),
        mode: 0o644,
        content: Vec::new(),
    };
    // An empty file, not a missing one: systemd fills it without taking this for a first boot (machine-id(5)).
    write(root, &empty("/etc/machine-id"))?;
    write(root, &empty("/etc/resolv.conf"))?;
    let named = |path: &str, content: &str| RecipeFile {
        content: content.into(),
        ..empty(path)
    };
    write(root, &named("/etc/hostname", "patchgate\n"))?;
    write(
        root,
        &named(
            "/etc/hosts",
            "127.0.0.1 localhost\n127.0.1.1 patchgate\n::1 localhost ip6-localhost\n",
        ),
    )?;
    write(
        root,
        &named("/etc/fstab", "LABEL=root / ext4 noatime,errors=remount-ro 0 0\n"),
    )?;
    for path in [
        "/var/lib/dbus/machine-id",
        "/var/lib/systemd/random-seed",
        "/etc/.pwd.lock",
    ] {
        replace(root, path, |_| Ok(()))?;
    }
    clear(root, "/etc/ssh", &|name| name.starts_with("ssh_host_"))?;
    clear(root, "/tmp", &|_| true)?;
    clear(root, "/run", &|_| true)?;
    clear(root, "/var/log", &|name| {
        !name.contains('.') || has_extension(name, "log")
    })?;
    Ok(())
}

/// Whether a file's name ends so.
pub fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == extension)
}

/// Removes the entries of a folder of the tree whose names fit; files only below `/var/log`, whose folders belong to
/// packages.
pub fn clear(root: &Path, dir: &str, fits: &dyn Fn(&str) -> bool) -> Result<(), BuildError> {
    let folder = inside(root, dir)?;
    let failed = |path: &Path, error| BuildError::of_io("tidy the image", path, error);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&folder, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| failed(&folder, error))?;
        if !fits(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| failed(&path, error))?;
        if !kind.is_dir() {
            fs::remove_file(&path).map_err(|error| failed(&path, error))?;
        } else if dir != "/var/log" {
            fs::remove_dir_all(&path).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}

/// Removes what is at `path` in the tree and lets `make` put something else there.
pub fn replace(
    root: &Path,
    path: &str,
    make: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), BuildError> {
    let failed = |at: &Path, error| BuildError::of_io("write into the image", at, error);
    let (parent, name) = match (Path::new(path).parent(), Path::new(path).file_name()) {
        (Some(parent), Some(name)) => (parent.to_string_lossy(), name),
        _ => return Err(BuildError::Outside(path.to_owned())),
    };
    let folder = inside(root, &parent)?;
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    let target = folder.join(name);
    match fs::remove_file(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&target, error)),
        Ok(()) | Err(_) => {}
    }
    make(&target).map_err(|error| failed(&target, error))
}

/// Where a path of the guest is on this machine: links are followed as the guest would, so that an absolute link (such
/// as `/var/run`) does not lead to this machine's own files.
fn inside(root: &Path, path: &str) -> Result<PathBuf, BuildError> {
    let outside = || BuildError::Outside(path.to_owned());
    let mut todo: Vec<PathBuf> = parts(Path::new(path));
    let mut resolved = PathBuf::new();
    let mut links = 0;
    while let Some(part) = todo.pop() {
        if part.as_os_str() == ".." {
            resolved.pop();
            continue;
        }
        let candidate = resolved.join(&part);
        match fs::read_link(root.join(&candidate)) {
            Ok(link) => {
                links += 1;
                if links > LINK_LIMIT {
                    return Err(outside());
                }
                if link.is_absolute() {
                    resolved = PathBuf::new();
                }
                todo.extend(parts(&link));
            }
            Err(_) => resolved = candidate,
        }
    }
    Ok(root.join(resolved))
}

/// The parts of a path, last first; `..` stays, the root does not.
fn parts(path: &Path) -> Vec<PathBuf> {
    path.components()
        .rev()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.into()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> RecipeFile {
        RecipeFile {
            path: path.into(),
            mode: 0o600,
            content: content.into(),
        }
    }

    #[test]
    fn files_never_leave_the_tree_through_its_links() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("root");
        let outside = dir.path().join("outside");
        fs::create_dir_all(root.join("usr/etc")).expect("tree");
        fs::create_dir(&outside).expect("outside");
        symlink(&outside, root.join("absolute")).expect("link");
        symlink("../../../outside", root.join("climbing")).expect("link");
        symlink("usr/etc", root.join("etc")).expect("link");
        symlink(outside.join("target"), root.join("usr/etc/last")).expect("link");
        for path in ["/absolute/a", "/climbing/b", "/etc/c", "/etc/last"] {
            write(&root, &file(path, path)).expect(path);
        }
        assert_eq!(fs::read_dir(&outside).expect("outside").count(), 0);
        assert_eq!(fs::read_to_string(root.join("usr/etc/c")).expect("c"), "/etc/c");
        let last = root.join("usr/etc/last");
        assert!(fs::symlink_metadata(&last).expect("last").is_file());
        assert_eq!(
            fs::metadata(&last).expect("last").permissions().mode() & 0o7777,
            0o600
        );
    }

    #[test]
    fn a_ring_of_links_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        symlink("b", dir.path().join("a")).expect("link");
        symlink("a", dir.path().join("b")).expect("link");
        assert!(matches!(
            write(dir.path(), &file("/a/x", "")),
            Err(BuildError::Outside(_))
        ));
    }

    #[test]
    fn a_neutral_tree_has_no_identity() {
        let dir = tempfile::tempdir().expect("a folder");
        for (path, content) in [
            ("/etc/machine-id", "0123"),
            ("/etc/ssh/ssh_host_rsa_key", "secret"),
            ("/etc/ssh/sshd_config", "kept"),
            ("/etc/hostname", "builder"),
            ("/tmp/trace", "x"),
            ("/var/log/nginx/access.log", "kept with its folder"),
            ("/var/log/dpkg.log", "x"),
        ] {
            write(dir.path(), &file(path, content)).expect(path);
        }
        neutralise(dir.path()).expect("neutral");
        let read = |path: &str| fs::read_to_string(dir.path().join(path)).ok();
        assert_eq!(read("etc/machine-id").as_deref(), Some(""));
        assert_eq!(read("etc/hostname").as_deref(), Some("patchgate\n"));
        for gone in ["etc/ssh/ssh_host_rsa_key", "tmp/trace", "var/log/dpkg.log"] {
            assert_eq!(read(gone), None, "{gone}");
        }
        for kept in ["etc/ssh/sshd_config", "var/log/nginx/access.log"] {
            assert!(read(kept).is_some(), "{kept}");
        }
    }
}
