//! The fake lab's proxy: nothing passes it, and it says what a test wants it to say.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::model::event::Traffic;
use crate::port::{Forbidden, LabError, Proxy, ProxyLauncher, ProxySpec};

/// Starts fake proxies.
#[derive(Clone, Default)]
pub struct FakeProxies {
    refusal: Arc<Mutex<Option<LabError>>>,
    breached: Arc<AtomicBool>,
    running: Arc<AtomicBool>,
}

impl FakeProxies {
    /// Makes the next starts fail.
    pub fn refuse(&self, error: LabError) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Makes a packet arrive where none may.
    pub fn breach(&self) {
        self.breached.store(true, Ordering::Relaxed);
    }

    /// Whether one runs.
    pub fn running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ProxyLauncher for FakeProxies {
    async fn start(&self, _: &ProxySpec) -> Result<Box<dyn Proxy>, LabError> {
        if let Some(error) = self
            .refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
        {
            return Err(error);
        }
        self.running.store(true, Ordering::Relaxed);
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Proxy for FakeProxies {
    fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 213, 0, 1), 3128)
    }

    fn forbidden(&self) -> Forbidden {
        Forbidden::default()
    }

    fn breaches(&self) -> Vec<String> {
        let breached = self.breached.load(Ordering::Relaxed);
        breached
            .then(|| "a UDP packet from 10.213.0.2:1 to 10.213.0.1:4712".to_owned())
            .into_iter()
            .collect()
    }

    async fn stop(&self) -> Traffic {
        self.running.store(false, Ordering::Relaxed);
        Traffic {
            requests: 2,
            mirror_bytes: 1_048_576,
            cache_bytes: 1024,
            refused: Vec::new(),
        }
    }
}
