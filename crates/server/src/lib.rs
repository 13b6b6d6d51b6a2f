//! callfeed server
