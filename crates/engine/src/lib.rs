//! callfeed engine
