//! What an arm is to do, with every choice made. Each kind of arm is a value of one type, and all live through the same
//! stages.

use std::collections::BTreeMap;

use crate::model::id::{Arm, ArmId, ArmKind};
use crate::model::plan::{CellPlan, Plan};
use crate::model::policy::CloneMode;
use crate::model::update::UpdateSet;

/// An arm's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmPlan {
    /// Which arm.
    pub id: ArmId,
    /// What its nodes are forked from.
    pub origin: CloneMode,
    /// What is installed.
    pub applies: Applies,
    /// Whether its nodes reboot after that.
    pub reboots: Reboot,
    /// The scenarios that it runs, by name and in order: their steps before the updates, and those after the reboot.
    pub runs: Vec<String>,
    /// Whether its nodes are asked, as they boot, what they are, and nothing else is done to them.
    pub asks: bool,
    /// Whether its nodes are looked at, before the updates and after the reboot, and proved to have what it applies. An arm
    /// that is not looked at is over where no scenario is left to run.
    pub looks: bool,
    /// What becomes of its nodes.
    pub ends: Ends,
}

/// What an arm installs on its nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applies {
    /// Nothing.
    Nothing,
    /// The pending updates that the plan's policy asks for.
    Policy,
    /// Exactly these sets, by the node's role; nothing is resolved. A node that has none gets nothing.
    Pinned(BTreeMap<String, UpdateSet>),
}

/// When an arm's nodes reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboot {
    /// They do not.
    Never,
    /// They do.
    Always,
    /// As the two sides of its cell agree, of which it is this one.
    Agreed(Arm),
}

/// What becomes of an arm's nodes. An interrupt removes them in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ends {
    /// They are removed.
    Removed,
    /// They are left running where the arm failed.
    KeptOnFault,
    /// They are left running.
    Kept,
    /// As soon as they are up they are saved together, as the state of that name, and removed.
    Saved(String),
}

impl ArmPlan {
    /// A side of the comparison.
    pub fn side(plan: &Plan, cell: &CellPlan, arm: Arm, nth_try: u32, keep_failed: bool) -> Self {
        Self {
            id: ArmId {
                nth_try,
                ..ArmId::first(&cell.id, arm)
            },
            origin: plan.clone,
            applies: match arm {
                Arm::Control => Applies::Nothing,
                Arm::Treatment => Applies::Policy,
            },
            reboots: Reboot::Agreed(arm),
            runs: cell.scenarios.clone(),
            asks: false,
            looks: true,
            ends: if keep_failed {
                Ends::KeptOnFault
            } else {
                Ends::Removed
            },
        }
    }

    /// A try of the cell's scenarios, without updates.
    pub fn trial(plan: &Plan, cell: &CellPlan, reboot: bool, keep: bool) -> Self {
        Self {
            id: ArmId::first(&cell.id, ArmKind::Trial),
            origin: plan.clone,
            applies: Applies::Nothing,
            reboots: if reboot { Reboot::Always } else { Reboot::Never },
            runs: cell.scenarios.clone(),
            asks: false,
            looks: false,
            ends: if keep { Ends::Kept } else { Ends::Removed },
        }
    }

    /// The preparation of a cell's saved state, named `set`.
    pub fn preparation(cell: &CellPlan, nth_try: u32, set: &str) -> Self {
        Self {
            id: ArmId {
                nth_try,
                ..ArmId::first(&cell.id, ArmKind::Warm)
            },
            origin: CloneMode::Cold,
            applies: Applies::Nothing,
            reboots: Reboot::Never,
            runs: Vec::new(),
            asks: false,
            looks: false,
            ends: Ends::Saved(set.to_owned()),
        }
    }

    /// The first look at the images of a cell's nodes.
    pub fn first_look(cell: &CellPlan) -> Self {
        Self {
            id: ArmId::first(&cell.id, ArmKind::Trial),
            origin: CloneMode::Cold,
            applies: Applies::Nothing,
            reboots: Reboot::Never,
            runs: Vec::new(),
            asks: true,
            looks: false,
            ends: Ends::Removed,
        }
    }

    /// Whether it tells of itself. The preparation of a saved state is a stage of the arm that waits for it, which tells of
    /// that.
    pub fn is_told(&self) -> bool {
        match self.ends {
            Ends::Saved(_) => false,
            Ends::Removed | Ends::KeptOnFault | Ends::Kept => true,
        }
    }

    /// Whether its nodes are left running; `whole` where it came to its end in order.
    pub fn keeps(&self, whole: bool) -> bool {
        match self.ends {
            Ends::Removed | Ends::Saved(_) => false,
            Ends::KeptOnFault => !whole,
            Ends::Kept => true,
        }
    }
}
