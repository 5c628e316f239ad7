//! The first look at a sealed image: one clone of it is booted, cut off from everything, and asked what it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::guest::families::Families;
use crate::guest::look::{NO_AGENT, NO_LOADER};
use crate::host::proxy::SquidLauncher;
use crate::image::catalogue::Store;
use crate::image::machine;
use crate::image::manifest::Sealed;
use crate::measure::Performance;
use crate::model::drift::DriftPolicy;
use crate::model::event::Event;
use crate::model::facts::{Facts, Release};
use crate::model::hardware::Wishes;
use crate::model::id::{CellId, RunId};
use crate::model::outcome::{Cause, Fault};
use crate::model::plan::{Addresses, CellPlan, HostPlan, ImagePin, NodePlan, Plan};
use crate::model::policy::{
    CloneMode, Confirm, Deadlines, KeptBack, NetworkMode, NetworkPolicy, RebootPolicy, Soak, UpdateMode,
    UpdatePolicy,
};
use crate::port::LabError;
use crate::record::journal::Loaded;
use crate::secret::Secrets;
use crate::session::inputs::{InputError, Kit};
use crate::session::outcome::screens;
use crate::units::{Mib, Period};

/// The role of the one node.
const ROLE: &str = "node";

/// How a clone is made for a look.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Where.
    pub host: HostPlan,
    /// With how much memory.
    pub memory: Mib,
    /// With how many vCPUs.
    pub vcpus: u32,
    /// How long it may take from power-on to the agent's first answer.
    pub boot: Period,
    /// The addresses that it reaches through the proxy; none for a look.
    pub sources: Vec<String>,
    /// What a lab file says of its hardware.
    pub hardware: Wishes,
}

/// What came of a look.
#[derive(Debug, Clone, Serialize)]
pub struct Look {
    /// Its id, which `patchgate clean` takes.
    pub run: RunId,
    /// What the guest said; nothing where it could not be asked.
    pub facts: Option<Facts>,
    /// What ended it before its time.
    pub faults: Vec<Fault>,
    /// Pictures of its screen, as PNG.
    pub screens: Vec<PathBuf>,
    /// What could not be removed, in words.
    pub left_behind: Vec<String>,
}

impl Look {
    /// Reads the record of a look, in that folder.
    pub fn of(loaded: &Loaded, left_behind: Vec<String>, folder: &Path) -> Self {
        let (mut facts, mut faults) = (None, Vec::new());
        for record in &loaded.records {
            match &record.event {
                Event::Asked { facts: said, .. } => facts = Some(said.as_ref().clone()),
                Event::ArmFailed { fault } => faults.push(fault.clone()),
                _ => {}
            }
        }
        Self {
            run: loaded.run.clone(),
            facts,
            faults,
            screens: screens(loaded)
                .map(|screen| folder.join(screen.as_str()))
                .collect(),
            left_behind,
        }
    }

    /// What the guest says that its OS is.
    pub fn release(&self) -> Option<&Release> {
        Some(&self.facts.as_ref()?.system.as_ref()?.release)
    }
}

/// All that a look at a sealed image takes.
///
/// # Errors
/// The image is not what was sealed, or the plan cannot be digested.
pub fn kit(sealed: &Sealed, store: &Store, wish: &Wish) -> Result<Kit, InputError> {
    let name = &sealed.manifest.name;
    store.verify(sealed).map_err(|damage| InputError::Damaged {
        image: name.clone(),
        damage,
    })?;
    Ok(Kit {
        plan: plan(sealed, wish).map_err(|error| InputError::NoPlan(error.to_string()))?,
        families: Families::default(),
        disks: BTreeMap::from([(name.clone(), sealed.disk())]),
        warm: store.warm().map_err(InputError::Warm)?,
        files: BTreeMap::new(),
        secrets: Secrets::default(),
        proxies: Arc::new(SquidLauncher::new(store.dir().with_file_name("proxy"))),
    })
}

/// A plan of one cell of one node, without updates, scenarios or a way out but to what is wished for.
fn plan(sealed: &Sealed, wish: &Wish) -> Result<Plan, serde_json::Error> {
    let manifest = &sealed.manifest;
    let node = NodePlan {
        role: ROLE.to_owned(),
        host: ROLE.to_owned(),
        ready: None,
        addresses: Addresses::Given,
        image: ImagePin {
            name: manifest.name.clone(),
            os: manifest.os.clone(),
            key: manifest.key.clone(),
            sha256: Some(manifest.sha256.clone()),
            machine: machine::of(&wish.hardware, &manifest.os, Some(manifest)),
            manager: None,
        },
        memory: wish.memory,
        vcpus: wish.vcpus,
    };
    let cell = CellPlan {
        id: CellId::new("look", &manifest.os),
        group: "look".to_owned(),
        os: manifest.os.clone(),
        owner: String::new(),
        admin: String::new(),
        required: false,
        nodes: vec![node],
        reboot_order: Vec::new(),
        scenarios: Vec::new(),
        deadlines: Deadlines {
            boot: wish.boot,
            resolve: wish.boot,
            download: wish.boot,
            apply: wish.boot,
            reboot: wish.boot,
        },
        soak: Soak {
            look: false,
            ..Soak::default()
        },
        drift: None,
    };
    let plan = Plan {
        lab: "first-look".to_owned(),
        updates: UpdatePolicy {
            mode: UpdateMode::Security,
            listed: Vec::new(),
            exclude: Vec::new(),
            expect_updates: false,
            kept_back: KeptBack::Note,
            security_origins: Vec::new(),
        },
        clone: CloneMode::Cold,
        reboot: RebootPolicy::Always,
        confirm: Confirm::OFF,
        network: NetworkPolicy {
            mode: NetworkMode::Isolated,
            sources: wish.sources.clone(),
        },
        performance: Performance::default(),
        drift: DriftPolicy::default(),
        hosts: vec![wish.host.clone()],
        cells: vec![cell],
        left_out: Vec::new(),
        scenarios: BTreeMap::new(),
        inputs: BTreeMap::new(),
        digest: String::new(),
    };
    plan.sealed()
}

/// The remedy of a look that was no answer, beside that of the fault itself.
pub fn remedy(fault: &Fault) -> Option<&'static str> {
    let may_lack_one = fault.cause == Cause::AgentSilent && !fault.message.starts_with(NO_LOADER);
    may_lack_one.then_some(NO_AGENT)
}

/// That no such image is in the store.
pub fn unknown(name: &str) -> LabError {
    LabError::new(Cause::ImageDamaged, format!("image {name} is not in the store"))
        .with_hint("see `patchgate image list`; `patchgate image import` takes one over")
}
