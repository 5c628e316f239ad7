//! `patchgate image prepare`: the agent for an image that has none, in an image of its own.

use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::args::Format;
use crate::cli::error::UserError;
use crate::cli::import_progress;
use crate::cli::interrupt::abandon;
use crate::cli::probe::{self, How, find, look_text, looked};
use crate::cli::progress::Progress;
use crate::cli::runtime::block_on;
use crate::cli::{exit_code, lab_sections, print};
use crate::guest::families::Families;
use crate::guest::look::hindrances;
use crate::guest::prepare::{Inside, Way};
use crate::image::catalogue::Store;
use crate::image::error::BuildError;
use crate::image::facts::{self, Found};
use crate::image::manifest::Sealed;
use crate::image::prepare::{Bench, made_of};
use crate::input::safe;
use crate::session::look::Look;
use crate::session::prepare::{PrepareError, Seen, by_customize, by_seed, way};

/// Shown under the help text.
const EXIT_CODES: &str = "\
Exit codes:
  0    the agent answers, and nothing is wanting that a run needs
  1    something is wanting without which no run comes to its end
  2    it cannot be prepared; the image is as it was
  3    the prepared image could not be asked, or it was interrupted
  130  a second interrupt ended it before its clean-up did";

/// Arguments of `image prepare`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct PrepareArgs {
    /// An image of the store, such as debian-12+web, or the beginning of its disk's SHA-256
    name: String,
    /// How clones of it are booted
    #[command(flatten)]
    how: How,
}

/// Runs the verb.
pub fn run(args: &PrepareArgs, store: &Store, cancel: &CancellationToken) -> Result<u8, UserError> {
    let sealed = find(store, &args.name)?;
    let (made, exit) = ensure(&sealed, store, &args.how, cancel)?;
    if made.dir != sealed.dir {
        lab_sections::tell(&made, &sealed.manifest.name)?;
    }
    Ok(exit)
}

/// Sees that an image has an agent that answers: the image itself where it has, or another that was made of it. Also the exit code
/// of the look that showed it.
pub fn ensure(
    sealed: &Sealed,
    store: &Store,
    how: &How,
    cancel: &CancellationToken,
) -> Result<(Sealed, u8), UserError> {
    let name = &sealed.manifest.name;
    if let Some((version, exit)) = known(sealed) {
        print::note(&format!(
            "image {name}: its agent answers, version {version}: nothing to prepare"
        ));
        return Ok((sealed.clone(), exit));
    }
    let before = made_of(store, sealed)
        .map_err(|error| UserError::usage(format!("the image store cannot be read: {error}")))?;
    if let Some(made) = before {
        print::note(&format!(
            "image {name}: was prepared before, as image {}; to prepare it anew, remove that folder: {}",
            short(&made),
            made.dir.display()
        ));
        let exit = match known(&made) {
            Some((_, exit)) => exit,
            None => tell(&made, &block_on(looked(&made, store, how))?)?,
        };
        return Ok((made, exit));
    }
    let seen = Seen::of(sealed);
    let installed = seen.inside.as_ref().map_or(None, Inside::has_agent);
    // A disk on which there is no agent need not be asked for five minutes whether it has one.
    if installed != Some(false) {
        let look = block_on(looked(sealed, store, how))?;
        let exit = tell(sealed, &look)?;
        if look.facts.is_some() {
            print::note(&format!("image {name}: its agent answers: nothing to prepare"));
            return Ok((sealed.clone(), exit));
        }
        if cancel.is_cancelled() {
            return Err(UserError::of_image(name, &BuildError::Interrupted));
        }
    }
    let made = prepare(sealed, store, how, &seen, cancel).map_err(|error| told(name, error))?;
    print::note(&format!(
        "image {name}: prepared as a new image, {}; the one that it was made of is as it was",
        short(&made)
    ));
    for line in made
        .manifest
        .prepared
        .iter()
        .flat_map(|prepared| &prepared.changed)
    {
        print::note(&format!("  {}", safe::line(line)));
    }
    let look = block_on(looked(&made, store, how))?;
    let exit = tell(&made, &look)?;
    Ok((made, exit))
}

fn short(sealed: &Sealed) -> &str {
    sealed.manifest.key.get(..12).unwrap_or_default()
}

/// The version of the agent that has answered in an image before, and the exit code of that look.
fn known(sealed: &Sealed) -> Option<(String, u8)> {
    let Found::Facts(kept) = facts::find(sealed) else {
        return None;
    };
    let wanting = hindrances(
        &kept.facts,
        &sealed.manifest.os,
        Families::default().of(&sealed.manifest.os),
    );
    let exit = if wanting.is_empty() {
        exit_code::OPEN
    } else {
        exit_code::CLOSED
    };
    Some((safe::line(&kept.facts.agent.version), exit))
}

/// Shows what a look found; the exit code.
fn tell(sealed: &Sealed, look: &Look) -> Result<u8, UserError> {
    let (text, exit) = probe::told(sealed, look, Format::Text)?;
    print::beside(&text);
    Ok(exit)
}

fn prepare(
    sealed: &Sealed,
    store: &Store,
    how: &How,
    seen: &Seen,
    cancel: &CancellationToken,
) -> Result<Sealed, PrepareError> {
    let name = &sealed.manifest.name;
    let way = way(seen)?;
    let progress = import_progress::Progress::new();
    let bench = Bench::open(sealed, store, &progress, cancel)?;
    let made = match &way {
        Way::Seed { sources, machine } => {
            print::note(&format!(
                "image {name}: cloud-init has never run in it: it installs the agent at one boot of a clone, which reaches {} alone",
                sources.join(", ")
            ));
            let wish = how.wish(sources.clone());
            let observer = Arc::new(Progress::new(true));
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .map_err(|error| BuildError::of_io("start the runtime", store.dir(), error))?;
            let made = runtime.block_on(by_seed(
                &bench,
                (sealed, store, &wish),
                (seen, machine),
                observer,
                abandon,
            ));
            runtime.shutdown_timeout(std::time::Duration::from_secs(2));
            made
        }
        Way::Customize { why } => {
            print::note(&format!(
                "image {name}: {why}; virt-customize installs the agent in a copy of it, with the package manager of the image \
                 and over this machine's network, without the isolation that clones have"
            ));
            by_customize(&bench, sealed, seen)
        }
    };
    progress.clear();
    let (disks, prepared) = made?;
    Ok(bench.seal(&disks, prepared)?)
}

fn told(name: &str, error: PrepareError) -> UserError {
    match error {
        PrepareError::ByHand(by_hand) => {
            UserError::usage(format!("image {name}: {by_hand}")).with_hint(by_hand.hint)
        }
        PrepareError::Image(error) => UserError::of_image(name, &error),
        PrepareError::Input(error) => error.into(),
        PrepareError::State(error) => error.into(),
        PrepareError::Session(error) => error.into(),
        PrepareError::Clone(ref look) => {
            let interrupted = look.faults.iter().any(|fault| fault.cause == crate::model::outcome::Cause::Interrupted);
            let exit = if interrupted { exit_code::UNDECIDED } else { exit_code::USAGE };
            UserError::usage(format!("image {name}: {error}\n{}", look_text(look)))
                .with_hint("the image is as it was")
                .with_exit(exit)
        }
        PrepareError::NotInstalled(_) => UserError::usage(format!("image {name}: {error}"))
            .with_hint("does the image's package manager reach its sources? Or install the agent in the source by hand, and import it again"),
    }
}
