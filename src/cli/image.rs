//! `patchgate image`: build, list, verify, import and remove.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Args, Subcommand, ValueEnum};
use tokio_util::sync::CancellationToken;

mod progress;
mod table;

use crate::error::UserError;
use crate::exit_code;
use crate::guest::families::Families;
use crate::image::build::{build, ready};
use crate::image::catalogue::{ImageDef, Origin, Store, image_name, named, needed};
use crate::image::error::BuildError;
use crate::image::import::{Import, KNOWN_OS, closest_os, import, lab_lines};
use crate::image::manifest::Sealed;
use crate::input::words::count;
use crate::lab::file::Lab;
use progress::Progress;

/// How many images are built at once: each is bound by one CPU or by the mirror for most of its time.
const BUILDERS: usize = 2;

/// `patchgate image ...`
#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// Build images from their recipes; what is sealed already is left as it is
    Build {
        /// Images such as debian-12 or debian-12+web; without any, all that the lab's cells need
        names: Vec<String>,
        /// All that the lab's cells need
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// Build anew what is sealed already, with the mirror's packages of today
        #[arg(long)]
        rebuild: bool,
    },
    /// Show the images that the lab needs and those in the store
    List {
        /// How to write it
        #[arg(long, value_enum, default_value_t)]
        format: ListFormat,
    },
    /// Compare sealed disks with their manifests, byte for byte
    Verify {
        /// Images such as debian-12+web; without any, everything in the store
        names: Vec<String>,
    },
    /// Take over a disk that you already have, as a sealed image
    Import {
        /// A raw, qcow2, vmdk, vhdx or vdi disk without a backing file
        file: PathBuf,
        /// Its OS version, such as debian-12 or windows-server-2022
        #[arg(long)]
        os: String,
        /// The role that it has already, where it has one
        #[arg(long)]
        role: Option<String>,
        /// What the file's SHA-256 has to be
        #[arg(long)]
        sha256: Option<String>,
    },
    /// Remove images from the store
    Remove {
        /// Every version of that image
        #[arg(required_unless_present = "unused")]
        name: Option<String>,
        /// Everything that the lab does not need
        #[arg(long, conflicts_with = "name")]
        unused: bool,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    #[default]
    Text,
    Json,
}

impl ImageArgs {
    /// Whether the command reads the lab file; the others work without one.
    pub fn needs_lab(&self) -> bool {
        match &self.command {
            ImageCommand::Build { .. }
            | ImageCommand::List { .. }
            | ImageCommand::Remove { unused: true, .. } => true,
            ImageCommand::Verify { .. }
            | ImageCommand::Import { .. }
            | ImageCommand::Remove { unused: false, .. } => false,
        }
    }
}

/// Runs the command; gives the exit code. `lab` may be `None` where [`ImageArgs::needs_lab`] says so.
pub fn run(args: ImageArgs, lab: Option<&Lab>) -> Result<u8, UserError> {
    let store = Store::open().map_err(|error| {
        UserError::usage(format!("the image store cannot be opened: {error}")).with_hint(STORE_HINT)
    })?;
    let lab = || {
        lab.ok_or_else(|| UserError::usage("this command needs a lab file").with_hint("name it with --lab"))
    };
    match args.command {
        ImageCommand::Build {
            names,
            all: _,
            rebuild,
        } => {
            let cancel = CancellationToken::new();
            interrupts(&cancel)?;
            run_build(&wanted(lab()?, &store, &names)?, &store, rebuild, &cancel)
        }
        ImageCommand::List { format } => {
            run_list(&with_bases(wanted(lab()?, &store, &[])?, &store), &store, format)
        }
        ImageCommand::Verify { names } => run_verify(&store, &names),
        ImageCommand::Import {
            file,
            os,
            role,
            sha256,
        } => run_import(
            Import {
                file,
                os,
                role,
                sha256,
            },
            &store,
        ),
        ImageCommand::Remove { name: Some(name), .. } => {
            run_remove(&store, &|sealed| sealed.manifest.name == name, &name)
        }
        ImageCommand::Remove { name: None, .. } => {
            let kept: BTreeSet<_> = with_bases(wanted(lab()?, &store, &[])?, &store)
                .into_iter()
                .filter_map(|image| image.sealed.map(|sealed| sealed.dir))
                .collect();
            run_remove(&store, &|sealed| !kept.contains(&sealed.dir), "that is unused")
        }
    }
}

const STORE_HINT: &str = "PATCHGATE_IMAGES names the folder, by default patchgate/images in ~/.cache";

fn wanted(lab: &Lab, store: &Store, names: &[String]) -> Result<Vec<ImageDef>, UserError> {
    if names.is_empty() {
        return needed(lab, store)
            .map_err(|findings| UserError::findings("the lab's images are not well defined", findings));
    }
    names
        .iter()
        .map(|name| {
            named(lab, store, name).map_err(|findings| {
                UserError::findings(format!("image {name} is not well defined"), findings)
            })
        })
        .collect()
}

/// The images with the bases that they stand on, each once, bases first.
fn with_bases(images: Vec<ImageDef>, store: &Store) -> Vec<ImageDef> {
    let mut all: Vec<ImageDef> = Vec::new();
    let bases: Vec<ImageDef> = images.iter().filter_map(|image| image.base(store)).collect();
    for image in bases.into_iter().chain(images) {
        if !all
            .iter()
            .any(|there| there.name == image.name && there.key == image.key)
        {
            all.push(image);
        }
    }
    all
}

/// Builds those images that are not sealed, and the bases that they stand on.
pub fn run_build(
    images: &[ImageDef],
    store: &Store,
    rebuild: bool,
    cancel: &CancellationToken,
) -> Result<u8, UserError> {
    let due = |image: &&ImageDef| rebuild || image.sealed.is_none();
    let todo: Vec<&ImageDef> = images.iter().filter(due).collect();
    for image in images.iter().filter(|image| !due(image)) {
        println!("image {}: sealed already", image.name);
    }
    if todo.is_empty() {
        return Ok(exit_code::OPEN);
    }
    if todo
        .iter()
        .any(|image| matches!(image.origin, Origin::Build { .. }))
    {
        ready().map_err(|error| error.about(&todo[0].name))?;
    }
    let progress = Progress::new();
    // Bases first: a role layer that waits for its base would hold a builder.
    let asked: BTreeSet<&str> = todo.iter().map(|image| image.name.as_str()).collect();
    let mut bases: Vec<ImageDef> = Vec::new();
    for base in todo.iter().filter_map(|image| image.base(store)) {
        if base.sealed.is_none() && !asked.contains(base.name.as_str()) && !bases.contains(&base) {
            bases.push(base);
        }
    }
    let (asked_bases, layers): (Vec<&ImageDef>, Vec<&ImageDef>) =
        todo.iter().partition(|image| image.role.is_none());
    let results = in_parallel(&bases.iter().collect::<Vec<_>>(), store, false, &progress, cancel)
        .and_then(|_| in_parallel(&asked_bases, store, rebuild, &progress, cancel))
        .and_then(|mut made| {
            made.extend(in_parallel(&layers, store, rebuild, &progress, cancel)?);
            Ok(made)
        });
    progress.clear();
    for sealed in results? {
        println!(
            "image {}: sealed, {}",
            sealed.manifest.name,
            table::summary(&sealed.manifest)
        );
    }
    Ok(exit_code::OPEN)
}

/// Builds these images, [`BUILDERS`] at once. The first failure stops what has not begun; what runs is ended.
fn in_parallel(
    images: &[&ImageDef],
    store: &Store,
    rebuild: bool,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Vec<Sealed>, UserError> {
    let next = AtomicUsize::new(0);
    let stop = cancel.child_token();
    let made = Mutex::new(Vec::new());
    let failed: Mutex<Option<(String, BuildError)>> = Mutex::new(None);
    let worker = || {
        while let Some(image) = images.get(next.fetch_add(1, Ordering::Relaxed)) {
            match build(image, store, rebuild, progress, &stop) {
                Ok(sealed) => locked(&made).push(sealed),
                Err(error) => {
                    // The ones that are ended because of the first say no more than that.
                    locked(&failed).get_or_insert((image.name.clone(), error));
                    stop.cancel();
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..BUILDERS.min(images.len()) {
            scope.spawn(worker);
        }
    });
    match failed
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
    {
        Some((name, error)) => Err(error.about(&name)),
        None => Ok(made
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The first interrupt or termination cancels; a second ends the process at once, and the kernel ends its children.
#[expect(clippy::disallowed_methods, reason = "a second signal refuses the clean-up")]
fn interrupts(cancel: &CancellationToken) -> Result<(), UserError> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| UserError::usage(format!("signals cannot be watched: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(failed)?;
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            for second in [false, true] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if second {
                    std::process::exit(i32::from(exit_code::INTERRUPTED));
                }
                cancel.cancel();
            }
        });
    });
    Ok(())
}

fn run_list(images: &[ImageDef], store: &Store, format: ListFormat) -> Result<u8, UserError> {
    let listing = store.list().map_err(|error| {
        UserError::usage(format!("the image store cannot be read: {error}")).with_hint(STORE_HINT)
    })?;
    let rows = table::rows(images, &listing);
    match format {
        ListFormat::Text => print!("{}", table::text(&rows, store.dir())),
        ListFormat::Json => println!("{}", table::json(&rows, store.dir())),
    }
    Ok(exit_code::OPEN)
}

fn run_verify(store: &Store, names: &[String]) -> Result<u8, UserError> {
    let listing = store.list().map_err(|error| {
        UserError::usage(format!("the image store cannot be read: {error}")).with_hint(STORE_HINT)
    })?;
    if let Some(name) = names
        .iter()
        .find(|name| !listing.sealed.iter().any(|sealed| sealed.manifest.name == **name))
    {
        return Err(UserError::usage(format!("image {name} is not in the store"))
            .with_hint("see `patchgate image list`"));
    }
    let mut damaged: Vec<String> = Vec::new();
    if names.is_empty() {
        damaged.extend(listing.damaged.iter().map(ToString::to_string));
    }
    for sealed in &listing.sealed {
        let name = &sealed.manifest.name;
        if !names.is_empty() && !names.contains(name) {
            continue;
        }
        match store.verify(sealed) {
            Ok(()) => println!("image {name}: unchanged, {}", table::summary(&sealed.manifest)),
            Err(error) => damaged.push(error.to_string()),
        }
    }
    if damaged.is_empty() {
        Ok(exit_code::OPEN)
    } else {
        Err(UserError::usage(damaged.join("\n"))
            .with_hint("build it anew with `patchgate image build --rebuild NAME`, or import it anew"))
    }
}

fn run_import(mut wanted: Import, store: &Store) -> Result<u8, UserError> {
    let Some(os) = closest_os(&wanted.os) else {
        return Err(UserError::usage(format!(
            "`{}` is not an OS version that patchgate knows",
            wanted.os
        ))
        .with_hint(format!("one of {}", KNOWN_OS.join(", "))));
    };
    wanted.os = os.to_owned();
    let plain = |role: &String| {
        role.starts_with(|c: char| c.is_ascii_lowercase())
            && role.len() <= 64
            && role
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if let Some(role) = wanted.role.as_ref().filter(|role| !plain(role)) {
        return Err(UserError::usage(format!("`{role}` is not a name for a role"))
            .with_hint("write lower-case letters, digits and `-`, such as `web`"));
    }
    let name = image_name(&wanted.os, wanted.role.as_deref());
    let cancel = CancellationToken::new();
    interrupts(&cancel)?;
    eprintln!("image {name}: converting and sealing {}", wanted.file.display());
    let sealed = import(&wanted, store, &cancel).map_err(|error| error.about(&name))?;
    println!("image {name}: sealed, {}", table::summary(&sealed.manifest));
    if Families::default().of(os).is_none() {
        println!("note: patchgate cannot apply updates to {os} yet; a group on it stays undecided");
    }
    println!("\nFor the lab file:\n\n{}", lab_lines(&sealed, &wanted.file));
    Ok(exit_code::OPEN)
}

fn run_remove(store: &Store, chosen: &dyn Fn(&Sealed) -> bool, what: &str) -> Result<u8, UserError> {
    let listing = store.list().map_err(|error| {
        UserError::usage(format!("the image store cannot be read: {error}")).with_hint(STORE_HINT)
    })?;
    let (gone, kept): (Vec<Sealed>, Vec<Sealed>) = listing.sealed.into_iter().partition(chosen);
    for sealed in &gone {
        store.remove(&sealed.dir).map_err(|error| {
            UserError::usage(format!(
                "image {}: {}: {error}",
                sealed.manifest.name,
                sealed.dir.display()
            ))
        })?;
        println!(
            "image {}: removed, {}",
            sealed.manifest.name,
            table::summary(&sealed.manifest)
        );
    }
    if gone.is_empty() {
        println!("no image {what}");
    }
    let images = kept.into_iter().map(|sealed| sealed.manifest.sha256).collect();
    let pruned = store.warm().and_then(|states| states.prune(&images));
    let states = pruned.map_err(|error| {
        UserError::usage(format!(
            "saved states of removed images cannot be removed: {error}"
        ))
        .with_hint(STORE_HINT)
    })?;
    if states > 0 {
        println!("{} of no use any more: removed", count(states, "saved state"));
    }
    Ok(exit_code::OPEN)
}
