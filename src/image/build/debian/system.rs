//! Root file systems of Debian.
//!
//! A base is made by mmdebstrap from the release's `main` alone, so that its security archive is really pending; a role
//! layer is installed on it at native speed, in a chroot without a network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::image::build::builder::Builder;
use crate::image::build::debian::disk;
use crate::image::build::stage::Stage;
use crate::image::build::tree;
use crate::image::error::BuildError;
use crate::image::process::{Apart, Dialect, Job, Runner};
use crate::lab::recipe::{DEB_LIMIT, LocalDeb, OsRecipe, RecipeFile, RoleRecipe};
use crate::system::file;

/// How long mmdebstrap may take, on a slow line.
const BASE_DEADLINE: Duration = Duration::from_secs(45 * 60);

/// While packages are installed nothing may be started (invoke-rc.d(8)).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Debian, by mmdebstrap, apt and GRUB.
pub struct Debian;

impl Builder for Debian {
    fn tools(&self) -> &'static [&'static str] {
        &["mmdebstrap", "mke2fs", "sfdisk", "grub-mkimage"]
    }

    fn lacks(&self) -> Option<&'static str> {
        let is_there = Path::new(disk::GRUB).join("boot.img").is_file();
        (!is_there).then_some("grub-pc-bin")
    }

    fn dialect(&self) -> Dialect {
        Dialect {
            env: &[("DEBIAN_FRONTEND", "noninteractive")],
            unreachable: &[
                "Could not resolve",
                "Temporary failure resolving",
                "Could not connect",
                "Unable to connect",
                "Connection failed",
                "Connection timed out",
                "Failed to fetch",
                "does not have a Release file",
            ],
        }
    }

    fn decides(&self) -> &'static [&'static str] {
        disk::DECIDES
    }

    fn base(
        &self,
        runner: &Runner,
        root: &Path,
        os: &OsRecipe,
        stage: &dyn Fn(Stage),
    ) -> Result<(), BuildError> {
        bootstrap(runner, root, os, stage)
    }

    fn layer(
        &self,
        runner: &Runner,
        root: &Path,
        os: &OsRecipe,
        role: &RoleRecipe,
        stage: &dyn Fn(Stage),
    ) -> Result<(), BuildError> {
        layer(runner, root, os, role, stage)
    }

    fn tidy(&self, root: &Path) -> Result<(), BuildError> {
        let deb = |name: &str| tree::has_extension(name, "deb");
        tree::clear(root, "/var/cache/apt/archives", &deb)?;
        // Caches of package lists that the guest's first update outdates; some 90 MiB.
        tree::clear(root, "/var/cache/apt", &|name| tree::has_extension(name, "bin"))
    }

    fn disk(
        &self,
        runner: &Runner,
        root: &Path,
        work: &Path,
        os: &OsRecipe,
        out: &Path,
    ) -> Result<(), BuildError> {
        disk::make(runner, root, work, os.disk, &os.kernel, out)
    }
}

/// The base system, from `main` alone; the package lists stay in it.
fn bootstrap(runner: &Runner, root: &Path, os: &OsRecipe, stage: &dyn Fn(Stage)) -> Result<(), BuildError> {
    stage(Stage::Bootstrapping);
    let mut argv: Vec<String> = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
    ]
    .map(String::from)
    .to_vec();
    argv.push("--skip=cleanup/apt/lists".into());
    argv.extend(os.apt.iter().map(|option| format!("--aptopt={option}")));
    argv.extend(os.dpkg.iter().map(|option| format!("--dpkgopt={option}")));
    if !os.packages.is_empty() {
        argv.push(format!("--include={}", os.packages.join(",")));
    }
    argv.push(os.suite.clone());
    argv.push(root.to_string_lossy().into_owned());
    argv.push(os.mirror.clone());
    let job = Job {
        what: "install the base system".into(),
        argv,
        apart: Apart::Processes,
        deadline: BASE_DEADLINE,
        answers: false,
        confined: None,
    };
    runner.run(&job)?;
    stage(Stage::Configuring);
    let failed = |error| BuildError::of_io("write the update sources", root, error);
    let sources = os.sources.join("\n") + "\n";
    fs::write(root.join("etc/apt/sources.list"), sources).map_err(failed)?;
    tree::apply(runner, root, &os.changes)
}

/// A role layer on its base's root file system.
fn layer(
    runner: &Runner,
    root: &Path,
    os: &OsRecipe,
    role: &RoleRecipe,
    stage: &dyn Fn(Stage),
) -> Result<(), BuildError> {
    forbid_services(root)?;
    let local = place_debs(root, &role.debs)?;
    let mut packages: Vec<&str> = role.packages_on(&os.os).iter().map(String::as_str).collect();
    packages.extend(local.iter().map(String::as_str));
    let fetch: Vec<&str> = role.fetch.iter().map(String::as_str).collect();
    if !packages.is_empty() || !fetch.is_empty() {
        install(runner, root, os, &packages, &fetch, stage)?;
    }
    stage(Stage::Configuring);
    allow_services(root)?;
    match fs::remove_dir_all(root.join(LOCAL)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(BuildError::of_io("take out the local packages", root, error));
        }
        Ok(()) | Err(_) => {}
    }
    tree::apply(runner, root, &role.changes)
}

/// Keeps services from being started by the installation of packages.
fn forbid_services(root: &Path) -> Result<(), BuildError> {
    let policy = RecipeFile {
        path: POLICY.into(),
        mode: 0o755,
        content: include_bytes!("policy-rc.d.sh").to_vec(),
    };
    tree::write(root, &policy)
}

/// Takes back [`forbid_services`].
fn allow_services(root: &Path) -> Result<(), BuildError> {
    tree::replace(root, POLICY, |_| Ok(()))
}

/// Where local packages are in the tree while they are installed.
const LOCAL: &str = "var/cache/patchgate";

fn place_debs(root: &Path, debs: &[LocalDeb]) -> Result<Vec<String>, BuildError> {
    let failed = |error| BuildError::of_io("take over a local package", root, error);
    if !debs.is_empty() {
        fs::create_dir_all(root.join(LOCAL)).map_err(failed)?;
    }
    debs.iter()
        .enumerate()
        .map(|(at, deb)| {
            let name = format!("{LOCAL}/{at}.deb");
            let failed = |error| BuildError::of_io("take over a local package", &deb.path, error);
            let copied = file::copy(&deb.path, &root.join(&name), DEB_LIMIT, &|| false)
                .map_err(|error| failed(error.into()))?;
            // Apt reads it as a user of its own.
            fs::set_permissions(root.join(&name), fs::Permissions::from_mode(0o644)).map_err(failed)?;
            if copied != deb.sha256 {
                return Err(failed(std::io::Error::other(
                    "it was changed after the recipe was read",
                )));
            }
            Ok(format!("/{name}"))
        })
        .collect()
}

/// Fetches with a network and installs without one. The sources of the build hold `main` alone. What is in `later` is
/// only fetched; apt keeps it in its cache.
fn install(
    runner: &Runner,
    root: &Path,
    os: &OsRecipe,
    packages: &[&str],
    later: &[&str],
    stage: &dyn Fn(Stage),
) -> Result<(), BuildError> {
    let failed = |error| BuildError::of_io("write the build's package source", root, error);
    let list = root.join("etc/apt/patchgate-build.list");
    fs::write(&list, format!("deb {} {} main\n", os.mirror, os.suite)).map_err(failed)?;
    let apt = |verb: &[&str], packages: &[&str], what: &str, apart| {
        let mut argv = vec![
            "apt-get",
            "-q",
            "-y",
            "-o",
            "Dir::Etc::sourcelist=/etc/apt/patchgate-build.list",
            "-o",
            "Dir::Etc::sourceparts=-",
            "-o",
            "APT::Sandbox::User=root",
        ];
        argv.extend(verb);
        argv.extend(packages);
        tree::run_inside(runner, root, what, apart, &argv)
    };
    stage(Stage::Downloading);
    let all = [packages, later].concat();
    let fetch = || {
        apt(
            &["install", "--download-only"],
            &all,
            "fetch the packages",
            Apart::Processes,
        )
    };
    match fetch() {
        // The base's lists can name versions that a point release has replaced since.
        Err(BuildError::Mirror { .. }) => {
            apt(&["update"], &[], "read the package lists", Apart::Processes)?;
            fetch()?;
        }
        outcome => outcome?,
    }
    stage(Stage::Installing);
    apt(
        // Not --no-download, with which apt does not find local packages; there is no network to fetch over.
        &["install"],
        packages,
        "install the packages",
        Apart::Network,
    )?;
    fs::remove_file(&list).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_their_lists_do_not_stay() {
        let dir = tempfile::tempdir().expect("a folder");
        for path in [
            "/var/cache/apt/archives/a.deb",
            "/var/cache/apt/pkgcache.bin",
            "/var/cache/apt/archives/lock",
        ] {
            let file = RecipeFile {
                path: path.into(),
                mode: 0o600,
                content: b"x".to_vec(),
            };
            tree::write(dir.path(), &file).expect(path);
        }
        Debian.tidy(dir.path()).expect("tidied");
        let there = |path: &str| dir.path().join(path).exists();
        assert!(!there("var/cache/apt/archives/a.deb") && !there("var/cache/apt/pkgcache.bin"));
        assert!(there("var/cache/apt/archives/lock"));
    }
}
