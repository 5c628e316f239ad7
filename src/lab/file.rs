//! What a lab file says, with the places in the file that the lint points at.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::input::finding::Source;
use crate::measure::Performance;
use crate::model::drift::{DriftPolicy, Effect};
use crate::model::hardware::Wishes;
use crate::model::observation::Class;
use crate::model::plan::Ready;
use crate::model::policy::{
    Accel, CloneMode, Confirm, KeptBack, NetworkMode, RebootPolicy, Soak, UpdateMode,
};
use crate::units::{Mib, Period};

/// A lab file, as written, with its text. What is not given has its default, with an empty span at 0.
#[derive(Debug, Clone)]
pub struct Lab {
    /// The file.
    pub source: Source,
    /// Its folder: other paths are relative to it.
    pub dir: PathBuf,
    /// Its content.
    pub file: LabFile,
}

/// The content of a lab file. Its JSON form has no places and no comments, and tables in the order of their names: two
/// files that say the same have the same one.
#[derive(Debug, Clone, Serialize)]
pub struct LabFile {
    /// `[lab]`
    pub lab: LabSection,
    /// `[network]`
    pub network: NetworkSection,
    /// `[[host]]`; none means one host with every default.
    pub host: Vec<Spanned<HostSection>>,
    /// `[image.NAME]`; NAME is an OS version such as `debian-12`, or `debian-12+web` for an imported disk that has its
    /// role already.
    pub image: BTreeMap<Spanned<String>, ImageSection>,
    /// `[role.NAME]`
    pub role: BTreeMap<Spanned<String>, RoleSection>,
    /// `[group.NAME]`
    pub group: BTreeMap<Spanned<String>, GroupSection>,
    /// `[secret.NAME]`
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secret: BTreeMap<Spanned<String>, SecretSection>,
    /// `[deadlines]`
    pub deadlines: DeadlinesSection,
    /// `[performance]`
    pub performance: Performance,
    /// `[drift]`
    pub drift: DriftSection,
    /// `[soak]`
    pub soak: SoakSection,
}

/// `[lab]`
#[derive(Debug, Clone, Serialize)]
pub struct LabSection {
    /// The lab's name.
    pub name: Spanned<String>,
    /// Which updates make up the set; `security` unless said otherwise.
    pub updates: Spanned<UpdateMode>,
    /// Packages of the set, for `updates = "listed"`.
    pub listed: Vec<Spanned<String>>,
    /// Packages that are left as they are.
    pub exclude: Vec<Spanned<String>>,
    /// Whether a node with nothing pending leaves the gate undecided; true unless said otherwise.
    pub expect_updates: bool,
    /// What becomes of the gate where guests keep updates back; a note unless said otherwise.
    #[serde(skip_serializing_if = "KeptBack::is_note")]
    pub kept_back: KeptBack,
    /// The origins of security updates, for `updates = "security"`; those that the guest's family knows unless said otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_origins: Vec<Spanned<String>>,
    /// What clones begin with; a saved state unless said otherwise.
    pub clone: CloneMode,
    /// When cells reboot after the updates; always unless said otherwise.
    #[serde(skip_serializing_if = "RebootPolicy::is_always")]
    pub reboot: RebootPolicy,
    /// How often what would close the gate must show itself again; once unless said otherwise.
    pub confirm: Confirm,
    /// The folder of the departments' scenarios; `scenarios` unless said otherwise.
    pub scenarios: Spanned<PathBuf>,
}

/// `[network]`
#[derive(Debug, Clone, Serialize)]
pub struct NetworkSection {
    /// How far the clones' network leads; `isolated` unless said otherwise.
    pub mode: Spanned<NetworkMode>,
    /// Update sources beside those of the images' recipes, as `http://host[:port]/path`.
    pub sources: Vec<Spanned<String>>,
}

/// `[[host]]`
#[derive(Debug, Clone, Serialize)]
pub struct HostSection {
    /// A libvirt URI or `auto`, which is also the default.
    pub uri: Spanned<String>,
    /// The accelerator.
    pub accel: Accel,
    /// Memory that clones may use at once.
    pub memory: Option<Spanned<Mib>>,
    /// vCPUs that clones may use at once.
    pub vcpus: Option<Spanned<u32>>,
}

/// `[image.NAME]`: `build` or `imported`, and what its clones are given.
#[derive(Debug, Clone, Serialize)]
pub struct ImageSection {
    /// A recipe to build it from.
    pub build: Option<Spanned<PathBuf>>,
    /// The SHA-256 that `patchgate image import` printed.
    pub imported: Option<Spanned<String>>,
    /// `[image.NAME.hardware]`: what it says beyond what the import has read, or such an OS version usually has.
    #[serde(skip_serializing_if = "Wishes::is_empty")]
    pub hardware: Wishes,
    /// What installs its updates; the OS version's usual unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_manager: Option<Spanned<String>>,
}

impl ImageSection {
    /// What installs its updates, where it says so.
    pub fn manager(&self) -> Option<String> {
        self.package_manager.as_ref().map(|name| name.get_ref().clone())
    }
}

/// `[role.NAME]`
#[derive(Debug, Clone, Serialize)]
pub struct RoleSection {
    /// The recipe of its layer; without one the image must have been imported as `OS+ROLE`.
    pub recipe: Option<Spanned<PathBuf>>,
    /// Guest memory of its nodes; 512MiB unless said otherwise.
    pub memory: Mib,
    /// Guest vCPUs of its nodes; 1 unless said otherwise.
    pub vcpus: Spanned<u32>,
    /// The name by which its node is known in a cell; the role's own unless said otherwise.
    pub host: Option<Spanned<String>>,
    /// What must hold before the next node is started; its services have settled in any case.
    pub ready: Option<Ready>,
    /// Whose addresses its nodes have; patchgate's unless said otherwise.
    #[serde(skip_serializing_if = "is_given")]
    pub addresses: Spanned<AddressMode>,
}

/// Whose addresses the nodes of a role have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressMode {
    /// patchgate's.
    #[default]
    Give,
    /// Their own.
    Keep,
}

/// Whether nothing is said that a lab file could not leave out.
fn is_given(mode: &Spanned<AddressMode>) -> bool {
    *mode.get_ref() == AddressMode::Give
}

/// `[group.NAME]`
#[derive(Debug, Clone, Serialize)]
pub struct GroupSection {
    /// The stakeholder.
    pub owner: String,
    /// Who patches it.
    pub admin: String,
    /// Its OS versions; one cell each.
    pub os: Spanned<Vec<Spanned<String>>>,
    /// Its roles in start order; one node each.
    pub roles: Spanned<Vec<Spanned<String>>>,
    /// The order in which its nodes reboot; the start order unless said otherwise.
    pub reboot: Option<Spanned<Vec<Spanned<String>>>>,
    /// Departments (`web`) or single scenarios (`web/page`).
    pub scenarios: Spanned<Vec<Spanned<String>>>,
    /// Whether the gate needs its cells; true unless said otherwise.
    pub required: bool,
    /// `[group.NAME.drift]`: what it says beyond `[drift]`.
    pub drift: Option<DriftSection>,
    /// `[group.NAME.soak]`: what it says beyond `[soak]`.
    pub soak: SoakSection,
}

/// `[secret.NAME]`: `env` or `file`, and who may use it.
#[derive(Debug, Clone, Serialize)]
pub struct SecretSection {
    /// The environment variable of patchgate that holds it.
    pub env: Option<Spanned<String>>,
    /// The file that holds it, relative to the lab file; white space at its end does not count.
    pub file: Option<Spanned<PathBuf>>,
    /// The departments whose scenarios may ask for it.
    pub departments: Vec<Spanned<String>>,
}

/// `[deadlines]`, each with a default that fits TCG.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DeadlinesSection {
    /// From power-on to the agent's first answer; 5 minutes.
    pub boot: Option<Period>,
    /// Reading the update sources and resolving the set; 5 minutes.
    pub resolve: Option<Period>,
    /// Fetching the set; 15 minutes.
    pub download: Option<Period>,
    /// Installing the set; 60 minutes.
    pub apply: Option<Period>,
    /// From the reboot request to the agent's answer with a new boot id; 10 minutes.
    pub reboot: Option<Period>,
}

/// `[drift]`: what it says beyond the defaults.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DriftSection {
    /// What a difference of a class does.
    pub effects: BTreeMap<Class, Effect>,
    /// Items that are left out.
    pub ignore: Vec<String>,
}

/// `[soak]`: what it says beyond the defaults.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct SoakSection {
    /// Whether the nodes are looked at once more.
    pub look: Option<bool>,
    /// How long after the reboot.
    pub time: Option<Period>,
    /// Whether required scenarios run once more.
    pub scenarios: Option<bool>,
}

impl SoakSection {
    /// A choice with what this section says put over it.
    pub fn over(self, soak: Soak) -> Soak {
        Soak {
            look: self.look.unwrap_or(soak.look),
            time: self.time.unwrap_or(soak.time),
            scenarios: self.scenarios.unwrap_or(soak.scenarios),
        }
    }
}

impl RoleSection {
    /// The name by which its node is known in a cell, given the role's own.
    pub fn host_or<'a>(&'a self, role: &'a str) -> &'a str {
        self.host.as_ref().map_or(role, |host| host.get_ref())
    }
}

impl DriftSection {
    /// The policy with what this section says put over it.
    pub fn over(&self, mut policy: DriftPolicy) -> DriftPolicy {
        policy.effects.extend(&self.effects);
        policy.ignore.extend(self.ignore.iter().cloned());
        policy.ignore.sort();
        policy.ignore.dedup();
        policy
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::input::finding::Source;
    use crate::lab::load::parse;

    const LAB: &str = r#"
[lab]
name = "hq"

[drift]
listening = "warn"
ignore = ["journal:nginx: *"]

[group.shop]
owner = "Shop"
admin = "Servers"
os = ["debian-12"]
roles = ["web"]
scenarios = ["web"]

[group.shop.drift]
listening = "ignore"
boot = "fail"
ignore = ["user:*", "journal:nginx: *"]
"#;

    #[test]
    fn a_group_says_more_than_the_lab_and_the_lab_more_than_the_defaults() {
        let lab = parse(Source::new(Path::new("patchgate.toml"), LAB), PathBuf::from(".")).expect("a lab");
        let of_lab = lab.file.drift.over(DriftPolicy::default());
        let own = lab.file.group["shop"].drift.as_ref().expect("a section");
        let of_group = own.over(of_lab.clone());
        let effects =
            |policy: &DriftPolicy| [Class::Listening, Class::Boot, Class::User].map(|c| policy.effect(c));
        assert_eq!(effects(&of_lab), [Effect::Warn, Effect::Warn, Effect::Fail]);
        assert_eq!(effects(&of_group), [Effect::Ignore, Effect::Fail, Effect::Fail]);
        assert_eq!(of_lab.ignore, ["journal:nginx: *"]);
        assert_eq!(of_group.ignore, ["journal:nginx: *", "user:*"]);
    }
}
