//! `patchgate image`: build, list, verify, import, probe and remove.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::cli::args::Format;
use crate::cli::error::UserError;
use crate::cli::image_prepare::{self, PrepareArgs};
use crate::cli::imports::{self, ImportArgs};
use crate::cli::lab::about;
use crate::cli::probe::{self, ProbeArgs};
use crate::cli::runtime::block_on;
use crate::cli::{builds, exit_code, image_list, interrupt, print};
use crate::image::catalogue::{ImageDef, Store, named, needed};
use crate::image::manifest::Sealed;
use crate::image::store::Listing;
use crate::input::words::count;
use crate::lab::file::Lab;
use crate::lab::open;

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
    /// Show the images that the lab needs, where there is a lab, and those in the store
    List {
        /// How to write it
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Compare sealed disks with their manifests, byte for byte
    Verify {
        /// Images such as debian-12+web; without any, everything in the store
        names: Vec<String>,
    },
    /// Take over a disk or a libvirt domain that you already have, as a sealed image
    Import(Box<ImportArgs>),
    /// Boot a sealed image once, cut off from everything: what it is, and what is wanting
    Probe(ProbeArgs),
    /// Make another image of one whose guest has no agent, with the agent in it
    Prepare(PrepareArgs),
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

impl ImageArgs {
    /// Whether it can do nothing without hosts.
    pub fn needs_hosts(&self) -> bool {
        matches!(self.command, ImageCommand::Probe(_) | ImageCommand::Prepare(_))
    }

    /// Whether the command reads the lab file; the others work without one.
    fn needs_lab(&self) -> bool {
        match &self.command {
            ImageCommand::Build { .. } | ImageCommand::Remove { unused: true, .. } => true,
            ImageCommand::List { .. }
            | ImageCommand::Verify { .. }
            | ImageCommand::Import(_)
            | ImageCommand::Probe(_)
            | ImageCommand::Prepare(_)
            | ImageCommand::Remove { unused: false, .. } => false,
        }
    }
}

/// Runs the command; gives the exit code. `given` is the lab file that is given.
pub fn run(args: ImageArgs, given: Option<&Path>) -> Result<u8, UserError> {
    let found = match &args.command {
        // Without one it is the store that is listed.
        ImageCommand::List { .. } => about(given)?,
        _ if args.needs_lab() => Some(open::find(given)?),
        _ => None,
    };
    let lab = found.map(|found| Lab::load(&found)).transpose()?;
    let open = match &args.command {
        ImageCommand::List { .. } => Store::named(),
        _ => Store::open(),
    };
    let store = open.map_err(|error| {
        UserError::usage(format!("the image store cannot be opened: {error}")).with_hint(STORE_HINT)
    })?;
    let named = lab.as_ref();
    let lab = || {
        named.ok_or_else(|| UserError::usage("this command needs a lab file").with_hint("name it with --lab"))
    };
    match args.command {
        ImageCommand::Build {
            names,
            all: _,
            rebuild,
        } => {
            let cancel = CancellationToken::new();
            interrupt::cancels(&cancel)?;
            builds::build(&wanted(lab()?, &store, &names)?, &store, rebuild, &cancel)?;
            Ok(exit_code::OPEN)
        }
        ImageCommand::List { format } => {
            let images = named
                .map(|lab| wanted(lab, &store, &[]).map(|images| with_bases(images, &store)))
                .transpose()?;
            run_list(images.as_deref(), &store, format)
        }
        ImageCommand::Verify { names } => run_verify(&store, &names),
        ImageCommand::Import(args) => {
            let cancel = CancellationToken::new();
            interrupt::cancels(&cancel)?;
            imports::run(&args, &store, &cancel)
        }
        ImageCommand::Probe(args) => block_on(probe::run(&args, &store, given)),
        ImageCommand::Prepare(args) => {
            let cancel = CancellationToken::new();
            interrupt::cancels(&cancel)?;
            image_prepare::run(&args, &store, &cancel)
        }
        ImageCommand::Remove { name: Some(name), .. } => {
            let listing = listing(&store)?;
            is_listed(&listing, &name)?;
            run_remove(&store, listing, &|sealed| sealed.manifest.name == name)
        }
        ImageCommand::Remove { name: None, .. } => {
            let kept: BTreeSet<_> = with_bases(wanted(lab()?, &store, &[])?, &store)
                .into_iter()
                .filter_map(|image| image.sealed.map(|sealed| sealed.dir))
                .collect();
            run_remove(&store, listing(&store)?, &|sealed| !kept.contains(&sealed.dir))
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

fn run_list(images: Option<&[ImageDef]>, store: &Store, format: Format) -> Result<u8, UserError> {
    let listing = listing(store)?;
    let rows = image_list::rows(images, &listing);
    match format {
        Format::Text => print::print(&image_list::text(&rows, store.dir()))?,
        Format::Json => print::print(&image_list::json(&rows, store.dir()))?,
    }
    Ok(exit_code::OPEN)
}

fn run_verify(store: &Store, names: &[String]) -> Result<u8, UserError> {
    let listing = listing(store)?;
    names.iter().try_for_each(|name| is_listed(&listing, name))?;
    if listing.sealed.is_empty() && listing.damaged.is_empty() {
        print::say("no image in the store");
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
            Ok(()) => print::say(&format!(
                "image {name}: unchanged, {}",
                image_list::summary(&sealed.manifest)
            )),
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

/// What is in the store.
fn listing(store: &Store) -> Result<Listing, UserError> {
    store.list().map_err(|error| {
        UserError::usage(format!("the image store cannot be read: {error}")).with_hint(STORE_HINT)
    })
}

/// Refuses a name that no image of the store has.
fn is_listed(listing: &Listing, name: &str) -> Result<(), UserError> {
    if listing.sealed.iter().any(|sealed| sealed.manifest.name == name) {
        return Ok(());
    }
    Err(UserError::usage(format!("image {name} is not in the store")).with_hint("see `patchgate image list`"))
}

fn run_remove(store: &Store, listing: Listing, chosen: &dyn Fn(&Sealed) -> bool) -> Result<u8, UserError> {
    let (gone, kept): (Vec<Sealed>, Vec<Sealed>) = listing.sealed.into_iter().partition(chosen);
    for sealed in &gone {
        store.remove(&sealed.dir).map_err(|error| {
            UserError::usage(format!(
                "image {}: {}: {error}",
                sealed.manifest.name,
                sealed.dir.display()
            ))
        })?;
        print::say(&format!(
            "image {}: removed, {}",
            sealed.manifest.name,
            image_list::summary(&sealed.manifest)
        ));
    }
    if gone.is_empty() {
        print::say("no image that is unused");
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
        print::say(&format!(
            "{} of no use any more: removed",
            count(states, "saved state")
        ));
    }
    Ok(exit_code::OPEN)
}
