//! The judgement on a node: whether it ended with exactly its pinned set. Pure.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::model::id::Arm;
use crate::model::plan::{CellPlan, Plan};
use crate::model::policy::RebootPolicy;
use crate::model::update::{Proof, Unrehearsed, UpdateSet};
use crate::verdict::drift;
use crate::verdict::model::{NodeJudgement, NodeState};
use crate::verdict::seen::Seen;

/// Judges a node of a cell by what was seen of it.
pub(super) fn judge(plan: &Plan, cell: &CellPlan, role: &str, seen: &Seen<'_>) -> NodeJudgement {
    let node = seen.node(&cell.id, role);
    let set = node.and_then(|node| node.sets.first().copied());
    let contradicts = node.is_some_and(|node| {
        node.resolved_in_control
            || node.sets.iter().any(|&other| Some(other) != set)
            || node
                .sets
                .iter()
                .any(|set| UpdateSet::pin(set.updates.clone()) != **set)
    });
    let rest = node.map_or(&[][..], |node| node.rest);
    let advised = node.and_then(|node| node.advised);
    let proofs = node.map_or(&[][..], |node| &node.proofs);
    let differs = |proof: &Proof| !proof.is_exact();
    let worst = |rank: &&&Proof| u8::from(!rank.holds()) + 2 * u8::from(differs(rank));
    let proof = proofs.iter().max_by_key(worst).copied();
    let spared = is_spared(plan, cell, seen);
    let state = match (set, proof) {
        (_, Some(proof)) if differs(proof) => NodeState::Differs,
        (None, _) => NodeState::NotResolved,
        (Some(_), _) if contradicts => NodeState::SetDamaged,
        (Some(set), _) if set.is_empty() && plan.updates.expect_updates => NodeState::NothingPending,
        (Some(_), _) if keeps_back(plan, rest) => NodeState::KeptBack,
        (Some(_), None) => NodeState::NotProved,
        (Some(_), Some(proof)) if proof.holds() || spared => NodeState::Proved,
        (Some(_), Some(_)) => NodeState::NotRebooted,
    };
    NodeJudgement {
        role: role.to_owned(),
        set: set.cloned(),
        rest: rest.to_vec(),
        advisories: advised.map_or_else(Vec::new, |(advisories, _)| advisories.to_vec()),
        advisories_unread: advised.and_then(|(_, problem)| problem.map(str::to_owned)),
        lists: node.and_then(|node| node.lists),
        proof: proof.cloned(),
        reboot_needed: node.and_then(|node| node.reboot_needed.map(str::to_owned)),
        state,
        reboot_spared: spared && state == NodeState::Proved && proof.is_some_and(|proof| !proof.boot_changed),
        drift: drift::judge(
            plan.drift_of(cell),
            node.map(|node| &node.looks),
            set,
            cell.soak.look,
        ),
    }
}

/// Whether something is kept back on a node, and the policy lets that undecide.
fn keeps_back(plan: &Plan, rest: &[Unrehearsed]) -> bool {
    !plan.updates.kept_back.is_note() && rest.iter().any(|one| one.why.is_kept_back())
}

/// Whether nodes of a cell need not have been rebooted: the plan lets that be, the run says that it spared them, every
/// node of the treatment arm said that its updates need no reboot, no set has a kernel, and control was spared too.
fn is_spared(plan: &Plan, cell: &CellPlan, seen: &Seen<'_>) -> bool {
    match plan.reboot {
        RebootPolicy::Always => return false,
        RebootPolicy::WhenNeeded => {}
    }
    let skipped = |arm| seen.arm(&cell.id, arm).is_some_and(|seen| seen.reboot_skipped);
    Arm::BOTH.into_iter().all(skipped)
        && cell.nodes.iter().all(|node| {
            seen.node(&cell.id, &node.role).is_some_and(|node| {
                node.reboot_weighed
                    && node.reboot_needed.is_none()
                    && !node.rebooted_in_control
                    && !node.sets.iter().any(|set| set.has_kernel())
            })
        })
}
