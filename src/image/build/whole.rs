//! The way from a recipe to a sealed image. A role layer is put on the root file system of its base, which is sealed beside
//! the base's disk.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::image::build::stage::{BuildProgress, Stage};
use crate::image::build::{builders, tree};
use crate::image::catalogue::{ImageDef, Origin};
use crate::image::error::BuildError;
use crate::image::manifest::{DISK, Identity, ImageSource, ROOTFS, Sealed, seal, verify_file};
use crate::image::process::{Job, Runner, missing};
use crate::image::store::Store;
use crate::lab::recipe::{OsRecipe, RoleRecipe};

/// Programs that every build needs; `setup.sh` installs their packages.
const TOOLS: &[&str] = &[
    "unshare", "setpriv", "chroot", "mount", "ip", "tar", "zstd", "qemu-img", "stat",
];
/// How long packing or unpacking a root file system may take.
const PACK_DEADLINE: Duration = Duration::from_secs(10 * 60);
/// Room that a build needs, in bytes: root file system, raw and sealed disk.
const ROOM: u64 = 3 * 1024 * 1024 * 1024;

/// Checks what the build of an image needs, before any is started; nothing where it is not built.
pub fn ready(image: &ImageDef) -> Result<(), BuildError> {
    let builder = match &image.origin {
        Origin::Imported { .. } => return Ok(()),
        Origin::Build { os, .. } => builders::of(os),
    };
    let lacked = missing(builder.tools()).or_else(|| missing(TOOLS));
    if let Some(tool) = lacked.or_else(|| builder.lacks()) {
        return Err(BuildError::ToolMissing(tool.to_owned()));
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
    ready(image)?;
    let base = match image.base(store) {
        Some(base) => {
            // One whose root file system is not what was sealed, or was never sealed with it, is made anew.
            let there = store.find(&base.name, &base.key).ok().flatten();
            let spoilt = there.is_some_and(|sealed| verify_file(&sealed, ROOTFS).is_err());
            Some(build(&base, store, spoilt, progress, cancel)?)
        }
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
    let builder = builders::of(os);
    let runner = Runner::new(&log, cancel, builder.dialect()).map_err(in_store)?;
    check_room(&runner, store)?;

    let root = work.dir().join("root");
    let sealed = work.dir().join("sealed");
    fs::create_dir(&sealed).map_err(in_store)?;
    match (role, base) {
        (Some(role), Some(base)) => {
            stage(Stage::Unpacking);
            verify_file(base, ROOTFS)?;
            unpack(&runner, &base.rootfs(), &root)?;
            builder.layer(&runner, &root, os, role, &stage)?;
        }
        (Some(_) | None, _) => builder.base(&runner, &root, os, &stage)?,
    }
    tree::neutralise(&root)?;
    builder.tidy(&root)?;
    if role.is_none() {
        stage(Stage::Packing);
        pack(&runner, &root, &sealed.join(ROOTFS))?;
    }
    stage(Stage::MakingDisk);
    let disk = sealed.join(DISK);
    builder.disk(&runner, &root, work.dir(), os, &disk)?;
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

/// Unpacks a base's sealed root file system.
fn unpack(runner: &Runner, archive: &Path, root: &Path) -> Result<(), BuildError> {
    let in_work = |error| BuildError::of_io("unpack the base", root, error);
    fs::create_dir(root).map_err(in_work)?;
    let [archive, target] = [archive, root].map(|path| path.to_string_lossy().into_owned());
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
    Ok(())
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
