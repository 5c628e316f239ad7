//! Guests that answer as a test wants, and labs that run on them.

use std::path::Path;
use std::sync::Arc;

use patchgate::fake::{GuestScript, StepCall};
use patchgate::port::ExecOutput;

use super::lab::{End, Lab, exit};

/// A guest that answers a department's steps like this.
pub fn answering(answers: impl Fn(&StepCall<'_>) -> ExecOutput + Send + Sync + 'static) -> GuestScript {
    GuestScript {
        steps: Arc::new(answers),
        ..GuestScript::default()
    }
}

/// One whose steps fail with the updates, and only then.
pub fn broken_by_updates() -> GuestScript {
    answering(|call| exit(i32::from(call.updated), ""))
}

/// Runs a scenario on a guest that answers like this.
pub async fn run(text: &str, answers: impl Fn(&StepCall<'_>) -> ExecOutput + Send + Sync + 'static) -> End {
    run_in(Lab::default().with_scenario(text), answers).await
}

/// Runs a lab on a guest that answers like this.
pub async fn run_in(lab: Lab, answers: impl Fn(&StepCall<'_>) -> ExecOutput + Send + Sync + 'static) -> End {
    lab.script(answering(answers));
    lab.run().await
}

/// What is in a folder, by name.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
