//! What came back from a guest is judged beside the run: an answer that takes long to look through is its step's own time, and
//! no other cell waits for it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::guest::command::OUTPUT_LIMIT;
use crate::guest::family::Family;
use crate::model::scenario::{Action, Capture};
use crate::secret::Mask;
use crate::step::capture;
use crate::step::evaluate::{self, Judged};
use crate::step::raw::Raw;

/// The least time that judging has.
const LEAST: Duration = Duration::from_secs(5);

/// Output of a step that the journal keeps, in bytes for each of standard output and error.
const KEPT_OUTPUT: usize = 16 * 1024;

/// What a step's answer is worth, and what it gave to be remembered; nothing where it failed.
#[derive(Default)]
pub(super) struct Weighed {
    pub(super) judged: Judged,
    pub(super) captured: BTreeMap<String, String>,
}

/// Judges an answer, within the time that its step may take. An answer that is not judged by then fails its step.
pub(super) async fn weigh(
    family: Family,
    action: &Action,
    wanted: &BTreeMap<String, Capture>,
    raw: &Raw,
    mask: &Mask,
    limit: Duration,
) -> Weighed {
    let (action, wanted, raw, mask) = (action.clone(), wanted.clone(), raw.clone(), mask.clone());
    let limit = limit.max(LEAST);
    let judging = spawn_blocking(move || {
        let mut judged = evaluate::evaluate(&family, &action, &raw, &mask);
        let mut captured = BTreeMap::new();
        if judged.failures.is_empty() {
            match capture::take(&family, &wanted, &action, &raw) {
                Ok(taken) => captured = taken,
                Err(failures) => judged.failures = failures,
            }
        }
        Weighed { judged, captured }
    });
    let failed = |words: String| Weighed {
        judged: Judged {
            failures: vec![words],
            results: Vec::new(),
            counts: None,
        },
        ..Weighed::default()
    };
    match timeout(limit, judging).await {
        Ok(Ok(weighed)) => weighed,
        Ok(Err(error)) => failed(format!(
            "its answer could not be judged, a defect in patchgate: {error}"
        )),
        Err(_) => failed(format!(
            "its answer was not judged within {}: what is expected of it takes too long to look for",
            crate::units::Period(limit)
        )),
    }
}

/// The start of an output as text, with a note where it was cut.
pub(super) fn kept(bytes: &[u8], mask: &Mask) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut text = if bytes.len() >= OUTPUT_LIMIT {
        mask.apply_cut(&text)
    } else {
        mask.apply(&text)
    };
    if text.len() > KEPT_OUTPUT {
        let mut at = KEPT_OUTPUT;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let cut = text.len() - at;
        text.truncate(at);
        // Writing to a String cannot fail.
        let _ = write!(text, "\n[cut: {cut} more bytes]");
    }
    text
}
