//! A lab, planned with what the image store has, and all that its nodes and steps are given.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::guest::families::Families;
use crate::host::proxy::SquidLauncher;
use crate::image::catalogue::{self, ImageDef, Store, choices};
use crate::image::manifest::DamagedImage;
use crate::image::warm::WarmStore;
use crate::input::finding::{Finding, Severity};
use crate::lab::file::Lab;
use crate::lab::open::Refused;
use crate::lab::scenario::files::Contents;
use crate::lab::select::{SelectError, Selection};
use crate::model::expected::Expected;
use crate::model::plan::Plan;
use crate::port::ProxyLauncher;
use crate::record::durations;
use crate::record::state::State;
use crate::secret::Secrets;
use crate::session::facts;
use crate::session::secrets::{self, SecretError};

/// Why nothing can be started; nothing was.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The selection is none.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The lab cannot be planned.
    #[error(transparent)]
    Lab(#[from] Refused),
    /// The image store cannot be opened.
    #[error("the image store cannot be opened: {0}")]
    Store(io::Error),
    /// The store of saved states, beside it, cannot be opened.
    #[error("the store of saved states cannot be opened: {0}")]
    Warm(io::Error),
    /// The plan of a look has no digest.
    #[error("the look cannot be planned: {0}")]
    NoPlan(String),
    /// Images of the plan are not in the store.
    #[error("not built yet: {}", .0.join(", "))]
    Missing(Vec<String>),
    /// An image is not what was sealed.
    #[error("{damage}")]
    Damaged {
        /// The image.
        image: String,
        /// What is wrong with it.
        damage: DamagedImage,
    },
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl InputError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Select(error) => Some(error.hint.clone()),
            Self::Lab(refused) => refused.hint().map(str::to_owned),
            Self::Store(_) => {
                Some("set PATCHGATE_IMAGES to a folder of yours with some gigabytes of room".to_owned())
            }
            Self::Warm(_) => Some("set PATCHGATE_IMAGES to a folder of yours".to_owned()),
            Self::Missing(_) => Some(
                "`patchgate image build --all` builds what the lab needs; with --build this command does it first; what is `imported` comes \
                 by `patchgate image import`"
                    .to_owned(),
            ),
            Self::Damaged { image, .. } => {
                Some(format!("`patchgate image build {image} --rebuild` makes it anew"))
            }
            Self::Secret(error) => Some(error.hint()),
            Self::NoPlan(_) => Some("this is a defect in patchgate: please report it".to_owned()),
        }
    }

    /// What is wrong in files, if that is the matter.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Lab(refused) => refused.findings(),
            Self::Select(_)
            | Self::Store(_)
            | Self::Warm(_)
            | Self::NoPlan(_)
            | Self::Missing(_)
            | Self::Damaged { .. }
            | Self::Secret(_) => &[],
        }
    }
}

/// A lab, planned.
#[derive(Debug)]
pub struct Inputs {
    /// The lab file.
    pub lab: Lab,
    /// The plan.
    pub plan: Plan,
    /// What the departments' files hold that scenarios use, as it was when they were pinned.
    pub contents: Contents,
    /// The OS families that can be updated.
    pub families: Families,
    /// What is likely not meant as it is written.
    pub warnings: Vec<Finding>,
    /// The store of sealed images.
    pub store: Store,
    /// The images of the plan's nodes, each once.
    pub images: Vec<ImageDef>,
}

/// All that the nodes and steps of a plan are given.
pub struct Kit {
    /// The plan.
    pub plan: Plan,
    /// The OS families that can be updated.
    pub families: Families,
    /// The sealed disks by image name.
    pub disks: BTreeMap<String, PathBuf>,
    /// Where states of booted nodes are kept.
    pub warm: WarmStore,
    /// What the departments' files hold that steps use, by SHA-256.
    pub files: Contents,
    /// The secrets that steps ask for.
    pub secrets: Secrets,
    /// What starts the proxies of isolated clones.
    pub proxies: Arc<dyn ProxyLauncher>,
}

impl Inputs {
    /// Loads, lints and plans a lab, or those of its cells that a selection takes.
    pub fn load(lab_file: &Path, select: Option<&str>) -> Result<Self, InputError> {
        Self::with(open_store()?, lab_file, select)
    }

    /// The same, only to look at: an image store that is not there has no images, and none is made.
    pub fn look(lab_file: &Path, select: Option<&str>) -> Result<Self, InputError> {
        Self::with(Store::named().map_err(InputError::Store)?, lab_file, select)
    }

    fn with(store: Store, lab_file: &Path, select: Option<&str>) -> Result<Self, InputError> {
        let families = Families::default();
        let selection = select.map(Selection::parse).transpose()?;
        let checked = Lab::open(lab_file, &families)?;
        let mut images =
            catalogue::needed(&checked.lab, &store).map_err(|findings| checked.refused(findings))?;
        let plan = checked.plan(selection.as_ref(), &choices(&images))?;
        let used = |image: &ImageDef| {
            let mut nodes = plan.cells.iter().flat_map(|cell| &cell.nodes);
            nodes.any(|node| node.image.name == image.name)
        };
        images.retain(used);
        let known = facts::findings(&checked.lab, &images, &families);
        let (wrong, worth_knowing): (Vec<_>, Vec<_>) = known
            .into_iter()
            .partition(|finding| finding.severity == Severity::Error);
        if !wrong.is_empty() {
            return Err(checked.refused(wrong).into());
        }
        let mut warnings = checked.warnings;
        warnings.extend(worth_knowing);
        Ok(Self {
            lab: checked.lab,
            warnings,
            contents: checked.contents,
            plan,
            families,
            store,
            images,
        })
    }

    /// The secrets that the plan's steps ask for.
    pub fn secrets(&self) -> Result<Secrets, SecretError> {
        secrets::read(&self.lab, &self.plan)
    }

    /// All that nodes and steps are given. Each disk is compared with its manifest: a changed byte is named.
    pub fn kit(self, secrets: Secrets) -> Result<Kit, InputError> {
        let disks = self.disks()?;
        // Beside the images that they are of.
        let warm = self.store.warm().map_err(InputError::Warm)?;
        Ok(Kit {
            plan: self.plan,
            families: self.families,
            disks,
            warm,
            files: self.contents,
            secrets,
            // With the cache of other users than root beside the images.
            proxies: Arc::new(SquidLauncher::new(self.store.dir().with_file_name("proxy"))),
        })
    }

    fn disks(&self) -> Result<BTreeMap<String, PathBuf>, InputError> {
        let missing: Vec<String> = self
            .images
            .iter()
            .filter(|image| image.sealed.is_none())
            .map(|image| image.name.clone())
            .collect();
        if !missing.is_empty() {
            return Err(InputError::Missing(missing));
        }
        let mut disks = BTreeMap::new();
        for image in &self.images {
            if let Some(sealed) = &image.sealed {
                self.store.verify(sealed).map_err(|damage| InputError::Damaged {
                    image: image.name.clone(),
                    damage,
                })?;
                disks.insert(image.name.clone(), sealed.disk());
            }
        }
        Ok(disks)
    }
}

/// The store of sealed images.
pub fn open_store() -> Result<Store, InputError> {
    Store::open().map_err(InputError::Store)
}

/// What is wrong with the recipes of a lab, or with what is known of its images.
pub fn recipe_findings(lab: &Lab) -> Vec<Finding> {
    match Store::named() {
        Ok(store) => match catalogue::needed(lab, &store) {
            Ok(images) => facts::findings(lab, &images, &Families::default()),
            Err(findings) => findings,
        },
        Err(error) => {
            tracing::warn!("recipes are not checked, as the image store cannot be opened: {error}");
            Vec::new()
        }
    }
}

/// How long the arms of a lab are expected to take. Without a state folder there is nothing to go by.
pub fn expected(lab: &str) -> Expected {
    match State::open() {
        Ok(state) => durations::expected(&state, lab),
        Err(_) => Expected::default(),
    }
}
