//! How the lab fails.

use crate::model::name::NameError;
use crate::model::outcome::Cause;
use crate::model::uri::UriError;

/// A failure of the lab, never of what is tested.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LabError {
    /// Which kind.
    pub cause: Cause,
    /// What happened: a fragment that names subject and what was tried.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl LabError {
    /// An error without a hint.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
            hint: None,
        }
    }

    /// The same error with a remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A name that patchgate made up and that libvirt would not take.
impl From<NameError> for LabError {
    fn from(error: NameError) -> Self {
        Self::new(Cause::Internal, error.to_string())
    }
}

impl From<UriError> for LabError {
    fn from(error: UriError) -> Self {
        Self::new(Cause::HostRefused, error.to_string())
            .with_hint("name libvirt's URI of the host, as `virsh uri` prints it there")
    }
}
