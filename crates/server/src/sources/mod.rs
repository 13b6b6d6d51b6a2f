//! Where calls come from. Here: scenarios, through the simulator's own path. Each source gives commands to the
//! engine; the states go through the log and nowhere else.

pub mod log;
pub mod office;
pub mod player;
pub mod recovery;
pub mod simulator;
