//! Both arms of one cell, taking turns: what is measured is sampled in one and then in the other, so that whatever goes on
//! on the host meanwhile meets both alike.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::model::id::Arm;

/// Where the arms are: which of the measured steps, and how many samples of it were taken in both arms together.
type Turn = (usize, u32);

#[derive(Default)]
struct State {
    /// The scenarios that passed, once an arm is through with them.
    passed: [Option<BTreeSet<String>>; 2],
    /// Arms that are over, however they ended.
    left: [bool; 2],
    turn: Turn,
}

/// What both arms share.
struct Pair(watch::Sender<State>);

/// One arm's place in the pair. When it is dropped, the other arm waits for it no more.
pub struct Seat {
    pair: Arc<Pair>,
    arm: Arm,
}

/// What an arm is told when it asks for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// Take a sample.
    Mine,
    /// This step is over before its time: it fails in the other arm.
    GivenUp,
    /// The other arm is over.
    Alone,
}

fn at(arm: Arm) -> usize {
    match arm {
        Arm::Control => 0,
        Arm::Treatment => 1,
    }
}

fn other(arm: Arm) -> usize {
    1 - at(arm)
}

/// Two seats of one pair: of control and of treatment.
pub fn seats() -> (Seat, Seat) {
    let pair = Arc::new(Pair(watch::Sender::default()));
    let seat = |arm| Seat {
        pair: pair.clone(),
        arm,
    };
    (seat(Arm::Control), seat(Arm::Treatment))
}

/// Which of a step's samples is an arm's in a round: control goes first in every other round.
fn half(arm: Arm, round: u32) -> u32 {
    let first = if round.is_multiple_of(2) {
        Arm::Control
    } else {
        Arm::Treatment
    };
    round.saturating_mul(2).saturating_add(u32::from(arm != first))
}

impl Seat {
    /// Which of a step's samples is this arm's in a round.
    pub fn half(&self, round: u32) -> u32 {
        half(self.arm, round)
    }

    /// Waits until the other arm is through with its scenarios too, and returns those that passed in both; nothing where
    /// it ended before.
    pub async fn meet(&self, passed: BTreeSet<String>) -> Option<BTreeSet<String>> {
        let mut states = self.pair.0.subscribe();
        self.pair
            .0
            .send_modify(|state| state.passed[at(self.arm)] = Some(passed));
        let there = |state: &State| state.passed[other(self.arm)].is_some() || state.left[other(self.arm)];
        // The sender lives as long as this seat.
        let state = states.wait_for(there).await.ok()?;
        let [control, treatment] = &state.passed;
        Some(control.as_ref()? & treatment.as_ref()?)
    }

    /// Waits for this arm's turn at a sample.
    pub async fn turn(&self, step: usize, half: u32) -> Go {
        let mut states = self.pair.0.subscribe();
        let mine = (step, half);
        let decided = |state: &State| state.turn >= mine || state.left[other(self.arm)];
        match states.wait_for(decided).await {
            Ok(state) if state.turn == mine => Go::Mine,
            Ok(state) if state.turn > mine => Go::GivenUp,
            Ok(_) | Err(_) => Go::Alone,
        }
    }

    /// Hands over to whose turn is next.
    pub fn done(&self, step: usize, half: u32) {
        self.advance((step, half + 1));
    }

    /// Ends a step: its samples are all taken, or are worth nothing any more.
    pub fn next_step(&self, step: usize) {
        self.advance((step + 1, 0));
    }

    /// Never back: both arms may end the same step.
    fn advance(&self, turn: Turn) {
        self.pair.0.send_modify(|state| state.turn = state.turn.max(turn));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.pair.0.send_modify(|state| state.left[at(self.arm)] = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_order_is_swapped_each_round() {
        use Arm::{Control as C, Treatment as T};
        let order: Vec<Arm> = {
            let mut halves: Vec<(u32, Arm)> = (0..3)
                .flat_map(|round| Arm::BOTH.map(|arm| (half(arm, round), arm)))
                .collect();
            halves.sort();
            halves.into_iter().map(|(_, arm)| arm).collect()
        };
        assert_eq!(order, [C, T, T, C, C, T]);
    }

    #[tokio::test]
    async fn arms_meet_over_what_passed_in_both() {
        let (control, treatment) = seats();
        let (left, right) = tokio::join!(
            control.meet(names(&["a", "b"])),
            treatment.meet(names(&["b", "c"]))
        );
        assert_eq!((left, right), (Some(names(&["b"])), Some(names(&["b"]))));
    }

    #[tokio::test]
    async fn an_arm_that_is_over_is_waited_for_no_more() {
        let (control, treatment) = seats();
        drop(treatment);
        assert_eq!(control.meet(names(&["a"])).await, None);
        assert_eq!(control.turn(0, 0).await, Go::Mine);
        control.done(0, 0);
        assert_eq!(control.turn(0, 3).await, Go::Alone);
    }

    #[tokio::test]
    async fn a_sample_that_was_handed_over_is_taken_even_from_an_arm_that_is_over() {
        let (control, treatment) = seats();
        control.done(0, 0);
        drop(control);
        assert_eq!(treatment.turn(0, 1).await, Go::Mine);
    }

    #[tokio::test]
    async fn a_step_that_is_given_up_is_over_for_both() {
        let (control, treatment) = seats();
        control.next_step(0);
        assert_eq!(treatment.turn(0, 1).await, Go::GivenUp);
        assert_eq!(control.turn(1, 0).await, Go::Mine);
        control.done(1, 0);
        treatment.next_step(0);
        assert_eq!(treatment.turn(1, 1).await, Go::Mine);
    }
}
