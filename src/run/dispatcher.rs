//! One task puts events into one order and into the journal; everybody else only sends.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::model::event::{Event, Record};
use crate::model::id::{ArmId, CellId};
use crate::model::outcome::{Cause, Fault, Stage};
use crate::port::{LabError, Observer};
use crate::record::journal::{Journal, JournalError};
use crate::run::masking;
use crate::run::setup::RunError;
use crate::secret::Mask;

/// The sending end.
#[derive(Clone)]
pub struct Dispatcher(mpsc::UnboundedSender<Message>);

/// An event, and the arm that says it; nobody in particular where it is about the whole run.
type Said = (Option<ArmId>, Event);

enum Message {
    Said(Box<Said>),
    /// What stands in the journal about a cell is asked for.
    Asked(CellId, oneshot::Sender<Vec<Record>>),
    /// Nobody will ask for a cell any more.
    Through(CellId),
}

/// The records that are asked for later: of each cell, and of the whole run.
#[derive(Default)]
struct Kept(BTreeMap<Option<CellId>, Vec<Record>>);

impl Kept {
    fn keep(&mut self, record: Record) {
        // The plan is known to whoever asks.
        if !matches!(record.event, Event::Planned { .. }) {
            self.0.entry(record.cell().cloned()).or_default().push(record);
        }
    }

    /// Looks at many nodes take much room, which is needed only as long as their cell goes on.
    fn forget(&mut self, cell: CellId) {
        self.0.remove(&Some(cell));
    }

    /// What is kept of a cell, and of the whole run, in the journal's order.
    fn of(&self, cell: &CellId) -> Vec<Record> {
        let places = [None, Some(cell.clone())];
        let kept = places.iter().filter_map(|place| self.0.get(place));
        let mut records: Vec<Record> = kept.flatten().cloned().collect();
        records.sort_by_key(|record| record.seq);
        records
    }
}

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
                screen: None,
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
        Event::Advised { .. } => Stage::Download,
        Event::Proved { .. } | Event::Observed { .. } => Stage::Prove,
        Event::Measured { .. } => Stage::Measure,
        Event::ArmFailed { fault } => fault.stage,
        _ => Stage::Scenarios,
    }
}

impl Dispatcher {
    /// Starts the writing task, past which no secret gets. A journal that cannot be written stops the run. Where cells will be
    /// asked for, `known` is what stands of them in the journal already.
    pub fn start(
        mut journal: Journal,
        observer: Arc<dyn Observer>,
        now: fn() -> Timestamp,
        stop: CancellationToken,
        mask: Mask,
        known: Option<Vec<Record>>,
    ) -> (Self, Writer) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut result = Ok(());
            let mut batch = Vec::new();
            let mut kept = Kept::default();
            let keeps = known.is_some();
            for record in known.into_iter().flatten() {
                kept.keep(record);
            }
            while receiver.recv_many(&mut batch, BATCH).await > 0 {
                let (mut events, mut asked) = (Vec::new(), Vec::new());
                for message in batch.drain(..) {
                    match message {
                        Message::Said(said) => events.push((said.0, masking::event(said.1, &mask))),
                        Message::Asked(cell, answer) => asked.push((cell, Some(answer))),
                        Message::Through(cell) => asked.push((cell, None)),
                    }
                }
                if result.is_err() {
                    continue;
                }
                match write(&mut journal, now, events.into_iter()) {
                    Ok(records) => {
                        for record in records {
                            observer.record(&record);
                            if keeps {
                                kept.keep(record);
                            }
                        }
                        for (cell, answer) in asked {
                            match answer {
                                // Who does not wait for it any more needs none.
                                Some(answer) => drop(answer.send(kept.of(&cell))),
                                None => kept.forget(cell),
                            }
                        }
                    }
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
        if self.0.send(Message::Said(Box::new((arm, event)))).is_err() {
            tracing::error!("an event was sent after the journal was closed");
        }
    }

    /// Says that nobody will ask for a cell any more.
    pub fn through(&self, cell: &CellId) {
        // Where nothing is written any more, nothing is kept.
        let _ = self.0.send(Message::Through(cell.clone()));
    }

    /// What stands in the journal about a cell and about the whole run, but the plan, with all that was sent before; nothing
    /// where it cannot be written any more.
    pub async fn records_of(&self, cell: &CellId) -> Vec<Record> {
        let (answer, asked) = oneshot::channel();
        match self.0.send(Message::Asked(cell.clone(), answer)) {
            Ok(()) => asked.await.unwrap_or_default(),
            Err(_) => Vec::new(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Arm;

    struct Nobody;

    impl Observer for Nobody {
        fn record(&self, _: &Record) {}
        fn notice(&self, _: &str) {}
    }

    #[tokio::test]
    async fn what_was_said_of_a_cell_is_kept_until_it_is_through() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(&folder.path().join("journal.jsonl")).expect("a journal");
        let (events, writer) = Dispatcher::start(
            journal,
            Arc::new(Nobody),
            || Timestamp::UNIX_EPOCH,
            CancellationToken::new(),
            Mask::default(),
            Some(Vec::new()),
        );
        let (one, other) = (CellId::new("web", "debian-12"), CellId::new("web", "debian-13"));
        for cell in [&one, &other, &one] {
            events.emit(Some(ArmId::first(cell, Arm::Control)), Event::ArmStarted);
        }
        events.emit(None, Event::Interrupted { by: "SIGINT".into() });
        let seqs = |records: Vec<Record>| records.iter().map(|record| record.seq).collect::<Vec<_>>();
        assert_eq!(seqs(events.records_of(&one).await), [0, 2, 3]);
        events.through(&one);
        assert_eq!(seqs(events.records_of(&one).await), [3]);
        assert_eq!(seqs(events.records_of(&other).await), [1, 3]);
        drop(events);
        writer.finish().await.expect("written");
    }
}
