//! Whether a host of a run still answers.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::model::outcome::Cause;
use crate::model::uri::HostUri;
use crate::port::LabError;

/// Whether a host is lost, for all who wait for something of it.
#[derive(Clone, Default)]
pub struct Loss(Arc<(CancellationToken, OnceLock<String>)>);

impl Loss {
    /// Takes it for lost.
    pub fn lose(&self, reason: String) {
        // The first reason stands.
        let _ = self.0.1.set(reason);
        self.0.0.cancel();
    }

    /// Why it is taken for lost.
    pub fn reason(&self) -> Option<&str> {
        self.0.1.get().map(String::as_str)
    }

    /// Waits until it is.
    pub async fn wait(&self) {
        self.0.0.cancelled().await;
    }

    /// What came of something asked of the host; the host's loss where that comes first.
    pub async fn or<T>(
        &self,
        uri: &HostUri,
        answer: impl Future<Output = Result<T, LabError>>,
    ) -> Result<T, LabError> {
        tokio::select! {
            biased;
            () = self.0.0.cancelled() => Err(self.error(uri)),
            answer = answer => answer,
        }
    }

    /// The error of what needs it; `uri` names the host.
    pub fn error(&self, uri: &HostUri) -> LabError {
        let reason = self.reason().unwrap_or("it does not answer");
        LabError::new(Cause::HostLost, format!("{uri}: {reason}"))
            .with_hint("see that the host runs and that libvirt answers there, and run it again")
    }
}
