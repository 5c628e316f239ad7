//! How long a plan is expected to run, before any host is asked.

use crate::model::expected::Expected;
use crate::model::plan::{HostPlan, Plan};
use crate::model::uri::is_session;
use crate::report::plan::Prediction;
use crate::run::queue::{CellNeeds, Queue, Room};
use crate::units::Mib;

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
