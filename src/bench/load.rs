//! Calls played through the platform's own simulator: the load enters by a door that everybody has.

use server::CallRequest;

use super::platform::Access;
use crate::simulator::{self, Told};

/// States of one call of the scenario that is played.
pub const STATES: usize = 8;
/// Rings three phones, of which one answers: eight states.
const SCENARIO: &str = "ring-group";
/// Calls at full speed take no time but their work.
const FULL_SPEED: f64 = 100_000.0;
/// Calls at a given rate last some 0.14 s each.
const PACED_SPEED: f64 = 100.0;

/// How calls follow each other.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many under way at all times.
    AtOnce(u64),
    /// So many begin each second.
    PerSecond(f64),
}

/// Plays calls; `ended` hears the conversation space of each when its report is durable.
pub async fn play(
    access: &Access,
    count: usize,
    pace: Pace,
    mut ended: impl FnMut(String),
) -> anyhow::Result<()> {
    let (speed, every_ms, at_once) = match pace {
        Pace::AtOnce(calls) => (FULL_SPEED, 0, Some(calls)),
        Pace::PerSecond(calls) => (PACED_SPEED, (PACED_SPEED * 1000.0 / calls).round() as u64, None),
    };
    let request = CallRequest {
        file: None,
        scenario: SCENARIO.to_string(),
        from: None,
        from_name: None,
        to: None,
        speed,
        seed: Some(1),
        record: false,
        count: count as u64,
        every_ms,
        at_once,
    };
    simulator::play(&simulator::client()?, &access.settings, &request, |told| {
        if let Told::Ended(id, _) = told {
            ended(id);
        }
        Ok(())
    })
    .await
}
