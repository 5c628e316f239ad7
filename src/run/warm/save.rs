//! Saving the nodes of an arm that prepares a state.

use crate::guest::identity::Answer;
use crate::model::name::VolumePath;
use crate::model::outcome::{Fault, Stage};
use crate::model::resource::{Made, Resource};
use crate::port::{LabError, VmSpec};
use crate::run::arm::ArmRun;
use crate::run::node::Node;
use crate::run::site::saved::{Files, Saved, SavedNode};

/// Saves an arm's nodes together, as the state of that name. A fault is a node's, which a cold clone would have had too; the
/// inner error is that of saving.
pub async fn save(
    arm: &ArmRun<'_>,
    set: &str,
    (specs, nodes): (&[VmSpec], &[Node<'_>]),
    made: &mut Vec<Resource>,
) -> Result<Result<Saved, LabError>, Fault> {
    let mut who = Vec::new();
    for node in nodes {
        let answer = node.ask(Stage::Warm, &node.system().who()).await?;
        let said = node.system().parse_who(&answer);
        let said = said.map_err(|error| node.garbled(Stage::Warm, &error))?;
        arm.site.warm.is_unique(&said);
        who.push(said);
    }
    Ok(freeze(arm, set, specs, who, made).await)
}

/// Saves nodes as they are at one moment.
async fn freeze(
    arm: &ArmRun<'_>,
    set: &str,
    specs: &[VmSpec],
    who: Vec<Answer>,
    made: &mut Vec<Resource>,
) -> Result<Saved, LabError> {
    let host = &arm.site.host;
    for spec in specs {
        host.pause(&spec.name).await?;
    }
    let mut nodes = Vec::new();
    for (at, (spec, who)) in specs.iter().zip(who).enumerate() {
        let files = Files {
            disks: spec.disks.iter().map(|disk| disk.volume.clone()).collect(),
            ..Files::of(set, at, 0)?
        };
        let path = VolumePath::new(&spec.pool, &files.state);
        made.push(arm.site.resources.intend(Made::Volume(path))?);
        host.save_state(spec, &files.state).await?;
        nodes.push(SavedNode { files, who });
    }
    Ok(Saved::of(nodes))
}
