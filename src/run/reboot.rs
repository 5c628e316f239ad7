//! Whether a cell reboots: its treatment arm says so, and its control arm, which must live the same, follows. A fresh pair of
//! its arms does as the first.

use tokio::sync::watch;

use crate::model::id::Arm;
use crate::model::plan::Plan;
use crate::model::policy::RebootPolicy;

#[derive(Debug, Default)]
struct Cell {
    /// Whether its treatment arm has begun.
    begun: bool,
    /// Whether both arms reboot, once it is known; it never changes then.
    reboots: Option<bool>,
}

/// What is known of every cell.
pub struct Reboots(Vec<watch::Sender<Cell>>);

/// An arm's part in the question. When a treatment arm's is dropped before it has said anything, the cell reboots.
pub struct Say<'a> {
    cell: &'a watch::Sender<Cell>,
    arm: Arm,
}

impl Reboots {
    /// Of a plan's cells.
    pub fn of(plan: &Plan) -> Self {
        let known = match plan.reboot {
            RebootPolicy::Always => Some(true),
            RebootPolicy::WhenNeeded => None,
        };
        let cell = |_| {
            watch::Sender::new(Cell {
                begun: false,
                reboots: known,
            })
        };
        Self(plan.cells.iter().map(cell).collect())
    }

    /// The part of an arm that begins; `index` is its cell's in the plan.
    pub fn say(&self, index: usize, arm: Arm) -> Say<'_> {
        let cell = &self.0[index];
        match arm {
            Arm::Treatment => cell.send_modify(|cell| cell.begun = true),
            Arm::Control => {}
        }
        Say { cell, arm }
    }
}

impl Say<'_> {
    /// Whether the cell reboots. What the treatment arm found `needed` decides, and control waits for it; where no
    /// treatment arm has begun, control does not wait for one that may be waiting for its place: the cell reboots.
    pub async fn reboots(&self, needed: bool) -> bool {
        self.cell.send_modify(|cell| match self.arm {
            Arm::Treatment => {
                cell.reboots.get_or_insert(needed);
            }
            Arm::Control if !cell.begun => {
                cell.reboots.get_or_insert(true);
            }
            Arm::Control => {}
        });
        let mut known = self.cell.subscribe();
        // The sender lives as long as this borrow of it, so that the wait has an end.
        let cell = known.wait_for(|cell| cell.reboots.is_some()).await;
        cell.ok().and_then(|cell| cell.reboots).unwrap_or(true)
    }
}

impl Drop for Say<'_> {
    fn drop(&mut self) {
        match self.arm {
            Arm::Treatment => self.cell.send_modify(|cell| {
                cell.reboots.get_or_insert(true);
            }),
            Arm::Control => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, timeout};

    use super::*;

    fn undecided() -> Reboots {
        Reboots(vec![watch::Sender::default()])
    }

    #[tokio::test(start_paused = true)]
    async fn control_waits_for_what_treatment_says() {
        for needed in [true, false] {
            let reboots = undecided();
            let treatment = reboots.say(0, Arm::Treatment);
            let control = reboots.say(0, Arm::Control);
            let early = timeout(Duration::from_secs(3600), control.reboots(false)).await;
            assert!(early.is_err(), "it has not been said");
            assert_eq!(treatment.reboots(needed).await, needed);
            assert_eq!(control.reboots(!needed).await, needed);
            drop(treatment);
            assert_eq!(control.reboots(!needed).await, needed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_treatment_that_ends_without_a_word_is_waited_for_no_more() {
        let reboots = undecided();
        let treatment = reboots.say(0, Arm::Treatment);
        let control = reboots.say(0, Arm::Control);
        let (rebooted, ()) = tokio::join!(control.reboots(false), async { drop(treatment) });
        assert!(rebooted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_control_before_its_treatment_reboots_and_so_does_the_treatment() {
        let reboots = undecided();
        assert!(reboots.say(0, Arm::Control).reboots(false).await);
        assert!(reboots.say(0, Arm::Treatment).reboots(false).await);
    }
}
