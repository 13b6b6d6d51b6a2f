//! callfeed ui
