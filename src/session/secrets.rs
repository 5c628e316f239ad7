//! Reading the lab's secrets at the start of a run: from the environment or from files, and nothing of them anywhere else.

use std::collections::BTreeSet;
use std::path::Path;

use secrecy::SecretString;

use crate::lab::file::Lab;
use crate::lab::file::SecretSection;
use crate::model::plan::Plan;
use crate::secret::{LONGEST, Secrets};
use crate::system;

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("secret {name}: {problem}; nothing was started")]
pub struct SecretError {
    /// Its name.
    pub name: String,
    /// Why not.
    pub problem: String,
}

impl SecretError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        format!("[secret.{}] of the lab file says where it is", self.name)
    }
}

/// The secrets that the plan's steps ask for.
///
/// # Errors
/// One is not to be had; nothing was started.
pub fn read(lab: &Lab, plan: &Plan) -> Result<Secrets, SecretError> {
    let asked: BTreeSet<&str> = plan
        .scenarios
        .values()
        .flat_map(|scenario| scenario.steps.iter().chain(&scenario.cleanup))
        .flat_map(|step| step.secrets.iter().map(String::as_str))
        .collect();
    let mut secrets = Secrets::default();
    for name in asked {
        let refuse = |problem: String| SecretError {
            name: name.to_owned(),
            problem,
        };
        let section = lab.file.secret.get(name);
        let section = section.ok_or_else(|| refuse("it is not in the lab file".to_owned()))?;
        let value = value(lab, section).map_err(refuse)?;
        secrets.add(name, value).map_err(refuse)?;
    }
    Ok(secrets)
}

fn value(lab: &Lab, section: &SecretSection) -> Result<SecretString, String> {
    match (&section.env, &section.file) {
        (Some(variable), _) => {
            let variable = variable.get_ref();
            match std::env::var(variable) {
                Ok(value) => Ok(value.into()),
                Err(std::env::VarError::NotPresent) => {
                    Err(format!("environment variable {variable} is not set"))
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    Err(format!("environment variable {variable} is not UTF-8"))
                }
            }
        }
        (None, Some(path)) => file(&lab.dir.join(path.get_ref())),
        (None, None) => Err("the lab file does not say where it is".to_owned()),
    }
}

fn file(path: &Path) -> Result<SecretString, String> {
    let bytes = system::file::read(path, LONGEST as u64 + 2)
        .map_err(|error| format!("{} {error}", path.display()))?;
    let mut text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", path.display()))?;
    text.truncate(text.trim_end().len());
    Ok(text.into())
}
