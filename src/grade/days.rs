//! The bad days: what goes wrong on each, as faults of the platform.

use serde_json::{Map, Value, json};

pub struct Day {
    pub name: &'static str,
    pub what: &'static str,
    pub faults: &'static [Fault],
    /// The program's socket is gone when the calls are played.
    pub breaks: bool,
    /// The program is killed before the calls and started again after them.
    pub kills: bool,
}

pub struct Fault {
    name: &'static str,
    set: &'static [(&'static str, &'static str)],
    times: Option<u32>,
}

impl Fault {
    /// Body of the request that starts it.
    pub fn wish(&self) -> Value {
        let set: Map<String, Value> =
            self.set.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let mut wish = json!({"fault": self.name, "parameters": set});
        if let Some(times) = self.times {
            wish["times"] = json!(times);
        }
        wish
    }
}

const fn fault(name: &'static str, set: &'static [(&'static str, &'static str)]) -> Fault {
    Fault { name, set, times: None }
}

const REPORTS: (&str, &str) = ("of", "call-events-report");
/// GoTo Connect is not known to send what came while a socket was away.
const NO_REPLAY: Fault = fault("no-replay", &[]);

pub const DAYS: &[Day] = &[
    Day { name: "usual", what: "nothing goes wrong", faults: &[], breaks: false, kills: false },
    Day {
        name: "drop",
        what: "the socket drops, and calls end before it is back",
        faults: &[NO_REPLAY, fault("drop-socket", &[])],
        breaks: true,
        kills: false,
    },
    Day {
        name: "duplicate",
        what: "each report is told of twice",
        faults: &[fault("duplicate", &[REPORTS])],
        breaks: false,
        kills: false,
    },
    Day {
        name: "reorder",
        what: "reports are told of in another order",
        faults: &[fault("reorder", &[REPORTS])],
        breaks: false,
        kills: false,
    },
    Day {
        name: "close",
        what: "the channel is announced to be closed, and closed",
        faults: &[NO_REPLAY, fault("to-be-closed", &[("leadMs", "100")])],
        breaks: true,
        kills: false,
    },
    Day {
        name: "401",
        what: "the first reports are refused: the token is said to have expired",
        faults: &[Fault {
            name: "unauthorized",
            set: &[("code", "AUTHN_EXPIRED_TOKEN"), ("endpoint", "GET /call-events-report/v1/reports")],
            times: Some(2),
        }],
        breaks: false,
        kills: false,
    },
    Day {
        name: "404-then-200",
        what: "a report is not there for the first three seconds",
        faults: &[fault("report-later", &[("delayMs", "3000")])],
        breaks: false,
        kills: false,
    },
    Day {
        name: "kill",
        what: "the program is killed, and started again after the calls",
        faults: &[],
        breaks: false,
        kills: true,
    },
];
