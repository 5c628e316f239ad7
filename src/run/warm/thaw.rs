//! Going on from a saved state, each node with an identity of its own.

use sha2::{Digest, Sha256};

use crate::guest::identity::{self, Answer, Identity};
use crate::input::hex;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::plan::Addresses;
use crate::port::VmSpec;
use crate::run::arm::ArmRun;
use crate::run::node::{Node, fault};
use crate::run::site::saved::Saved;
use crate::units::Period;

/// How long a clone that goes on from a saved state may take to answer.
const ANSWER: Period = Period::seconds(120);

/// Lets an arm's nodes, which are paused, go on from a saved state, each with an identity of its own.
pub async fn thaw<'a>(arm: &ArmRun<'a>, saved: &Saved, specs: &[VmSpec]) -> Result<Vec<Node<'a>>, Fault> {
    let mut nodes = Vec::new();
    for (spec, plan) in specs.iter().zip(&arm.cell.nodes) {
        nodes.push(arm.node(spec, plan)?);
    }
    // None goes on before all are there: they have spoken to each other.
    for node in &nodes {
        let resumed = arm.site.host.resume(&node.domain).await;
        resumed.map_err(|error| fault(Stage::Boot, Some(&node.plan.role), error))?;
    }
    for node in &nodes {
        node.ready(Stage::Boot, ANSWER.min(arm.cell.deadlines.boot), None)
            .await?;
    }
    for (at, ((node, spec), from)) in nodes.iter().zip(specs).zip(&saved.nodes).enumerate() {
        renew(arm, at, node, spec, &from.who).await?;
    }
    for node in &nodes {
        if let Some(fault) = node.await_ready(Stage::Boot).await? {
            return Err(node.shown(fault).await);
        }
    }
    Ok(nodes)
}

/// Gives a node an identity of its own, and looks whether it has it.
async fn renew(
    arm: &ArmRun<'_>,
    at: usize,
    node: &Node<'_>,
    spec: &VmSpec,
    origin: &Answer,
) -> Result<(), Fault> {
    let own = |what: &str| {
        hex(&Sha256::digest(format!(
            "{what} {} {}",
            spec.name,
            uuid::Uuid::new_v4()
        )))
    };
    let identity = Identity {
        machine_id: own("machine id")[..32].to_owned(),
        seed: own("seed") + &own("more of it"),
        macs: spec.nics.iter().map(|nic| nic.mac.clone()).collect(),
        kept: match node.plan.addresses {
            Addresses::Given => Vec::new(),
            Addresses::Kept { .. } => arm.wire_macs(node.plan),
        },
    };
    let host = match node.plan.addresses {
        Addresses::Given => &node.plan.host,
        Addresses::Kept { .. } => &origin.host,
    };
    let now = || u64::try_from((arm.setup().now)().as_millisecond()).unwrap_or(0);
    node.ask(Stage::Boot, &node.system().renew(&identity, now()))
        .await?;
    arm.identify(Stage::Boot, at, node).await?;
    let answer = node.ask(Stage::Boot, &node.system().who()).await?;
    let said = node.system().parse_who(&answer);
    let said = said.map_err(|error| node.garbled(Stage::Boot, &error))?;
    let wrong = identity::fault(&identity, host, &said, origin, now());
    let twice = || {
        let unique = arm.site.warm.is_unique(&said);
        (!unique).then(|| "it has the machine id, keys or random numbers of another clone".to_owned())
    };
    match wrong.or_else(twice) {
        None => Ok(()),
        Some(why) => {
            let message = format!("a warm clone has no identity of its own: {why}");
            Err(node.fault(Stage::Boot, Cause::GuestProtocol, message))
        }
    }
}
