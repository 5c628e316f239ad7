//! patchgate rehearses a patch window: it clones VMs, applies the pending updates, runs departments' smoke tests with
//! and without them, and opens or closes a gate.
//!
//! ```text
//! patchgate.toml, images/, scenarios/
//!     |  open, check (I/O, spans)                           lab, image
//!     v
//!   Plan        immutable, serialisable, all choices made   lab::build (pure)
//!     |  run: forks arms, updates, tests; emits events      session -> run -> port <- host
//!     v
//!   Journal     JSONL, one writer, fsync at decisions       record
//!     |  judge: events -> verdicts                          verdict    (pure)
//!     |  decide: verdicts + policy -> gate                  gate       (pure)
//!     v
//!   Reports     terminal, JSON, JUnit, Markdown             report
//! ```

pub mod cli;
pub mod decide;
pub mod fake;
pub mod gate;
pub mod guest;
pub mod host;
pub mod image;
pub mod input;
pub mod lab;
pub mod measure;
pub mod model;
pub mod port;
pub mod record;
pub mod report;
pub mod run;
pub mod secret;
pub mod session;
pub mod step;
pub mod system;
pub mod units;
pub mod verdict;
