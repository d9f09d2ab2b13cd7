//! A port that leads to another: for a server whose port is known only after the settings that name it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub struct Forward {
    port: u16,
    to: Arc<Mutex<Option<SocketAddr>>>,
    forwarding: JoinHandle<()>,
}

impl Forward {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let target = Arc::clone(&to);
        let forwarding = tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                let Some(there) = *target.lock().unwrap() else {
                    continue;
                };
                tokio::spawn(async move {
                    if let Ok(mut there) = TcpStream::connect(there).await {
                        let _ = copy_bidirectional(&mut here, &mut there).await;
                    }
                });
            }
        });
        Self {
            port,
            to,
            forwarding,
        }
    }

    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub fn to(&self, server: &str) {
        *self.to.lock().unwrap() = Some(server.parse().unwrap());
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}
