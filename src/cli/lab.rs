//! What verbs that need no lab take from the one that is about.

use std::path::Path;

use crate::cli::error::UserError;
use crate::lab::build::host_plans;
use crate::lab::file::Lab;
use crate::lab::open;
use crate::model::plan::HostPlan;

/// The hosts of the lab that is meant, or the default one where there is no lab file about.
pub fn hosts(given: Option<&Path>) -> Result<Vec<HostPlan>, UserError> {
    let path = match (given, open::find(given)) {
        (_, Ok(path)) => path,
        (None, Err(_)) => return Ok(vec![HostPlan::at("auto")]),
        (Some(_), Err(error)) => return Err(error.into()),
    };
    Ok(host_plans(&Lab::load(&path)?))
}

/// The name of the lab that is meant, so that `latest` is its newest run; none where there is no lab file about.
pub fn name(given: Option<&Path>) -> Result<Option<String>, UserError> {
    let path = match (given, open::find(given)) {
        (_, Ok(path)) => path,
        (None, Err(_)) => return Ok(None),
        (Some(_), Err(error)) => return Err(error.into()),
    };
    match Lab::load(&path) {
        Ok(lab) => Ok(Some(lab.file.lab.name.into_inner())),
        Err(error) if given.is_some() => Err(error.into()),
        Err(_) => Ok(None),
    }
}
