//! Ports: free ones, and the two that the tutorials fix for everybody.

use std::fs::File;
use std::net::TcpListener;

use super::{SOON, eventually};

/// A port that nobody listens on. Below the range from which the system itself hands out ports, so that it
/// is still free when a killed platform comes back to it.
pub fn free() -> u16 {
    std::iter::repeat_with(|| fastrand::u16(15_000..32_000))
        .take(1_000)
        .find(|port| is_free(*port))
        .expect("one of a thousand ports is free")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// The right to use a port that is fixed by a tutorial's redirect URI; other test runs wait until it is given back.
pub struct Reserved {
    _lock: File,
}

/// Waits for the right to use `port`.
pub async fn reserve(port: u16) -> Reserved {
    let path = std::env::temp_dir().join(format!("callfeed-test-port-{port}.lock"));
    let lock = tokio::task::spawn_blocking(move || {
        let file = File::create(&path).expect("the temporary folder can be written");
        file.lock().expect("the lock is free one day");
        file
    });
    let reserved = Reserved { _lock: lock.await.expect("locking does not panic") };
    eventually(&format!("port {port} is free"), SOON, async || is_free(port).then_some(())).await;
    reserved
}
