//! From a listening socket to requests, with TLS or without: what the platform and the apps' pages have in common, since
//! neither may know the other.

pub mod limits;
mod server;
pub mod tls;

pub use server::{Bounds, Refusal, Seat, Server, connections_max};
pub use tls::{Served, TlsError, TlsFiles};
