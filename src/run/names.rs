//! Names of what a run makes: all begin with `pg-` and the run's id, and fit libvirt's limits.

use sha2::{Digest, Sha256};

use crate::event::RunId;
use crate::outcome::Arm;
use crate::plan::model::CellId;

/// The run's storage pool.
pub fn pool(run: &RunId) -> String {
    format!("pg-{run}")
}

/// The volume of a sealed image in the run's pool.
pub fn base(image: &str) -> String {
    format!("{}.base.qcow2", image.replace('+', "-"))
}

/// What an arm's own things are called after.
pub fn arm(run: &RunId, cell: usize, arm: Arm) -> String {
    format!("pg-{run}-{cell}-{arm}")
}

/// A node's domain.
pub fn domain(arm_name: &str, role: &str) -> String {
    format!("{arm_name}-{role}")
}

/// A node's overlay in the run's pool.
pub fn overlay(domain: &str) -> String {
    format!("{domain}.qcow2")
}

/// A node's MAC address: the same in both arms, which are never on one network; of QEMU's own prefix.
pub fn mac(run: &RunId, cell: &CellId, role: &str) -> String {
    let hash = Sha256::digest(format!("{run}/{cell}/{role}"));
    format!("52:54:00:{:02x}:{:02x}:{:02x}", hash[0], hash[1], hash[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_run_cell_arm_and_role() {
        let run: RunId = "20261123-140912-7c1f".parse().expect("id");
        let arm_name = arm(&run, 3, Arm::Treatment);
        assert_eq!(
            domain(&arm_name, "web"),
            "pg-20261123-140912-7c1f-3-treatment-web"
        );
        assert_eq!(base("debian-12+web"), "debian-12-web.base.qcow2");
        let cell = CellId::new("web", "debian-12");
        assert_eq!(mac(&run, &cell, "web"), mac(&run, &cell, "web"));
        assert_ne!(mac(&run, &cell, "web"), mac(&run, &cell, "app"));
    }
}
