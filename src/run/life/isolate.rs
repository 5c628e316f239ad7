//! That an arm's nodes reach their update sources and nothing else.

use std::net::{SocketAddr, SocketAddrV4};

use crate::guest::probe::{self, Probe, Wire};
use crate::model::event::Event;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::port::Forbidden;
use crate::run::arm::ArmRun;
use crate::run::node::Node;
use crate::run::site::outlet::Outlet;

/// What is tried on a node: what must be out of reach, and every update source.
fn probe(
    outlet: &Outlet,
    proxy: SocketAddrV4,
    forbidden: Forbidden,
    arm: &ArmRun<'_>,
    node: &Node<'_>,
) -> Probe {
    let shown = |addresses: &[SocketAddr]| -> Vec<String> {
        let address = |at: &SocketAddr| format!("{}/{}", at.ip(), at.port());
        addresses.iter().map(address).collect()
    };
    let sources = arm.setup().plan.network.sources.iter();
    let mut places = arm.cell.nodes.iter();
    let at = places.position(|plan| plan.role == node.plan.role).unwrap_or(0);
    let mac = arm.outlet_mac(at);
    let wire = wire(arm, at);
    Probe {
        proxy: (proxy.ip().to_string(), proxy.port()),
        // A source is what is below its address, so these end in a slash.
        sources: sources
            .map(|source| format!("{}/", source.trim_end_matches('/')))
            .collect(),
        refused: forbidden.refused,
        tcp: shown(&forbidden.tcp),
        udp: shown(&forbidden.udp),
        // Whoever knows names on such a wire is a node of the cell, or found otherwise; and a host table may have this one.
        name: forbidden.name.filter(|_| wire.is_none()),
        card: outlet.address(&mac).ok().map(|address| (mac, address)),
        wire,
    }
}

/// The wire of a node that keeps its own network, with who may answer there.
fn wire(arm: &ArmRun<'_>, at: usize) -> Option<Wire> {
    let nodes = &arm.cell.nodes;
    let node = nodes.get(at).filter(|node| !node.addresses.is_given())?;
    let others = nodes.iter().enumerate().filter(|(other, _)| *other != at);
    Some(Wire {
        own: arm.wire_macs(node),
        peers: others.flat_map(|(_, other)| arm.wire_macs(other)).collect(),
    })
}

/// Shows from inside a node that every update source answers, now.
pub async fn sources_answer(outlet: &Outlet, arm: &ArmRun<'_>, node: &Node<'_>) -> Result<(), Fault> {
    let Some(proxy) = &outlet.proxy else { return Ok(()) };
    let probe = Probe {
        wire: None,
        ..probe(outlet, proxy.address(), Forbidden::default(), arm, node)
    };
    let output = node.ask(Stage::Resolve, &node.system().probe(&probe)).await?;
    match probe::judge(&probe, &output) {
        Some((cause, message)) => Err(node.fault(Stage::Resolve, cause, message)),
        None => Ok(()),
    }
}

/// Shows from inside every node that it reaches its update sources and nothing else.
pub async fn prove(outlet: &Outlet, arm: &ArmRun<'_>, nodes: &[Node<'_>]) -> Result<(), Fault> {
    let Some(proxy) = &outlet.proxy else { return Ok(()) };
    for node in nodes {
        let probe = probe(outlet, proxy.address(), proxy.forbidden(), arm, node);
        let output = node.ask(Stage::Isolate, &node.system().probe(&probe)).await?;
        let breach = proxy.breaches().into_iter().next().map(|breach| {
            (
                Cause::NotIsolated,
                format!("it must not be possible, and arrived: {breach}"),
            )
        });
        if let Some((cause, message)) = breach.or_else(|| probe::judge(&probe, &output)) {
            let mut fault = node.fault(Stage::Isolate, cause, message);
            let hint = if cause == Cause::MirrorUnreachable {
                "is the update source up, and can this host reach it?"
            } else {
                "nothing was tested on this clone, since it might have touched production; `patchgate doctor` checks the \
                 host's filters"
            };
            fault.hint = Some(hint.into());
            return Err(fault);
        }
        arm.emit(Event::Isolated {
            role: node.plan.role.clone(),
        });
    }
    Ok(())
}
