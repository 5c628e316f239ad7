//! An image whose agent is missing becomes one that has it: the way is chosen by what its disk says, a copy is changed, and what has
//! changed is read from that.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::guest::files::{Files, Unreadable};
use crate::guest::prepare::{ByHand, Inside, Way, choose, files_changed, packages_changed, seed};
use crate::image::catalogue::Store;
use crate::image::error::BuildError;
use crate::image::inside::Root;
use crate::image::manifest::{Prepared, Sealed};
use crate::image::prepare::{Bench, can_customize};
use crate::model::outcome::Cause;
use crate::port::{LabError, Observer};
use crate::record::state::{State, StateError};
use crate::run::Preparation;
use crate::session::inputs::InputError;
use crate::session::look::{Look, Wish, kit};
use crate::session::ready::{Choices, Ready, SessionError};
use crate::session::signals::Abandon;
use crate::units::Period;

/// How long a clone may take to install the agent and power itself off; most of it is the guest's package manager without KVM.
const WITHIN: Period = Period(Duration::from_secs(30 * 60));
/// What cloud-init has written of its last boot.
const LOG: &str = "/var/log/cloud-init-output.log";
/// Lines of it that an error shows.
const LOG_LINES: usize = 15;
/// Where what is set up is told of, file by file.
const ETC: &str = "/etc";

/// Why an image was not prepared. The image itself is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A person has to do it.
    #[error(transparent)]
    ByHand(#[from] ByHand),
    /// Its disks cannot be copied or sealed.
    #[error(transparent)]
    Image(#[from] BuildError),
    /// It is damaged.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The state folder cannot be worked on.
    #[error(transparent)]
    State(#[from] StateError),
    /// No clone could be booted.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The clone did not come to its end.
    #[error("the clone that was to install the agent did not come to its end")]
    Clone(Box<Look>),
    /// The clone came to its end, and has no agent.
    #[error("the clone was powered off without the agent; the end of its {LOG}:\n{0}")]
    NotInstalled(String),
}

/// What an image's disk says.
pub struct Seen {
    root: Result<Root, Unreadable>,
    /// What of it matters; why it cannot be read.
    pub inside: Result<Inside, Unreadable>,
}

impl Seen {
    /// Reads an image's disks: the root need not be on the first.
    pub fn of(image: &Sealed) -> Self {
        let further = image.manifest.disks.iter();
        let further = further.map(|disk| image.dir.join(&disk.file));
        Self::at([image.disk()].into_iter().chain(further), image)
    }

    /// Reads the disks of an image, or copies of them, in their order.
    fn at(disks: impl IntoIterator<Item = PathBuf>, image: &Sealed) -> Self {
        let further = image.manifest.disks.iter().map(|disk| &disk.hardware);
        let hardware = [&image.manifest.disk].into_iter().chain(further);
        let disks: Vec<_> = disks
            .into_iter()
            .zip(hardware.map(|disk| disk.block_size))
            .collect();
        let root = Root::of(&disks);
        let inside = match &root {
            Ok(root) => Inside::of(root),
            Err(error) => Err(error.clone()),
        };
        Self { root, inside }
    }

    fn etc(&self) -> Option<std::collections::BTreeMap<String, String>> {
        self.root.as_ref().ok()?.digests(ETC).ok()
    }
}

/// How it is done.
pub fn way(seen: &Seen) -> Result<Way, ByHand> {
    choose(&seen.inside, can_customize())
}

/// Installs the agent by cloud-init, at one boot of a clone; the changed disks, and what was changed.
pub async fn by_seed(
    bench: &Bench<'_>,
    (image, store, wish): (&Sealed, &Store, &Wish),
    (seen, machine): (&Seen, &str),
    observer: Arc<dyn Observer>,
    abandon: Abandon,
) -> Result<(Vec<PathBuf>, Prepared), PrepareError> {
    let kit = kit(image, store, wish)?;
    let ready = Ready::open(kit, State::open()?, observer, Choices::default()).await?;
    let id = ready.id().to_string();
    let overlays: Vec<PathBuf> = (0..=image.manifest.disks.len())
        .map(|number| bench.dir().join(format!("overlay-{number}.qcow2")))
        .collect();
    let seeding = |way: &crate::guest::identity::Way, proxy: &str| {
        let made = bench.seed(&seed::files(&id, way, proxy, machine));
        let made = made.map_err(|error| LabError::new(Cause::Internal, error.to_string()))?;
        Ok((made.file, made.sha256))
    };
    let preparation = Preparation {
        seed: &seeding,
        within: WITHIN,
        overlays: &overlays,
    };
    let look = ready.prepare(preparation, abandon).await?;
    if !look.faults.is_empty() {
        return Err(PrepareError::Clone(Box::new(look)));
    }
    let disks = bench.joined(&overlays)?;
    let after = Seen::at(disks.iter().cloned(), image);
    if let (Ok(root), Ok(inside)) = (&after.root, &after.inside)
        && inside.has_agent() != Some(true)
    {
        let log = root.text(LOG).ok().flatten().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        return Err(PrepareError::NotInstalled(end));
    }
    let mut changed = changed(seen, &after);
    changed.push(format!(
        "below /var: the state and the logs of that boot; for cloud-init it was the instance patchgate-{id}"
    ));
    Ok((disks, prepared(image, "cloud-init", changed)))
}

/// Installs the agent by `virt-customize`; the changed disks, and what was changed.
pub fn by_customize(
    bench: &Bench<'_>,
    image: &Sealed,
    seen: &Seen,
) -> Result<(Vec<PathBuf>, Prepared), PrepareError> {
    let disks = bench.copied()?;
    bench.customize(&disks)?;
    let after = Seen::at(disks.iter().cloned(), image);
    let mut changed = changed(seen, &after);
    changed.push("virt-customize also gives a guest a new random seed".to_owned());
    Ok((disks, prepared(image, "virt-customize", changed)))
}

fn prepared(image: &Sealed, by: &str, changed: Vec<String>) -> Prepared {
    Prepared {
        from: image.manifest.key.clone(),
        from_sha256: image.manifest.sha256.clone(),
        by: by.to_owned(),
        changed,
    }
}

/// What has changed, a line each.
fn changed(before: &Seen, after: &Seen) -> Vec<String> {
    let packages = |seen: &Seen| seen.inside.as_ref().ok()?.packages.clone();
    let mut lines = match (packages(before), packages(after)) {
        (Some(before), Some(after)) => packages_changed(&before, &after),
        (None, _) | (_, None) => {
            vec![
                "package qemu-guest-agent, with what it needs; this disk's packages cannot be read"
                    .to_owned(),
            ]
        }
    };
    match (before.etc(), after.etc()) {
        (Some(before), Some(after)) => lines.extend(files_changed(&before, &after)),
        (None, _) | (_, None) => lines.push(format!("which files of {ETC} cannot be read from this disk")),
    }
    lines
}
