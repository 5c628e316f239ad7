//! What is being made on a host, by name: nobody can cancel a call of libvirt, so that what was given up may come into being
//! after all, and only then can it be removed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::model::outcome::Cause;
use crate::port::LabError;

/// What is being made.
#[derive(Clone, Default)]
pub struct Making(Arc<Shared>);

#[derive(Default)]
struct Shared {
    names: Mutex<BTreeMap<String, u32>>,
    ended: Notify,
}

/// A thing that is being made; it is over when this is dropped.
pub struct Busy {
    making: Making,
    name: String,
    /// Whether nobody waits for it any more.
    halt: Halt,
}

/// Whether somebody still waits for what is being made.
#[derive(Clone, Default)]
pub struct Halt(Arc<AtomicBool>);

/// Who waits for it; when this is dropped, nobody does.
pub struct Waits(Halt);

impl Making {
    /// Begins to make the thing of that name: what the work holds until its end, and who waits for it.
    pub fn begin(&self, name: &str) -> (Busy, Waits) {
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        *names.entry(name.to_owned()).or_default() += 1;
        let halt = Halt::default();
        let busy = Busy {
            making: self.clone(),
            name: name.to_owned(),
            halt: halt.clone(),
        };
        (busy, Waits(halt))
    }

    fn is_over(&self, name: &str) -> bool {
        let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        !names.contains_key(name)
    }

    /// Waits until nothing of that name is being made.
    pub async fn over(&self, name: &str, limit: Duration) -> Result<(), LabError> {
        let over = async {
            loop {
                let mut ended = std::pin::pin!(self.0.ended.notified());
                // It is told of every end from here on.
                ended.as_mut().enable();
                if self.is_over(name) {
                    return;
                }
                ended.await;
            }
        };
        timeout(limit, over).await.map_err(|_| {
            LabError::new(
                Cause::HostRefused,
                format!(
                    "{name} is still being made after {} s, and cannot be removed before",
                    limit.as_secs()
                ),
            )
            .with_hint("see whether libvirtd hangs; `patchgate clean` removes it then")
        })
    }
}

impl Busy {
    /// Tells whether somebody waits for it.
    pub fn halt(&self) -> &Halt {
        &self.halt
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut names = self.making.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = names.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                names.remove(&self.name);
            }
        }
        self.making.0.ended.notify_waiters();
    }
}

impl Halt {
    /// The end of a long work that nobody waits for.
    pub fn check(&self) -> Result<(), LabError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(LabError::new(Cause::Interrupted, "nobody waits for it any more"));
        }
        Ok(())
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::libvirt::link::blocking;

    #[tokio::test]
    async fn what_is_made_after_its_time_is_waited_for_before_it_is_removed() {
        let making = Making::default();
        let (busy, waits) = making.begin("pg-1-web");
        let made = Arc::new(AtomicBool::new(false));
        let late = made.clone();
        let halted = busy.halt().clone();
        let answer = blocking("making".into(), Duration::from_millis(20), move || {
            let _busy = busy;
            std::thread::sleep(Duration::from_millis(300));
            late.store(true, Ordering::Relaxed);
            Ok(())
        });
        assert!(answer.await.is_err(), "it takes too long");
        assert!(halted.check().is_ok());
        drop(waits);
        assert!(halted.check().is_err());
        let early = making.over("pg-1-web", Duration::from_millis(20)).await;
        assert!(early.is_err_and(|error| error.message.contains("still being made")));
        making
            .over("another", Duration::from_millis(20))
            .await
            .expect("nothing to wait for");
        making
            .over("pg-1-web", Duration::from_secs(10))
            .await
            .expect("it ends");
        assert!(made.load(Ordering::Relaxed));
    }
}
