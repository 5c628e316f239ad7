//! Forking an arm before its turn.

use std::sync::Arc;

use crate::model::outcome::Fault;
use crate::model::resource::Resource;
use crate::port::VmSpec;
use crate::run::arm::ArmRun;
use crate::run::site::ahead::Forked;
use crate::run::site::saved::{Origin, Saved};
use crate::run::warm::obtain;

/// Forks an arm whose saved state is there already. What fails here is tried again by the arm, which tells of it.
pub async fn fork(arm: &ArmRun<'_>) -> Option<Forked> {
    let saved = obtain::placed(arm)?;
    let mut made = Vec::new();
    match vms(arm, saved.clone(), &mut made).await {
        Ok(specs) => Some(Forked { saved, specs, made }),
        Err(fault) => {
            tracing::debug!("{} is not forked ahead: {}", arm.plan.id, fault.message);
            arm.site.resources.remove_all(made).await;
            None
        }
    }
}

async fn vms(arm: &ArmRun<'_>, saved: Arc<Saved>, made: &mut Vec<Resource>) -> Result<Vec<VmSpec>, Fault> {
    let specs = arm.fork(&Origin::Warm(saved), made).await?;
    arm.create_all(&specs, made).await?;
    Ok(specs)
}
