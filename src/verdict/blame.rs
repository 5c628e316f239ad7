//! What of an arm's end may be the updates' doing. Pure.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::model::outcome::{Cause, Fault, Stage};
use crate::verdict::suspect::Closing;

/// What is made of a fault of the treatment arm where control came through the same window, if the updates may have done it.
pub(super) fn by_updates(fault: &Fault) -> Option<Closing> {
    let install = || Closing::Install {
        role: fault.role.clone(),
    };
    let lost = || Closing::Lost {
        role: fault.role.clone(),
    };
    match fault.cause {
        Cause::UpdateFailed | Cause::SetNotInstalled => Some(install()),
        Cause::Deadline if fault.stage == Stage::Apply => Some(install()),
        // Its clone has as much room as control's, which came through.
        Cause::GuestDisk if fault.stage >= Stage::Apply => Some(install()),
        // The guest itself went away, after the updates began.
        Cause::BootBroken
        | Cause::AgentSilent
        | Cause::AgentLost
        | Cause::AgentForbids
        | Cause::RebootTimeout
        | Cause::GuestStopped
        | Cause::GuestProtocol
        | Cause::Deadline
            if fault.stage >= Stage::Apply =>
        {
            Some(lost())
        }
        Cause::BootBroken
        | Cause::AgentSilent
        | Cause::AgentLost
        | Cause::AgentForbids
        | Cause::RebootTimeout
        | Cause::GuestStopped
        | Cause::GuestProtocol
        | Cause::Deadline
        | Cause::BrokenBefore
        | Cause::VmKilled
        | Cause::HostMemory
        | Cause::HostDisk
        | Cause::GuestDisk
        | Cause::GuestHook
        | Cause::GuestBusy
        | Cause::HostBusy
        | Cause::HostLost
        | Cause::HostRefused
        | Cause::NotIsolated
        | Cause::ImageDamaged
        | Cause::MirrorUnreachable
        | Cause::SourcesChanged
        | Cause::ResolveFailed
        | Cause::NoUpdates
        | Cause::SeedFailed
        | Cause::ScenarioInvalid
        | Cause::NotMeasured
        | Cause::NotConfirmed
        | Cause::Interrupted
        | Cause::Internal => None,
    }
}

/// Whether a single sight of it can be proof, where the plan confirms nothing: of an arm that went silent it is none.
pub(super) fn is_proof(fault: &Fault) -> bool {
    matches!(
        fault.cause,
        Cause::UpdateFailed | Cause::SetNotInstalled | Cause::BootBroken
    )
}
