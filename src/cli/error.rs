//! An error at the edge: what a person reads, and the process's exit code.

use crate::cli::exit_code;
use crate::decide::DecideError;
use crate::image::batch::NotBuilt;
use crate::image::bundle::error::{BundleError, Problem};
use crate::image::domain::error::DomainError;
use crate::image::error::BuildError;
use crate::input::finding::Finding;
use crate::lab::new::NewError;
use crate::lab::open::Refused;
use crate::model::outcome::Cause;
use crate::port::LabError;
use crate::record::state::StateError;
use crate::report::render::{NotRendered, UnknownEnding};
use crate::session::hosts::HostsError;
use crate::session::images::BuildFault;
use crate::session::inputs::InputError;
use crate::session::ready::SessionError;
use crate::session::resume::ResumeError;
use crate::session::secrets::SecretError;
use crate::session::target::ChooseError;

/// An error at the edge: what `main` prints, and the exit code.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct UserError {
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What is wrong in files, if that is the matter.
    pub findings: Vec<Finding>,
    /// The process's exit code.
    pub exit: u8,
    /// What standard output ends with nevertheless, after the error: a script reads the gate there.
    pub closing: Option<String>,
}

impl UserError {
    /// A usage or configuration error: nothing was started.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            findings: Vec::new(),
            exit: exit_code::USAGE,
            closing: None,
        }
    }

    /// Its message with its hint, where it is one of several.
    pub fn in_a_line(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{} ({hint})", self.message),
            None => self.message.clone(),
        }
    }

    /// Findings that keep a command from starting.
    pub fn findings(message: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self {
            findings,
            ..Self::usage(message)
        }
    }

    /// An image that cannot be built or imported.
    pub fn of_image(name: &str, error: &BuildError) -> Self {
        let exit = match error {
            BuildError::Interrupted => exit_code::UNDECIDED,
            _ => exit_code::USAGE,
        };
        Self {
            hint: error.hint(),
            exit,
            ..Self::usage(format!("image {name}: {error}"))
        }
    }

    /// An archive, a backup or a folder of a machine that cannot be taken over.
    pub fn of_bundle(error: &BundleError) -> Self {
        let exit = if matches!(error.problem, Problem::Stopped) {
            exit_code::UNDECIDED
        } else {
            exit_code::USAGE
        };
        Self {
            hint: error.hint(),
            exit,
            ..Self::usage(error.to_string())
        }
    }

    /// A domain that cannot be taken over.
    pub fn of_domain(error: &DomainError) -> Self {
        let exit = match error {
            DomainError::Build(BuildError::Interrupted) => exit_code::UNDECIDED,
            DomainError::Unknown(_)
            | DomainError::Running(_)
            | DomainError::Started(_)
            | DomainError::Changed { .. }
            | DomainError::Missing { .. }
            | DomainError::Elsewhere { .. }
            | DomainError::Xml { .. }
            | DomainError::Host(_)
            | DomainError::Build(_) => exit_code::USAGE,
        };
        Self {
            hint: error.hint(),
            exit,
            ..Self::usage(error.to_string())
        }
    }

    /// The same error with a remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error, after which standard output ends with this.
    #[must_use]
    pub fn with_closing(mut self, closing: impl Into<String>) -> Self {
        self.closing = Some(closing.into());
        self
    }

    /// The same error with another exit code.
    #[must_use]
    pub fn with_exit(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }
}

impl From<StateError> for UserError {
    fn from(error: StateError) -> Self {
        Self {
            hint: error.hint(),
            ..Self::usage(error.to_string())
        }
    }
}

impl From<NewError> for UserError {
    fn from(error: NewError) -> Self {
        Self {
            hint: error.hint().map(str::to_owned),
            ..Self::usage(error.to_string())
        }
    }
}

impl From<ChooseError> for UserError {
    fn from(error: ChooseError) -> Self {
        Self::usage(error.message).with_hint(error.hint)
    }
}

impl From<SecretError> for UserError {
    fn from(error: SecretError) -> Self {
        Self::usage(error.to_string()).with_hint(error.hint())
    }
}

impl From<InputError> for UserError {
    fn from(error: InputError) -> Self {
        Self {
            hint: error.hint(),
            ..Self::findings(error.to_string(), error.findings().to_vec())
        }
    }
}

impl From<NotBuilt> for UserError {
    fn from(error: NotBuilt) -> Self {
        Self::of_image(&error.image, &error.error)
    }
}

impl From<BuildFault> for UserError {
    fn from(error: BuildFault) -> Self {
        match error {
            BuildFault::NotBuilt(error) => error.into(),
            BuildFault::Ended(_) => Self::usage(error.to_string()),
        }
    }
}

/// The host cannot do it: nothing was started.
impl From<LabError> for UserError {
    fn from(error: LabError) -> Self {
        let hint = match (&error.hint, error.cause) {
            (Some(hint), _) => hint.clone(),
            (None, Cause::HostRefused) => {
                "`patchgate doctor` checks this host and names the remedies".to_owned()
            }
            (None, _) => "nothing was started".to_owned(),
        };
        Self::usage(error.to_string()).with_hint(hint)
    }
}

impl From<HostsError> for UserError {
    fn from(error: HostsError) -> Self {
        match error {
            HostsError::Host(error) => error.into(),
            HostsError::Same { .. } => Self::usage(error.to_string()).with_hint("keep one of both"),
        }
    }
}

impl From<SessionError> for UserError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Hosts(error) => error.into(),
            SessionError::State(error) => error.into(),
            SessionError::Run(_) => Self::usage(error.to_string())
                .with_hint("without a journal there is no result; is the state folder's disk full?")
                .with_exit(exit_code::UNDECIDED),
            SessionError::Record(_) => Self::usage(error.to_string()).with_exit(exit_code::UNDECIDED),
        }
    }
}

impl From<Refused> for UserError {
    fn from(error: Refused) -> Self {
        Self {
            hint: error.hint().map(str::to_owned),
            ..Self::findings(error.to_string(), error.findings().to_vec())
        }
    }
}

impl From<DecideError> for UserError {
    fn from(error: DecideError) -> Self {
        let exit = match error {
            DecideError::Trial(_) => exit_code::USAGE,
            DecideError::NotOwn(_)
            | DecideError::Journal(_)
            | DecideError::Misplaced { .. }
            | DecideError::Future { .. } => exit_code::UNDECIDED,
        };
        Self::usage(error.to_string())
            .with_hint(error.hint())
            .with_exit(exit)
    }
}

impl From<ResumeError> for UserError {
    fn from(error: ResumeError) -> Self {
        Self::usage(error.to_string()).with_hint(error.hint())
    }
}

impl From<UnknownEnding> for UserError {
    fn from(error: UnknownEnding) -> Self {
        Self::usage(error.to_string()).with_hint(error.hint())
    }
}

impl From<NotRendered> for UserError {
    fn from(error: NotRendered) -> Self {
        Self::usage(error.to_string())
    }
}
