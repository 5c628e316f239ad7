//! That an arm's nodes reach their update sources and nothing else.

use std::net::{SocketAddr, SocketAddrV4};

use crate::guest::probe::{self, Probe};
use crate::model::event::Event;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::port::Forbidden;
use crate::run::arm::ArmRun;
use crate::run::node::Node;
use crate::run::site::outlet::Outlet;

/// What is tried through a proxy: what must be out of reach, and every update source.
fn probe(proxy: SocketAddrV4, forbidden: Forbidden, arm: &ArmRun<'_>) -> Probe {
    let shown = |addresses: &[SocketAddr]| -> Vec<String> {
        let address = |at: &SocketAddr| format!("{}/{}", at.ip(), at.port());
        addresses.iter().map(address).collect()
    };
    let sources = arm.setup().plan.network.sources.iter();
    Probe {
        proxy: (proxy.ip().to_string(), proxy.port()),
        // A source is what is below its address, so these end in a slash.
        sources: sources
            .map(|source| format!("{}/", source.trim_end_matches('/')))
            .collect(),
        refused: forbidden.refused,
        tcp: shown(&forbidden.tcp),
        udp: shown(&forbidden.udp),
        name: forbidden.name,
    }
}

/// Shows from inside a node that every update source answers, now.
pub async fn sources_answer(outlet: &Outlet, arm: &ArmRun<'_>, node: &Node<'_>) -> Result<(), Fault> {
    let Some(proxy) = &outlet.proxy else { return Ok(()) };
    let probe = probe(proxy.address(), Forbidden::default(), arm);
    let output = node.ask(Stage::Resolve, &node.system().probe(&probe)).await?;
    match probe::judge(&probe, &output) {
        Some((cause, message)) => Err(node.fault(Stage::Resolve, cause, message)),
        None => Ok(()),
    }
}

/// Shows from inside every node that it reaches its update sources and nothing else.
pub async fn prove(outlet: &Outlet, arm: &ArmRun<'_>, nodes: &[Node<'_>]) -> Result<(), Fault> {
    let Some(proxy) = &outlet.proxy else { return Ok(()) };
    let probe = probe(proxy.address(), proxy.forbidden(), arm);
    for node in nodes {
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
