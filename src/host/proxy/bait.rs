//! Listeners that no clone may reach: what arrives there shows that the isolation does not hold.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

use crate::port::Forbidden;

/// Arrivals that are kept.
const CAUGHT_LIMIT: usize = 20;

/// A TCP and a UDP listener at an address of this machine, until it is dropped.
pub struct Bait {
    tcp: SocketAddr,
    udp: SocketAddr,
    caught: Arc<Mutex<Vec<String>>>,
    tasks: [JoinHandle<()>; 2],
}

impl Bait {
    /// Begins to listen at two free ports.
    pub async fn lay(address: Ipv4Addr) -> io::Result<Self> {
        let tcp = TcpListener::bind((address, 0)).await?;
        let udp = UdpSocket::bind((address, 0)).await?;
        let (tcp_at, udp_at) = (tcp.local_addr()?, udp.local_addr()?);
        let caught = Arc::new(Mutex::new(Vec::new()));
        let (by_tcp, by_udp) = (caught.clone(), caught.clone());
        let tasks = [
            tokio::spawn(async move {
                while let Ok((_, from)) = tcp.accept().await {
                    note(&by_tcp, format!("a TCP connection from {from} to {tcp_at}"));
                }
            }),
            tokio::spawn(async move {
                while let Ok((_, from)) = udp.recv_from(&mut [0; 64]).await {
                    note(&by_udp, format!("a UDP packet from {from} to {udp_at}"));
                }
            }),
        ];
        Ok(Self {
            tcp: tcp_at,
            udp: udp_at,
            caught,
            tasks,
        })
    }

    /// Where it listens.
    pub fn forbidden(&self) -> Forbidden {
        Forbidden {
            tcp: vec![self.tcp],
            udp: vec![self.udp],
            name: None,
            refused: Vec::new(),
        }
    }

    /// What arrived.
    pub fn caught(&self) -> Vec<String> {
        self.caught.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Bait {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn note(caught: &Mutex<Vec<String>>, what: String) {
    let mut caught = caught.lock().unwrap_or_else(PoisonError::into_inner);
    if caught.len() < CAUGHT_LIMIT {
        caught.push(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_arrives_is_noted() {
        let bait = Bait::lay(Ipv4Addr::LOCALHOST).await.expect("bait");
        assert_eq!(bait.caught(), Vec::<String>::new());
        let forbidden = bait.forbidden();
        tokio::net::TcpStream::connect(forbidden.tcp[0])
            .await
            .expect("TCP");
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("socket");
        socket.send_to(b"x", forbidden.udp[0]).await.expect("UDP");
        for _ in 0..500 {
            if bait.caught().len() == 2 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{:?}", bait.caught());
    }
}
