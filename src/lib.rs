//! patchgate rehearses a patch window: it clones VMs, applies the pending updates, runs departments' smoke tests with
//! and without them, and opens or closes a gate.
//!
//! ```text
//! patchgate.toml, images/, scenarios/
//!     |  load (I/O, spans)          config, image, scenario
//!     v
//!   Plan        immutable, serialisable, all choices made   plan      (pure)
//!     |  run: forks arms, updates, tests; emits events      run  -> port -> libvirt, agent
//!     v
//!   Journal     JSONL, one writer, fsync at decisions       journal
//!     |  judge: events -> verdicts                          verdict   (pure)
//!     |  decide: verdicts + policy -> gate                  gate      (pure)
//!     v
//!   Reports     terminal, JSON, JUnit, Markdown             report
//! ```

pub mod agent;
pub mod cli;
pub mod config;
pub mod error;
pub mod event;
pub mod exit_code;
pub mod fake;
pub mod gate;
pub mod guest;
pub mod image;
pub mod journal;
pub mod libvirt;
pub mod measure;
pub mod observation;
pub mod outcome;
pub mod plan;
pub mod port;
pub mod proxy;
pub mod report;
pub mod run;
pub mod scenario;
pub mod secret;
pub mod share;
pub mod state;
pub mod units;
pub mod update;
pub mod verdict;

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            use std::fmt::Write;
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
