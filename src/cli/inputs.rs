//! What most verbs begin with: which lab file is meant, its plan, and the images that the plan needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::plan::{self, Planned};
use crate::cli::secrets;
use crate::error::UserError;
use crate::host::proxy::SquidLauncher;
use crate::image::catalogue::{self, ImageDef, Origin, Store};
use crate::image::warm::WarmStore;
use crate::input::finding::Finding;
use crate::lab::build::ImageChoice;
use crate::lab::file::Lab;
use crate::lab::load;
use crate::lab::scenario::files;
use crate::port::ProxyLauncher;
use crate::secret::Secrets;

/// A lab, planned.
pub struct Inputs {
    /// The lab, its plan, and what is likely not meant as it is written.
    pub planned: Planned,
    /// The store of sealed images.
    pub store: Store,
    /// The images of the plan's nodes, each once.
    pub images: Vec<ImageDef>,
}

impl Inputs {
    /// Where states of booted nodes are kept: beside the images that they are of.
    pub fn warm(&self) -> Result<WarmStore, UserError> {
        self.store.warm().map_err(|error| {
            UserError::usage(format!("the store of saved states cannot be opened: {error}"))
                .with_hint("set PATCHGATE_IMAGES to a folder of yours")
        })
    }

    /// What the departments' files hold that the plan's steps use, by SHA-256.
    pub fn files(&self) -> Result<BTreeMap<String, Vec<u8>>, UserError> {
        let lab = &self.planned.lab;
        let folder = lab.dir.join(lab.file.lab.scenarios.get_ref());
        files::load(&folder, self.planned.plan.scenarios.values())
            .map_err(|problem| UserError::usage(format!("{problem}; nothing was started")))
    }

    /// The secrets that the plan's steps ask for.
    pub fn secrets(&self) -> Result<Secrets, UserError> {
        secrets::read(&self.planned.lab, &self.planned.plan)
    }

    /// What starts the proxies of isolated clones; of other users than root, with its cache beside the images.
    pub fn proxies(&self) -> Arc<dyn ProxyLauncher> {
        Arc::new(SquidLauncher::new(self.store.dir().with_file_name("proxy")))
    }
}

/// The lab file that is meant: the one that is given, or the nearest.
pub fn lab_path(given: Option<&Path>) -> Result<PathBuf, UserError> {
    match given {
        Some(path) => Ok(path.to_owned()),
        None => load::find(
            &std::env::current_dir()
                .map_err(|error| UserError::usage(format!("the current folder cannot be read: {error}")))?,
        ),
    }
}

/// Loads a lab file alone.
pub fn load_lab(path: &Path) -> Result<Lab, UserError> {
    load::load(path).map_err(|findings| {
        UserError::findings(
            format!(
                "{}: cannot be used as a lab file; nothing was started",
                path.display()
            ),
            findings,
        )
        .with_hint("`patchgate check` lints the whole lab")
    })
}

/// The store of sealed images.
pub fn open_store() -> Result<Store, UserError> {
    Store::open().map_err(|error| {
        UserError::usage(format!("the image store cannot be opened: {error}"))
            .with_hint("set PATCHGATE_IMAGES to a folder of yours with some gigabytes of room")
    })
}

/// Loads, lints and plans a lab.
pub fn load(lab_file: &Path, select: Option<&str>) -> Result<Inputs, UserError> {
    let store = open_store()?;
    let mut images = Vec::new();
    let planned = plan::planned(lab_file, select, |lab| {
        images = catalogue::needed(lab, &store)?;
        Ok(choices(&images))
    })?;
    let used = |image: &ImageDef| {
        let mut nodes = planned.plan.cells.iter().flat_map(|cell| &cell.nodes);
        nodes.any(|node| node.image.name == image.name)
    };
    images.retain(used);
    Ok(Inputs {
        planned,
        store,
        images,
    })
}

/// What the plan may choose from.
pub fn choices(images: &[ImageDef]) -> Vec<ImageChoice> {
    images
        .iter()
        .filter_map(|image| {
            Some(ImageChoice {
                os: image.os.clone(),
                role: image.role.clone()?,
                pin: image.pin(),
                recipes: image.recipes.clone(),
                sources: match &image.origin {
                    Origin::Build { os, .. } => os.sources.clone(),
                    Origin::Imported { .. } => Vec::new(),
                },
            })
        })
        .collect()
}

/// What is wrong with the recipes of a lab.
pub fn recipe_findings(lab: &Lab) -> Vec<Finding> {
    match Store::open() {
        Ok(store) => catalogue::needed(lab, &store).err().unwrap_or_default(),
        Err(error) => {
            tracing::warn!("recipes are not checked, as the image store cannot be opened: {error}");
            Vec::new()
        }
    }
}
