//! Names of what a run makes: all begin with `pg-` and the run's id, and fit libvirt's limits.

use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use crate::model::id::{ArmKind, CellId, RunId};
use crate::model::name::{DomainName, FilterName, NameError, NetworkName, PoolName, VolumeName};
use crate::model::plan::{Addresses, CellPlan, NodePlan};

/// Nodes of a cell that have MAC addresses of their own.
const NODES: usize = 256;

/// Tries of a cell that have MAC addresses of their own: one that is lost with its host, and the most that confirm.
const TRIES: usize = 8;

/// The network of every cell, 10.214.0.0; no host has an address in it.
const CELL: u32 = 0x0ad6_0000;

/// The length of that network's prefix.
pub const CELL_PREFIX: u8 = 16;

/// The run's storage pool.
pub fn pool(run: &RunId) -> PoolName {
    PoolName::of_run(run)
}

/// The volume of a sealed image's disk of that place in the run's pool.
pub fn base(image: &str, at: usize) -> Result<VolumeName, NameError> {
    VolumeName::new(format!("{}.base{}", image.replace('+', "-"), qcow2(at)))
}

/// The volume of the firmware's variables that an image was installed with.
pub fn base_nvram(image: &str) -> Result<VolumeName, NameError> {
    VolumeName::new(format!("{}.base.fd", image.replace('+', "-")))
}

/// The ending of a disk's name; no role and no image is called so that two disks could have one name.
pub fn qcow2(at: usize) -> String {
    match at {
        0 => ".qcow2".to_owned(),
        at => format!(".{at}.qcow2"),
    }
}

/// What an arm's own things are called after. What another try of its cell left may still be there.
pub fn arm(run: &RunId, cell: usize, arm: ArmKind, nth_try: u32) -> String {
    match nth_try {
        1 => format!("pg-{run}-{cell}-{arm}"),
        nth => format!("pg-{run}-{cell}-{arm}{nth}"),
    }
}

/// What the things are called after that a set of nodes is booted with to be saved.
pub fn template(run: &RunId, set: &str) -> String {
    format!("pg-{run}-warm-{set}")
}

/// The network between an arm's nodes.
pub fn network(arm_name: &str) -> Result<NetworkName, NameError> {
    NetworkName::new(arm_name)
}

/// A node's domain.
pub fn domain(arm_name: &str, role: &str) -> Result<DomainName, NameError> {
    DomainName::new(format!("{arm_name}-{role}"))
}

/// A node's overlay of its disk of that place in the run's pool.
pub fn overlay(domain: &DomainName, at: usize) -> Result<VolumeName, NameError> {
    VolumeName::new(format!("{domain}{}", qcow2(at)))
}

/// The variables of a node's firmware in the run's pool.
pub fn nvram(domain: &DomainName) -> Result<VolumeName, NameError> {
    VolumeName::new(format!("{domain}.fd"))
}

/// The network that all clones of a run share.
pub fn outlet(run: &RunId) -> Result<NetworkName, NameError> {
    NetworkName::new(format!("pg-{run}-out"))
}

/// The filter on the clones' interfaces to it.
pub fn filter(run: &RunId) -> FilterName {
    FilterName::of_run(run)
}

/// A node's MAC address in its cell: the same in both arms, which are never on one network; of QEMU's own prefix.
pub fn mac(run: &RunId, cell: &CellId, role: &str) -> String {
    let hash = Sha256::digest(format!("{run}/{cell}/{role}"));
    format!("52:54:00:{:02x}:{:02x}:{:02x}", hash[0], hash[1], hash[2])
}

/// The MAC addresses of a node's cards on its arm's wire: those that it keeps, where its image tells them, or [`mac`].
pub fn wire_macs(run: &RunId, cell: &CellId, node: &NodePlan) -> Vec<String> {
    match &node.addresses {
        Addresses::Kept { macs } if !macs.is_empty() => macs.clone(),
        Addresses::Kept { .. } | Addresses::Given => vec![mac(run, cell, &node.role)],
    }
}

/// A node's MAC address on the run's outlet, where all clones meet: counted, so that no two are alike.
pub fn outlet_mac(cell: usize, arm: ArmKind, nth_try: u32, node: usize) -> String {
    const KINDS: usize = 4;
    let arm = match arm {
        ArmKind::Control => 0,
        ArmKind::Treatment => 1,
        ArmKind::Trial => 2,
        ArmKind::Warm => 3,
    };
    let nth = usize::try_from(nth_try.saturating_sub(1)).unwrap_or(0) % TRIES;
    let number = (((cell * TRIES + nth) * KINDS + arm) * NODES + node) % (1 << 24);
    format!(
        "52:54:00:{:02x}:{:02x}:{:02x}",
        number >> 16,
        (number >> 8) & 0xff,
        number & 0xff
    )
}

/// The MAC addresses that nodes of these cells may have on an outlet, whatever their arm, in so many tries of each.
pub fn outlet_macs(cells: &[CellPlan], tries: u32) -> Vec<String> {
    const KINDS: [ArmKind; 4] = [
        ArmKind::Control,
        ArmKind::Treatment,
        ArmKind::Warm,
        // There is one try of it.
        ArmKind::Trial,
    ];
    let kinds = (1..=tries).flat_map(|nth| {
        let kinds = if nth == 1 { &KINDS[..] } else { &KINDS[..3] };
        kinds.iter().map(move |&kind| (nth, kind))
    });
    let kinds: Vec<_> = kinds.collect();
    let of_cell = |(index, cell): (usize, &CellPlan)| {
        let nodes = cell.nodes.len();
        let of_kind =
            move |&(nth, kind): &(u32, ArmKind)| (0..nodes).map(move |at| outlet_mac(index, kind, nth, at));
        kinds.iter().flat_map(of_kind).collect::<Vec<_>>()
    };
    cells.iter().enumerate().flat_map(of_cell).collect()
}

/// A node's address in its cell: the same in both arms and in every clone.
pub fn address(node: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(CELL + 10 + u32::try_from(node).unwrap_or(0))
}

/// Address and name of every node of a cell.
pub fn hosts(cell: &CellPlan) -> Vec<(String, String)> {
    let nodes = cell.nodes.iter().enumerate();
    nodes
        .map(|(at, node)| (address(at).to_string(), node.host.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_run_cell_arm_and_role() {
        let run: RunId = "20261123-140912-7c1f".parse().expect("id");
        assert_eq!(
            arm(&run, 3, ArmKind::Treatment, 2),
            "pg-20261123-140912-7c1f-3-treatment2"
        );
        let arm_name = arm(&run, 3, ArmKind::Treatment, 1);
        assert_eq!(
            domain(&arm_name, "web").expect("a name").as_str(),
            "pg-20261123-140912-7c1f-3-treatment-web"
        );
        assert_eq!(
            [0, 1].map(|at| base("debian-12+web", at).expect("a name").to_string()),
            ["debian-12-web.base.qcow2", "debian-12-web.base.1.qcow2"]
        );
        let cell = CellId::new("web", "debian-12");
        assert_eq!(mac(&run, &cell, "web"), mac(&run, &cell, "web"));
        assert_ne!(mac(&run, &cell, "web"), mac(&run, &cell, "app"));
        assert_eq!(address(1).to_string(), "10.214.0.11");
        let kinds = [
            ArmKind::Control,
            ArmKind::Treatment,
            ArmKind::Trial,
            ArmKind::Warm,
        ];
        let macs: std::collections::BTreeSet<String> = (0..20)
            .flat_map(|cell| kinds.map(move |arm| (cell, arm)))
            .flat_map(|(cell, arm)| (1..3).map(move |nth| (cell, arm, nth)))
            .flat_map(|(cell, arm, nth)| (0..3).map(move |node| outlet_mac(cell, arm, nth, node)))
            .collect();
        assert_eq!(macs.len(), 480);
    }
}
