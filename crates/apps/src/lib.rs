//! callfeed apps
