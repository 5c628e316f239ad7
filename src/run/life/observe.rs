//! Looking at a node without any scenario: what it said goes to the journal, to be compared between the arms.

use crate::guest::command::GuestCommand;
use crate::model::event::Event;
use crate::model::observation::{Class, Moment, Reading};
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::update::PackageStates;
use crate::run::arm::ArmRun;
use crate::run::life::updates;
use crate::run::node::Node;

/// What of a look the arm itself goes on with.
pub struct Seen {
    /// The package manager's word on every package.
    pub packages: PackageStates,
    /// The running kernel's release.
    pub kernel: String,
}

/// Looks at a node once more, at what of it is looked at then.
pub async fn late(arm: &ArmRun<'_>, node: &Node<'_>, stage: Stage) -> Result<(), Fault> {
    let outputs = answers(node, stage, node.system().observe_late()).await?;
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let observation = node.system().parse_late(&outputs);
    arm.emit(Event::Observed {
        role: node.plan.role.clone(),
        moment: Moment::AfterSoak,
        observation: observation.map_err(|error| node.garbled(stage, &error))?,
    });
    Ok(())
}

async fn answers(node: &Node<'_>, stage: Stage, commands: Vec<GuestCommand>) -> Result<Vec<String>, Fault> {
    let mut outputs = Vec::new();
    for command in commands {
        let output = node.exec(stage, &command).await?;
        if output.exit != Some(0) && !node.system().is_timeout(output.exit) {
            tracing::warn!(role = node.plan.role, exit = ?output.exit, "could not {}", command.what);
        }
        outputs.push(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Ok(outputs)
}

/// Looks at a node and sends what was seen. A command that is ended at its time leaves what it did not come to
/// unreadable; an answer that means nothing is a fault.
pub async fn look(arm: &ArmRun<'_>, node: &Node<'_>, stage: Stage, moment: Moment) -> Result<Seen, Fault> {
    let packages = updates::packages(node, stage).await?;
    let outputs = answers(node, stage, node.system().observe()).await?;
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let observation = node.system().parse_observation(&outputs);
    let mut observation = observation.map_err(|error| node.garbled(stage, &error))?;
    let Some(kernel) = observation.kernel().map(str::to_owned) else {
        return Err(node.fault(stage, Cause::GuestProtocol, "the guest did not tell its kernel"));
    };
    let states = packages.states(node.family.updates.words().database);
    observation
        .readings
        .insert(Class::Package, Reading::Items(states));
    arm.emit(Event::Observed {
        role: node.plan.role.clone(),
        moment,
        observation,
    });
    Ok(Seen { packages, kernel })
}
