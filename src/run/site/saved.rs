//! The saved states that a run has on a host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::guest::identity::Answer;
use crate::model::name::{NameError, VolumeName};
use crate::port::Power;
use crate::run::names;

/// A set's saved state, made by whoever asks first, or why there is none.
pub type Slot = OnceCell<Result<Arc<Saved>, String>>;

/// What a site has of saved states.
#[derive(Default)]
pub struct Warm {
    /// What a state can only be used with there, or why none can be saved.
    pub machine: OnceCell<Result<BTreeMap<String, String>, String>>,
    sets: Mutex<BTreeMap<String, Arc<Slot>>>,
    /// Machine ids, random numbers and keys of all clones; no two may have the same.
    known: Mutex<BTreeSet<String>>,
    /// What is being kept for later runs.
    pub keeping: Mutex<JoinSet<()>>,
}

/// The saved nodes of a cell, in volumes of the run's pool.
pub struct Saved {
    /// In the order of the cell's nodes.
    pub nodes: Vec<SavedNode>,
    /// Why nothing goes on from them any more.
    given_up: OnceLock<String>,
}

/// One of them.
pub struct SavedNode {
    /// Its volumes.
    pub files: Files,
    /// Who it was when it was saved.
    pub who: Answer,
}

/// The names of a saved node's volumes.
#[derive(Clone)]
pub struct Files {
    /// Its disks', in their order.
    pub disks: Vec<VolumeName>,
    /// Its memory's.
    pub ram: VolumeName,
    /// That of all the rest.
    pub state: VolumeName,
}

impl Files {
    /// Those of a node with so many disks of the state of that name.
    pub fn of(set: &str, at: usize, disks: usize) -> Result<Self, NameError> {
        let name = |ending: &str| VolumeName::new(format!("warm-{set}-{at}{ending}"));
        let disks = (0..disks).map(|disk| name(&names::qcow2(disk)));
        Ok(Self {
            disks: disks.collect::<Result<_, _>>()?,
            ram: name(".ram")?,
            state: name(".state")?,
        })
    }
}

/// What the nodes of an arm begin with.
pub enum Origin {
    /// Their sealed images; with the reason, where it should have been a saved state.
    Cold(Option<String>),
    /// A saved state.
    Warm(Arc<Saved>),
    /// Their sealed images, so that they can be saved as the state of that name.
    Savable(String),
}

impl Origin {
    /// How an arm's node begins, and the volumes that its disks are forked from; nothing where those are its image's.
    pub fn of_node(&self, at: usize) -> Result<(Power, Option<&[VolumeName]>), NameError> {
        Ok(match self {
            Self::Cold(_) => (Power::On, None),
            Self::Savable(set) => {
                let ram = Files::of(set, at, 0)?.ram;
                (Power::Savable { ram }, None)
            }
            Self::Warm(saved) => {
                let files = &saved.nodes[at].files;
                let power = Power::Saved {
                    ram: files.ram.clone(),
                    state: files.state.clone(),
                };
                (power, Some(&files.disks))
            }
        })
    }
}

impl Warm {
    /// Waits until what was saved is kept for later runs.
    pub async fn settle(&self) {
        let mut keeping = std::mem::take(&mut *self.keeping.lock().unwrap_or_else(PoisonError::into_inner));
        while keeping.join_next().await.is_some() {}
    }

    /// The state of a set, or the place for it.
    pub fn slot(&self, set: &str) -> Arc<Slot> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.entry(set.to_owned()).or_default().clone()
    }

    /// Takes note of what only one clone may have; false where another one has it.
    pub fn is_unique(&self, said: &Answer) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let own = [&said.machine_id, &said.random].into_iter().chain(&said.ssh);
        // Every one of them is noted, whatever came of the others.
        let new: Vec<bool> = own.map(|own| known.insert(own.clone())).collect();
        !new.contains(&false)
    }
}

impl Saved {
    /// A saved state of nodes.
    pub fn of(nodes: Vec<SavedNode>) -> Self {
        Self {
            nodes,
            given_up: OnceLock::new(),
        }
    }

    /// Lets nothing go on from it any more.
    pub fn give_up(&self, why: &str) {
        // The first reason is the one that is told.
        let _ = self.given_up.set(why.to_owned());
    }

    /// Why nothing goes on from it any more, where that is so.
    pub fn given_up(&self) -> Option<&str> {
        self.given_up.get().map(String::as_str)
    }
}
