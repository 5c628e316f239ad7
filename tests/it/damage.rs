//! The journal of a run on the fake lab that is changed afterwards.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use patchgate::decide::Decided;
use patchgate::fake::{Apply, GuestScript};
use patchgate::gate::Gate;
use patchgate::record::journal;
use patchgate::record::state::State;

use crate::testkit::lab::{End, Lab};

fn gate(path: &Path) -> Option<Gate> {
    let loaded = journal::read(path).ok()?;
    Some(Decided::of(loaded, false).decision.gate)
}

/// Flips bits of a run's journal one at a time, each `step`th of all, and says at which bits it could still be read.
fn flipped(end: &End, step: usize) -> Vec<usize> {
    let path = State::at(end.folder().to_owned()).journal(&end.journal.run);
    let before = gate(&path);
    let bytes = fs::read(&path).expect("the journal");
    let file = OpenOptions::new().write(true).open(&path).expect("open");
    let write = |at: usize, byte: u8| file.write_all_at(&[byte], at as u64).expect("write");
    let mut read = Vec::new();
    for bit in (0..bytes.len() * 8).step_by(step) {
        let at = bit / 8;
        write(at, bytes[at] ^ (1 << (bit % 8)));
        let after = gate(&path);
        assert_ne!(after, Some(Gate::Open), "bit {bit} of {}", bytes.len() * 8);
        read.extend(after.map(|_| bit));
        write(at, bytes[at]);
    }
    assert_eq!(gate(&path), before);
    // Only without its last line end is it still a beginning of what was written.
    assert!(read.iter().all(|bit| bit / 8 == bytes.len() - 1), "{read:?}");
    read
}

#[tokio::test(start_paused = true)]
async fn no_changed_bit_opens_a_closed_gate() {
    let lab = Lab::default();
    lab.script(GuestScript {
        apply: Apply::Lies,
        ..GuestScript::default()
    });
    let end = lab.run().await;
    assert_eq!(end.gate(), Gate::Closed);
    assert_eq!(flipped(&end, 1).len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_changed_bit_takes_an_open_gate_away() {
    let end = Lab::default().run().await;
    assert_eq!(end.gate(), Gate::Open);
    flipped(&end, 7);
}
