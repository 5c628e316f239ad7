//! How long an arm has waited for its guests, however many of them it waits for at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The clock of an arm's waits; its copies share one.
#[derive(Clone, Default)]
pub struct GuestTime(Arc<Mutex<Waits>>);

#[derive(Default)]
struct Waits {
    /// How many waits are going on, and since when.
    open: Option<(u32, Instant)>,
    over: Duration,
}

/// One wait; it ends when this is dropped.
#[must_use]
pub struct Wait<'a>(&'a GuestTime);

impl GuestTime {
    /// Begins a wait. Waits within others, or beside them, count once.
    pub fn wait(&self) -> Wait<'_> {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = waits.open.unwrap_or((0, Instant::now()));
        waits.open = Some((count + 1, since));
        Wait(self)
    }

    /// All waits that are over.
    pub fn total(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).over
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waits = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waits.open {
            Some((count, since)) if count > 1 => waits.open = Some((count - 1, since)),
            Some((_, since)) => {
                waits.over += since.elapsed();
                waits.open = None;
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_within_and_beside_each_other_count_once() {
        let guests = GuestTime::default();
        let second = Duration::from_secs(1);
        advance(second).await;
        let outer = guests.clone();
        let outer = outer.wait();
        advance(second).await;
        let inner = guests.wait();
        advance(second).await;
        drop(outer);
        assert_eq!(guests.total(), Duration::ZERO);
        advance(second).await;
        drop(inner);
        assert_eq!(guests.total(), 3 * second);
        advance(second).await;
        drop(guests.wait());
        assert_eq!(guests.total(), 3 * second);
    }
}
