//! The first look at a node: what its agent is and may do, and what the guest says of itself. Nothing of it is changed but for a
//! file in memory, which is removed again.

use sha2::{Digest, Sha256};

use crate::input::hex;
use crate::model::event::Event;
use crate::model::facts::{AgentFacts, Facts, SystemFacts};
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::resource::Resource;
use crate::run::arm::ArmRun;
use crate::run::node::Node;
use crate::run::site::saved::Origin;

/// What a run cannot do without.
const NEEDED: [&str; 2] = ["guest-exec", "guest-exec-status"];
/// What is put into the guest to see that it arrives.
const TRIAL: &[u8] = b"patchgate looks whether a file arrives\n";

/// Boots the nodes of an arm, and asks each what it is.
pub async fn look(arm: &ArmRun<'_>, made: &mut Vec<Resource>) -> Result<(), Fault> {
    let specs = arm
        .stage(Stage::Clone, arm.fork(&Origin::Cold(None), made))
        .await?;
    arm.stage(Stage::Boot, arm.create_all(&specs, made)).await?;
    arm.stage(Stage::Prove, async {
        for (spec, plan) in specs.iter().zip(&arm.cell.nodes) {
            let node = arm.node(spec, plan)?;
            let facts = Box::new(ask(arm, &node).await?);
            let role = plan.role.clone();
            arm.emit(Event::Asked { role, facts });
        }
        Ok(())
    })
    .await
}

async fn ask(arm: &ArmRun<'_>, node: &Node<'_>) -> Result<Facts, Fault> {
    let boot = arm.cell.deadlines.boot;
    let about = node.about(Stage::Boot, boot).await?;
    let mut agent = AgentFacts {
        version: about.version,
        commands: about.commands,
        trial: None,
    };
    if !NEEDED.iter().all(|command| agent.allows(command)) {
        return Ok(Facts { agent, system: None });
    }
    let asked = async {
        // An agent that runs nothing though it is allowed to would be waited for to no end.
        node.reread_boot_id(Stage::Boot).await?;
        node.ready(Stage::Boot, boot, None).await?;
        system(node).await
    };
    let system = match asked.await {
        Ok(system) => Some(system),
        Err(fault) if is_of_the_agent(&fault) => {
            agent.trial = Some(fault.message);
            return Ok(Facts { agent, system: None });
        }
        Err(fault) => return Err(fault),
    };
    agent.trial = match put(node).await {
        Ok(()) => None,
        Err(fault) if is_of_the_agent(&fault) => Some(fault.message),
        Err(fault) => return Err(fault),
    };
    Ok(Facts { agent, system })
}

/// Whether a fault tells what the agent does not do, and not that there is none.
fn is_of_the_agent(fault: &Fault) -> bool {
    matches!(fault.cause, Cause::GuestProtocol | Cause::AgentForbids)
}

async fn system(node: &Node<'_>) -> Result<SystemFacts, Fault> {
    let answer = node.ask(Stage::Prove, &node.system().look()).await?;
    let said = node.system().parse_look(&answer);
    said.map_err(|error| node.garbled(Stage::Prove, &error))
}

/// Puts a file into the guest and removes it again, as a run does with a department's.
async fn put(node: &Node<'_>) -> Result<(), Fault> {
    let system = node.system();
    let digest = hex(&Sha256::digest(TRIAL));
    let path = system.place("look", &digest);
    for piece in system.put(&path, TRIAL) {
        node.ask(Stage::Prove, &piece).await?;
    }
    let arrived = node.ask(Stage::Prove, &system.check(&path)).await?;
    node.ask(Stage::Prove, &system.remove(&path)).await?;
    if system.is_whole(&arrived, &digest) {
        return Ok(());
    }
    let message = "a file did not arrive whole in the guest";
    Err(node.fault(Stage::Prove, Cause::GuestProtocol, message))
}
