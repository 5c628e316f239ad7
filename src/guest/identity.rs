//! What makes a clone itself, where it goes on from a state that others go on from too: an identity of its own, and what it
//! answers when it is asked who it is.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A node's place in the network of its cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The MAC address of its interface there.
    pub mac: String,
    /// Its own address, with the length of the prefix.
    pub address: String,
    /// Address and name of every node of the cell, itself among them.
    pub hosts: Vec<(String, String)>,
}

/// The card to its run's outlet of a node that keeps its own network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Its MAC address.
    pub mac: String,
    /// The address that the node has on it, and no other.
    pub address: Ipv4Addr,
    /// The host's address, which alone is reached over it.
    pub gateway: Ipv4Addr,
}

/// How far a clone's clock may be from the host's, which asks through an agent on a loaded host.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(15);

/// What a clone is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its machine id (machine-id(5)): 32 hexadecimal digits.
    pub machine_id: String,
    /// What its random numbers begin with beside its own: 128 hexadecimal digits, of nobody else.
    pub seed: String,
    /// The MAC addresses of its interfaces.
    pub macs: Vec<String>,
    /// Those of them that are the same in all clones, and lead to clones of the same nodes: they are not made anew.
    pub kept: Vec<String>,
}

/// What a node says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its machine id.
    pub machine_id: String,
    /// Its host name.
    pub host: String,
    /// The MAC addresses of its interfaces.
    pub macs: BTreeSet<String>,
    /// The fingerprints of its SSH host keys.
    pub ssh: BTreeSet<String>,
    /// 16 bytes of its `/dev/urandom`, hexadecimal.
    pub random: String,
    /// Its clock: milliseconds since 1970.
    pub clock_millis: u64,
}

/// Why a clone is not what it was to be, or still what it was forked from; nothing where it is itself. `now_millis` is the
/// time of the host when it answered.
pub fn fault(
    identity: &Identity,
    host: &str,
    said: &Answer,
    origin: &Answer,
    now_millis: u64,
) -> Option<String> {
    let tolerance = u64::try_from(CLOCK_TOLERANCE.as_millis()).unwrap_or(u64::MAX);
    let off = now_millis.abs_diff(said.clock_millis);
    let macs: BTreeSet<String> = identity.macs.iter().cloned().collect();
    if said.machine_id != identity.machine_id {
        Some(format!("its machine id is {}, not its own", said.machine_id))
    } else if said.host != host {
        Some(format!("its name is `{}`, not `{host}`", said.host))
    } else if said.macs != macs {
        let words = |macs: &BTreeSet<String>| macs.iter().cloned().collect::<Vec<_>>().join(", ");
        Some(format!(
            "its MAC addresses are {}, not {}",
            words(&said.macs),
            words(&macs)
        ))
    } else if said.ssh.len() != origin.ssh.len() {
        Some("it has lost SSH host keys".to_owned())
    } else if !said.ssh.is_disjoint(&origin.ssh) {
        Some("it has the SSH host keys of what it was forked from".to_owned())
    } else if said.random == origin.random {
        Some("it has the random numbers of what it was forked from".to_owned())
    } else if off > tolerance {
        Some(format!("its clock is {} s off", off / 1000))
    } else {
        None
    }
}
