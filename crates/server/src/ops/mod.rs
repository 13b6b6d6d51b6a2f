//! What running the platform for years asks for, beside what it serves.

pub mod client_address;
pub mod listen;
pub mod metrics;
pub mod request_id;
pub mod retention;
pub mod tls;
