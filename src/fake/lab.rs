//! The fake lab in the hands of a test: what it is told to do, and what was done to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fake::faults::{Fault, Planted};
use crate::fake::script::GuestScript;
use crate::fake::state::State;
use crate::model::uri::HostUri;
use crate::port::{Capacity, LabError};
use crate::units::Mib;

/// The fake's libvirt URI.
pub const URI: &str = "fake:///lab";

/// A lab without a hypervisor.
#[derive(Clone)]
pub struct FakeLab {
    uri: Arc<HostUri>,
    state: Arc<Mutex<State>>,
}

impl Default for FakeLab {
    fn default() -> Self {
        // It is one, as every test with a fake lab shows.
        Self::at(URI.parse().expect("a URI"))
    }
}

impl FakeLab {
    /// A host of that URI.
    pub fn at(uri: HostUri) -> Self {
        let state = State {
            capacity: Some(Capacity {
                memory_free: Mib(64 * 1024),
                vcpus: 16,
                disk_free: Mib(1024 * 1024),
            }),
            ..State::default()
        };
        Self {
            uri: Arc::new(uri),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// All that it is made of.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its URI.
    pub(super) fn its_uri(&self) -> &HostUri {
        &self.uri
    }

    /// Says how the guests of a role behave.
    pub fn script(&self, role: &str, script: GuestScript) {
        self.state().scripts.insert(role.to_owned(), script);
    }

    /// Says what the host has.
    pub fn capacity_is(&self, capacity: Capacity) {
        self.state().capacity = Some(capacity);
    }

    /// Says what the host's machine is.
    pub fn machine_is(&self, machine: &[(&str, &str)]) {
        let machine = machine
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.state().machine = machine.collect();
    }

    /// Makes an operation fail from now on: `create_pool`, `place_image`, `place_file`, `create_network`, `create_outlet`,
    /// `create_filter`, `create_overlay`, `create_vm`, `machine`, `save_state`, `place_volume`, `screenshot`, `go_on` (from a saved state); or `isolate` and `can_have`, what the host may be asked for
    /// (the latter of an unusual machine).
    pub fn refuse(&self, operation: &str, error: LabError) {
        self.state().refusals.insert(operation.to_owned(), error);
    }

    /// Plants faults beside those that are planted already.
    pub fn plant(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults.into_iter().map(Planted::new));
    }

    /// Makes a host answer again that had gone away, with all that was there.
    pub fn comes_back(&self) {
        self.state().lives = None;
    }

    /// Says how long an operation copies: `place_image`, `place_volume` or `fetch_volume`.
    pub fn copies_for(&self, operation: &'static str, time: Duration) {
        self.state().copying.insert(operation, time);
    }

    /// Takes as long as an operation copies.
    pub(super) async fn copy(&self, operation: &'static str) {
        let time = self.state().copying.get(operation).copied();
        if let Some(time) = time {
            tokio::time::sleep(time).await;
        }
    }

    /// Makes every resource whose name ends in `suffix` impossible to remove.
    pub fn stick(&self, suffix: &str) {
        self.state().stuck.insert(suffix.to_owned());
    }

    /// Makes the host vanish once it has taken so many calls and commands: nothing answers any more, and what is there
    /// stays.
    pub fn dies_after(&self, taken: usize) {
        self.state().lives = Some(taken);
    }

    /// How many calls and commands of its guests it has taken.
    pub fn taken(&self) -> usize {
        self.state().taken
    }

    /// What was done that must never be done.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Every command that a guest was given, in order: its domain, and what the command is for.
    pub fn asked(&self) -> Vec<(String, String)> {
        self.state().asked.clone()
    }

    /// Every call, in order: `operation name`.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// The names of all that exists.
    pub fn present(&self) -> Vec<String> {
        let state = self.state();
        let mut names: Vec<String> = state.domains.keys().map(ToString::to_string).collect();
        names.extend(state.networks.iter().map(ToString::to_string));
        names.extend(state.filters.iter().map(ToString::to_string));
        names.extend(state.volumes.iter().map(ToString::to_string));
        names.extend(state.pools.iter().map(ToString::to_string));
        names
    }
}
