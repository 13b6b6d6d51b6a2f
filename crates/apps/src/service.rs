//! What a service manager is told (`sd_notify(3)`): that the program is ready, lives, and stops. Without one nothing
//! happens.

use std::time::Duration;

/// The socket of the service manager, if there is one.
#[derive(Debug)]
pub struct Manager {
    #[cfg(unix)]
    socket: Option<(std::os::unix::net::UnixDatagram, std::os::unix::net::SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// Reads `NOTIFY_SOCKET`, and `WATCHDOG_USEC` in microseconds.
    #[must_use]
    pub fn of_environment() -> Self {
        let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        Self {
            #[cfg(unix)]
            socket: std::env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name)),
            watchdog: watchdog.map(Duration::from_micros).filter(|time| !time.is_zero()),
        }
    }

    /// Between two signs of life: half of what the manager waits for.
    #[must_use]
    pub fn sign_of_life_every(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    pub fn ready(&self) {
        self.say("READY=1");
    }

    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    #[cfg(unix)]
    fn say(&self, text: &str) {
        // A manager that has gone is no reason to fail.
        if let Some((socket, manager)) = &self.socket {
            let _ = socket.send_to_addr(text.as_bytes(), manager);
        }
    }

    #[cfg(not(unix))]
    fn say(&self, _text: &str) {}
}

#[cfg(unix)]
fn connect(
    name: &std::ffi::OsStr,
) -> Option<(std::os::unix::net::UnixDatagram, std::os::unix::net::SocketAddr)> {
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;
        // A leading @ stands for the zero byte of an abstract name.
        if let Some(name) = name.as_bytes().strip_prefix(b"@") {
            return Some((UnixDatagram::unbound().ok()?, SocketAddr::from_abstract_name(name).ok()?));
        }
    }
    Some((UnixDatagram::unbound().ok()?, SocketAddr::from_pathname(name).ok()?))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_what_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let us = Manager { socket: connect(path.as_os_str()), watchdog: None };
        us.ready();
        let mut heard = [0; 32];
        let bytes = manager.recv(&mut heard).unwrap();
        assert_eq!(&heard[..bytes], b"READY=1");
    }
}
