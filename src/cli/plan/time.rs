//! How long a plan is expected to run, before any host is asked.

use std::time::Duration;

use serde::Serialize;

use crate::input::words::count;
use crate::model::expected::Expected;
use crate::model::plan::{HostPlan, Plan};
use crate::model::uri::is_session;
use crate::report::length;
use crate::run::queue::{CellNeeds, Queue, Room};
use crate::units::Mib;

/// What is expected of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// How long it runs, in seconds; nothing where no cell is known, or the hosts cannot hold it.
    pub seconds: Option<u64>,
    /// How many cells ran to their end before, in this lab.
    pub known_cells: usize,
    /// How many cells there are.
    pub cells: usize,
    /// Whether every host's budget stands in the lab file. Where one does not, as much as is wanted is taken to be free
    /// there, and the run may take longer.
    pub budgets_known: bool,
}

/// Predicts from what is known of the cells, and from the hosts' budgets as far as the lab file gives them.
pub fn predict(plan: &Plan, expected: &Expected) -> Prediction {
    let needs = plan.cells.iter().map(|cell| {
        // What images take is known once the hosts are.
        CellNeeds::of(plan, cell, |_| Mib(0), |arm| expected.of(&cell.id, arm))
    });
    let room = |host: &HostPlan| Room::promised(host, !is_session(&host.uri));
    let rooms: Vec<Room> = plan.hosts.iter().map(room).collect();
    let known_cells = expected.known(plan);
    let time = Queue::new(needs.collect(), &rooms, usize::MAX).predict();
    Prediction {
        seconds: time.filter(|_| known_cells > 0).map(|time| time.as_secs()),
        known_cells,
        cells: plan.cells.len(),
        budgets_known: plan
            .hosts
            .iter()
            .all(|host| host.memory.is_some() && host.vcpus.is_some()),
    }
}

/// A predicted time in words, and what it rests on.
pub fn words(time: Duration, known: usize, cells: usize) -> String {
    let basis = if known == cells {
        "as the last runs took".to_owned()
    } else {
        format!("by the last runs of {known} of {}", count(cells, "cell"))
    };
    format!("about {}, {basis}", length(time))
}

impl Prediction {
    /// In words.
    pub fn text(&self) -> String {
        match self.seconds {
            _ if self.known_cells == 0 => "not known yet: none of these cells ever ran to its end".to_owned(),
            None => "not known: no host can hold every cell".to_owned(),
            Some(seconds) => {
                let text = words(Duration::from_secs(seconds), self.known_cells, self.cells);
                if self.budgets_known {
                    text
                } else {
                    format!("{text}; longer where the hosts have not room for all arms at once")
                }
            }
        }
    }
}
