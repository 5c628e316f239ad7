//! What the clones of a run began with.

use serde::Serialize;

use crate::model::event::Event;
use crate::model::id::{Arm, CellId};
use crate::model::policy::CloneMode;
use crate::report::view::Summary;
use crate::verdict::standing;

/// The nodes of one arm.
#[derive(Debug, Serialize)]
pub(super) struct Cloned<'a> {
    cell: &'a CellId,
    arm: Arm,
    clone: CloneMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Summary<'a> {
    /// What the nodes of each arm began with.
    pub(super) fn cloned(&self) -> Vec<Cloned<'a>> {
        let cloned = standing(self.records).filter_map(|record| match (record.side(), &record.event) {
            (Some((cell, arm)), Event::Cloned { clone, reason }) => Some(Cloned {
                cell,
                arm,
                clone: *clone,
                reason: reason.as_deref(),
            }),
            _ => None,
        });
        cloned.collect()
    }

    /// The same in words; nothing where the plan has all of them booted.
    pub(super) fn clones(&self) -> Option<String> {
        match self.plan.clone {
            CloneMode::Cold => return None,
            CloneMode::Warm => {}
        }
        let cloned = self.cloned();
        let cold: Vec<&Cloned<'_>> = cloned
            .iter()
            .filter(|arm| match arm.clone {
                CloneMode::Warm => false,
                CloneMode::Cold => true,
            })
            .collect();
        let warm = cloned.len() - cold.len();
        let Some(first) = cold.first() else {
            return (warm > 0).then(|| format!("clones: all {warm} arms went on from saved states"));
        };
        let why = first.reason.map(|why| format!(": {why}")).unwrap_or_default();
        Some(format!(
            "clones: {warm} arms went on from saved states, {} were booted{why}",
            cold.len()
        ))
    }
}
