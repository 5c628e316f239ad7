//! What a check made is removed again.

use crate::host::connected::Connected;
use crate::model::resource::{Resource, ResourceKind};
use crate::port::LabError;

pub(super) async fn remove(lab: &dyn Connected, kind: ResourceKind, name: &str) -> Result<(), LabError> {
    let resource = Resource {
        kind,
        name: name.into(),
        uri: lab.uri().into(),
    };
    lab.remove(&resource).await
}
