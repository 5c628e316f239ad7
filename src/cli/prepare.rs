//! What `run` and `scenario try` begin with.

use std::path::Path;

use crate::cli::builds;
use crate::cli::error::UserError;
use crate::session::inputs::{Inputs, Kit};

/// All that the nodes and steps of a lab's plan are given; images that are missing are built first, if asked for.
pub async fn kit(lab_file: &Path, select: Option<&str>, build: bool) -> Result<Kit, UserError> {
    let mut inputs = Inputs::load(lab_file, select)?;
    let secrets = inputs.secrets()?;
    if build {
        builds::build_missing(inputs.images, inputs.store).await?;
        inputs = Inputs::load(lab_file, select)?;
    }
    Ok(inputs.kit(secrets)?)
}
