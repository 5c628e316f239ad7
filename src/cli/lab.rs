//! What verbs that need no lab take from the one that is about.

use std::path::{Path, PathBuf};

use crate::cli::error::UserError;
use crate::image::catalogue::{Store, named};
use crate::lab::build::host_plans;
use crate::lab::file::Lab;
use crate::lab::open::{self, Refused};
use crate::model::hardware::Wishes;
use crate::model::plan::{HostPlan, Plan};
use crate::record::state::LATEST;
use crate::session::inputs::Inputs;

/// The hosts of the lab that is meant, or the default one where there is no lab file about.
pub fn hosts(given: Option<&Path>) -> Result<Vec<HostPlan>, UserError> {
    match about(given)? {
        Some(path) => Ok(host_plans(&Lab::load(&path)?)),
        None => Ok(vec![HostPlan::at("auto")]),
    }
}

/// The name of the lab that is meant.
pub fn name(given: Option<&Path>) -> Result<String, UserError> {
    let path = about(given)?.ok_or_else(no_latest)?;
    Ok(Lab::load(&path)?.file.lab.name.into_inner())
}

/// The name of the lab whose newest run a text means; none where it means a run by its id. Without a lab, or beside one that
/// is wrong, `latest` would be the answer of some other lab.
pub fn name_for(run: &str, given: Option<&Path>) -> Result<Option<String>, UserError> {
    match run {
        LATEST => name(given).map(Some),
        _ => Ok(None),
    }
}

/// The whole plan of the lab that is meant, as it is now; none where there is no lab file about.
pub fn planned(given: Option<&Path>) -> Result<Option<Plan>, UserError> {
    let path = about(given)?;
    Ok(path
        .map(|path| Inputs::look(&path, None))
        .transpose()?
        .map(|inputs| inputs.plan))
}

/// What the lab that is meant says of an image's hardware; nothing where there is no lab file about, or it has no such image.
pub fn hardware(given: Option<&Path>, store: &Store, image: &str) -> Result<Wishes, UserError> {
    let Some(path) = about(given)? else {
        return Ok(Wishes::default());
    };
    let image = named(&Lab::load(&path)?, store, image);
    Ok(image.map(|image| image.hardware).unwrap_or_default())
}

/// The lab file that is meant; none where none is named and none is about.
pub fn about(given: Option<&Path>) -> Result<Option<PathBuf>, UserError> {
    match (given, open::find(given)) {
        (_, Ok(path)) => Ok(Some(path)),
        (None, Err(Refused::NoLab(_))) => Ok(None),
        (_, Err(error)) => Err(error.into()),
    }
}

/// The error of `latest` where there is no lab file about.
fn no_latest() -> UserError {
    UserError {
        hint: Some(
            "go to the lab's folder, name its file with --lab, or name a run by its id: `patchgate history` lists them"
                .to_owned(),
        ),
        ..UserError::usage("there is no lab file here or above, so it cannot be told whose latest run is meant")
    }
}
