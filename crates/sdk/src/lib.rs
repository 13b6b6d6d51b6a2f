//! callfeed sdk
