//! Building sealed images from recipes.
//!
//! A base is made by mmdebstrap from the release's `main` alone, so that its security archive is really pending; a role
//! layer is installed on the base's sealed root file system, at native speed, in a chroot without a network.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::image::catalogue::{ImageDef, Origin};
use crate::image::error::BuildError;
use crate::image::manifest::{DISK, Identity, ImageSource, ROOTFS, Sealed, seal};
use crate::image::process::{Apart, Job, Runner, missing};
use crate::image::store::Store;
use crate::image::{disk, tree};
use crate::lab::recipe::{LocalDeb, OsRecipe, RoleRecipe};

/// The builder's generation: raise it when the same recipes give another disk.
pub const FORMAT: u32 = 1;

/// Programs that building needs; `setup.sh` installs their packages.
const TOOLS: &[&str] = &[
    "mmdebstrap",
    "unshare",
    "setpriv",
    "chroot",
    "mount",
    "ip",
    "tar",
    "zstd",
    "mke2fs",
    "sfdisk",
    "grub-mkimage",
    "qemu-img",
    "stat",
];
/// How long mmdebstrap may take, on a slow line.
const BASE_DEADLINE: Duration = Duration::from_secs(45 * 60);
/// How long packing or unpacking a root file system may take.
const PACK_DEADLINE: Duration = Duration::from_secs(10 * 60);
/// Room that a build needs, in bytes: root file system, raw and sealed disk.
const ROOM: u64 = 3 * 1024 * 1024 * 1024;

/// What a build is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Another process builds the same image.
    Waiting,
    /// mmdebstrap makes the base system.
    Bootstrapping,
    /// The base's root file system is unpacked.
    Unpacking,
    /// The role's packages are fetched.
    Downloading,
    /// The role's packages are installed.
    Installing,
    /// The recipe's files and commands.
    Configuring,
    /// The root file system is kept for role layers.
    Packing,
    /// The disk is made.
    MakingDisk,
    /// The disk is digested and sealed.
    Sealing,
}

impl Stage {
    /// The stage in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "waiting for another build of it",
            Self::Bootstrapping => "installing the base system",
            Self::Unpacking => "unpacking the base",
            Self::Downloading => "fetching packages",
            Self::Installing => "installing packages",
            Self::Configuring => "configuring",
            Self::Packing => "keeping the root file system",
            Self::MakingDisk => "making the disk",
            Self::Sealing => "sealing",
        }
    }
}

/// Who watches builds; called from the thread of each.
pub trait BuildProgress: Sync {
    /// The build of `image` enters a stage.
    fn stage(&self, image: &str, stage: Stage);
    /// The build of `image` is over; `sealed` is false where it failed.
    fn finished(&self, image: &str, sealed: bool);
}

/// Checks what every build needs, before any is started.
pub fn ready() -> Result<(), BuildError> {
    if let Some(tool) = missing(TOOLS) {
        return Err(BuildError::ToolMissing(tool.to_owned()));
    }
    if !Path::new(disk::GRUB).join("boot.img").is_file() {
        return Err(BuildError::ToolMissing("grub-pc-bin".into()));
    }
    if running_as_root() {
        Ok(())
    } else {
        Err(BuildError::NotRoot)
    }
}

fn running_as_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

/// Builds an image, its base first where that is not sealed; gives what is in the store already unless `rebuild` (which
/// spares the base). Nothing but a log is left behind by a failure or an interrupt.
pub fn build(
    image: &ImageDef,
    store: &Store,
    rebuild: bool,
    progress: &dyn BuildProgress,
    cancel: &CancellationToken,
) -> Result<Sealed, BuildError> {
    let (os, role) = match &image.origin {
        Origin::Imported { sha256 } => {
            return image.sealed.clone().ok_or_else(|| BuildError::NotImported {
                name: image.name.clone(),
                sha256: sha256.clone(),
            });
        }
        Origin::Build { os, role } => (os, role.as_deref()),
    };
    if !rebuild && let Some(sealed) = store.find(&image.name, &image.key).ok().flatten() {
        return Ok(sealed);
    }
    ready()?;
    let base = match image.base(store) {
        Some(base) => Some(build(&base, store, false, progress, cancel)?),
        None => None,
    };
    let outcome = build_alone(image, os, role, base.as_ref(), store, rebuild, progress, cancel);
    progress.finished(&image.name, outcome.is_ok());
    outcome
}

#[expect(clippy::too_many_arguments, reason = "the one caller has taken them apart")]
#[expect(clippy::disallowed_methods, reason = "an image is dated when it is made")]
fn build_alone(
    image: &ImageDef,
    os: &OsRecipe,
    role: Option<&RoleRecipe>,
    base: Option<&Sealed>,
    store: &Store,
    rebuild: bool,
    progress: &dyn BuildProgress,
    cancel: &CancellationToken,
) -> Result<Sealed, BuildError> {
    let stage = |stage| progress.stage(&image.name, stage);
    let in_store = |error| BuildError::of_io("prepare the image store", store.dir(), error);
    let asked = Timestamp::now();
    store.sweep().map_err(in_store)?;
    let lock = store.lock(&image.name, &image.key, cancel, &|| stage(Stage::Waiting))?;
    let made_meanwhile = store.find(&image.name, &image.key).ok().flatten();
    if let Some(sealed) = made_meanwhile.filter(|sealed| !rebuild || sealed.manifest.built > asked) {
        return Ok(sealed);
    }
    let work = store.work(&image.name, &image.key, &lock).map_err(in_store)?;
    let log = store.log(&image.name, &image.key);
    let runner = Runner::new(&log, cancel).map_err(in_store)?;
    check_room(&runner, store)?;

    let root = work.dir().join("root");
    let sealed = work.dir().join("sealed");
    fs::create_dir(&sealed).map_err(in_store)?;
    match (role, base) {
        (Some(role), Some(base)) => layer(&runner, &root, os, role, base, &stage)?,
        (Some(_) | None, _) => bootstrap(&runner, &root, os, &stage)?,
    }
    tree::neutralise(&root)?;
    if role.is_none() {
        stage(Stage::Packing);
        pack(&runner, &root, &sealed.join(ROOTFS))?;
    }
    stage(Stage::MakingDisk);
    let disk = sealed.join(DISK);
    disk::make(&runner, &root, work.dir(), os.disk, &os.kernel, &disk)?;
    stage(Stage::Sealing);
    let identity = Identity {
        name: image.name.clone(),
        os: image.os.clone(),
        role: image.role.clone(),
        key: Some(image.key.clone()),
        base_key: base.map(|base| base.manifest.key.clone()),
        source: ImageSource::Built,
    };
    runner.check()?;
    let failed = |error| BuildError::of_io("seal the image", &sealed, error);
    seal(&sealed, identity, os.disk.bytes(), Timestamp::now()).map_err(failed)?;
    let place = store.folder(&image.name, &image.key);
    work.publish(&sealed, &place).map_err(failed)?;
    fs::remove_file(&log).map_err(failed)?;
    store
        .find(&image.name, &image.key)?
        .ok_or_else(|| BuildError::of_io("seal the image", &place, std::io::ErrorKind::NotFound.into()))
}

fn check_room(runner: &Runner, store: &Store) -> Result<(), BuildError> {
    let dir = store.dir().to_string_lossy();
    let argv = ["stat", "-f", "-c", "%a %S", &dir];
    let text = runner.run(&Job::asking(
        "look at the free space",
        Duration::from_secs(30),
        &argv,
    ))?;
    let free = text
        .trim()
        .split_once(' ')
        .and_then(|(blocks, size)| Some(blocks.parse::<u64>().ok()?.saturating_mul(size.parse().ok()?)));
    match free {
        Some(free) if free < ROOM => Err(BuildError::DiskFull {
            what: format!("{} MiB are free, {} are needed", free >> 20, ROOM >> 20),
            path: store.dir().to_owned(),
        }),
        Some(_) | None => Ok(()),
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
    };
    runner.run(&job)?;
    stage(Stage::Configuring);
    let failed = |error| BuildError::of_io("write the update sources", root, error);
    let sources = os.sources.join("\n") + "\n";
    fs::write(root.join("etc/apt/sources.list"), sources).map_err(failed)?;
    tree::apply(runner, root, &os.changes)
}

/// A role layer on its base's sealed root file system.
fn layer(
    runner: &Runner,
    root: &Path,
    os: &OsRecipe,
    role: &RoleRecipe,
    base: &Sealed,
    stage: &dyn Fn(Stage),
) -> Result<(), BuildError> {
    stage(Stage::Unpacking);
    let in_work = |error| BuildError::of_io("unpack the base", root, error);
    fs::create_dir(root).map_err(in_work)?;
    let [archive, target] = [&base.rootfs(), root].map(|path: &Path| path.to_string_lossy().into_owned());
    let argv = [
        "tar",
        "--zstd",
        "--numeric-owner",
        "--xattrs",
        "-C",
        &target,
        "-xpf",
        &archive,
    ];
    runner.run(&Job::new("unpack the base", PACK_DEADLINE, &argv))?;

    tree::forbid_services(root)?;
    let local = place_debs(root, &role.debs)?;
    let mut packages: Vec<&str> = role.packages_on(&os.os).iter().map(String::as_str).collect();
    packages.extend(local.iter().map(String::as_str));
    let fetch: Vec<&str> = role.fetch.iter().map(String::as_str).collect();
    if !packages.is_empty() || !fetch.is_empty() {
        install(runner, root, os, &packages, &fetch, stage)?;
    }
    stage(Stage::Configuring);
    tree::allow_services(root)?;
    match fs::remove_dir_all(root.join(LOCAL)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(in_work(error)),
        Ok(()) | Err(_) => {}
    }
    tree::apply(runner, root, &role.changes)
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
            fs::copy(&deb.path, root.join(&name))
                .map_err(|error| BuildError::of_io("take over a local package", &deb.path, error))?;
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

fn pack(runner: &Runner, root: &Path, archive: &Path) -> Result<(), BuildError> {
    let [root, archive] = [root, archive].map(|path| path.to_string_lossy().into_owned());
    let argv = [
        "tar",
        "--use-compress-program=zstd -q -1 -T0",
        "--numeric-owner",
        "--xattrs",
        "-C",
        &root,
        "-cf",
        &archive,
        ".",
    ];
    runner.run(&Job::new("keep the root file system", PACK_DEADLINE, &argv))?;
    Ok(())
}
