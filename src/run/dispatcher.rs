//! One task puts events into one order and into the journal; everybody else only sends.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::model::event::{Event, Record};
use crate::model::id::ArmId;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::port::{LabError, Observer};
use crate::record::journal::{Journal, JournalError};
use crate::run::masking;
use crate::run::setup::RunError;
use crate::secret::Mask;

/// The sending end.
#[derive(Clone)]
pub struct Dispatcher(mpsc::UnboundedSender<Said>);

/// An event, and the arm that says it; nobody in particular where it is about the whole run.
type Said = (Option<ArmId>, Event);

/// The task that writes; it ends when every [`Dispatcher`] is gone.
pub struct Writer(JoinHandle<Result<(), JournalError>>);

/// Events that share one trip to the disk, at most.
const BATCH: usize = 256;

/// Writes what has come in meanwhile; all of it is on disk before anybody sees a record of it.
fn write(
    journal: &mut Journal,
    now: fn() -> Timestamp,
    events: impl Iterator<Item = Said>,
) -> Result<Vec<Record>, JournalError> {
    let records = events
        .map(|said| record(journal, now(), said))
        .collect::<Result<_, _>>()?;
    journal.commit()?;
    Ok(records)
}

/// Writes one event. An arm that says more than a record may hold has failed by that, and costs its own cell alone.
fn record(journal: &mut Journal, at: Timestamp, (arm, event): Said) -> Result<Record, JournalError> {
    let stage = stage(&event);
    match (journal.write(at, arm.clone(), event), arm) {
        (Err(error @ JournalError::TooLong { .. }), Some(arm)) => {
            let fault = Fault {
                cause: Cause::GuestProtocol,
                stage,
                role: None,
                message: format!("more was said than a record may hold: {error}"),
                detail: String::new(),
                hint: None,
            };
            journal.write(at, Some(arm), Event::ArmFailed { fault })
        }
        (written, _) => written,
    }
}

/// The stage in which an arm says something that may be long.
fn stage(event: &Event) -> Stage {
    match event {
        Event::Resolved { .. } => Stage::Resolve,
        Event::Proved { .. } | Event::Observed { .. } => Stage::Prove,
        Event::Measured { .. } => Stage::Measure,
        Event::ArmFailed { fault } => fault.stage,
        _ => Stage::Scenarios,
    }
}

impl Dispatcher {
    /// Starts the writing task, past which no secret gets. A journal that cannot be written stops the run.
    pub fn start(
        mut journal: Journal,
        observer: Arc<dyn Observer>,
        now: fn() -> Timestamp,
        stop: CancellationToken,
        mask: Mask,
    ) -> (Self, Writer) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut result = Ok(());
            let mut batch = Vec::new();
            while receiver.recv_many(&mut batch, BATCH).await > 0 {
                let events = batch
                    .drain(..)
                    .map(|(arm, event)| (arm, masking::event(event, &mask)));
                if result.is_err() {
                    continue;
                }
                match write(&mut journal, now, events) {
                    Ok(records) => records.iter().for_each(|record| observer.record(record)),
                    Err(error) => {
                        observer.notice(&format!("the run stops: {error}"));
                        stop.cancel();
                        result = Err(error);
                    }
                }
            }
            result
        });
        (Self(sender), Writer(task))
    }

    /// Sends an event and the arm that says it; the writer outlives every sender, so none is lost.
    pub fn emit(&self, arm: Option<ArmId>, event: Event) {
        if self.0.send((arm, event)).is_err() {
            tracing::error!("an event was sent after the journal was closed");
        }
    }
}

impl Writer {
    /// Waits until everything is written.
    pub async fn finish(self) -> Result<(), RunError> {
        match self.0.await {
            Ok(result) => Ok(result?),
            Err(panicked) => Err(RunError::Host(LabError::new(
                Cause::Internal,
                format!("the task that writes the journal died: {panicked}"),
            ))),
        }
    }
}
