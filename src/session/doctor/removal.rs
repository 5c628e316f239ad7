//! What a check made is removed again.

use crate::host::connected::Connected;
use crate::model::id::RunId;
use crate::model::resource::{Made, Resource};
use crate::port::LabError;

pub(super) async fn remove(lab: &dyn Connected, run: &RunId, made: Made) -> Result<(), LabError> {
    let resource = Resource {
        made,
        uri: lab.uri().clone(),
    };
    lab.remove(&resource, run).await
}
