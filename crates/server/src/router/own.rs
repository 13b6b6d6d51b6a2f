//! Callfeed's own paths, beside the GoTo APIs.

use schemars::json_schema;
use serde_json::{Value, json};

use crate::clock::api::{self as clock, ClockRequest};
use crate::console;
use crate::faults::api::{self as faults, FaultRequest};
use crate::limits;
use crate::openapi;
use crate::openapi::operation::{Operation, op};
use crate::openapi::parameters::Parameter;
use crate::openapi::routes::Routes;
use crate::ops::{health, metrics};
use crate::sources::office::{self, OfficeRequest};
use crate::sources::{log, simulator};

pub fn routes() -> Routes {
    Routes::new("Callfeed", "")
        .post("/simulator/v1/calls", simulator::calls, simulate())
        .get("/simulator/v1/faults", faults::list, list_faults())
        .post("/simulator/v1/faults", faults::add, start_fault())
        .delete("/simulator/v1/faults", faults::clear_all, end_all_faults())
        .delete("/simulator/v1/faults/{id}", faults::clear, end_fault())
        .post("/simulator/v1/office", office::office, office_days())
        .get("/simulator/v1/log", log::log, read_log())
        .get("/simulator/v1/clock", clock::read, read_clock())
        .post("/simulator/v1/clock", clock::advance, advance_clock())
        .get("/simulator/v1/journal", console::list, read_journal())
        .get(
            "/healthz",
            health::health,
            op("healthy", "Whether the platform answers and can store calls")
                .answer(200, "It does.")
                .bytes("text/plain")
                .errors(&[503]),
        )
        .get(
            "/metrics",
            metrics::scrape,
            op("scrape", "Numbers for Prometheus, for this machine alone")
                .answer(200, "Prometheus' text format.")
                .bytes("text/plain")
                .errors(&[404]),
        )
        .get(
            "/openapi.json",
            openapi::serve,
            op("readDocument", "This document").answer(200, "OpenAPI 3.1.").content(
                "application/json",
                |_| json_schema!({"type": "object", "required": ["openapi", "info", "paths"]}),
                None,
            ),
        )
}

fn simulate() -> Operation {
    op("simulateCalls", "Play calls")
        .about(
            "The answer is a stream of JSON lines: one when a call's first state is durable, one with `ended` when its \
             report is, last `{\"done\": true}`. Empty lines keep it alive. Of a call of a `file` the second line tells \
             the `part` that it played, whether it was `compared` with what the file expects, and what was `unexpected`.",
        )
        .client()
        .body::<simulator::CallRequest>("", call_bounds())
        .answer(200, "JSON lines.")
        .bytes("application/x-ndjson")
        .errors(&[403, 404])
}

fn list_faults() -> Operation {
    op("listFaults", "What can go wrong on request, and what does")
        .about("`catalogue`, `active`, and `ended` with the newest first. The client's owner must be a super admin.")
        .client()
        .content("application/json", |_| json_schema!({"type": "object"}), None)
        .answer(200, "The faults.")
        .errors(&[403])
}

fn start_fault() -> Operation {
    op("startFault", "Make something go wrong for a while")
        .about("The names and parameters are in the list. A fault ends by itself: after `times` or `forS` seconds.")
        .client()
        .body::<FaultRequest>("", fault_bounds())
        .answer(201, "The fault, with its `id`.")
        .errors(&[403, 404, 409])
}

fn fault_bounds() -> Value {
    json!({"properties": {
        "times": {"minimum": 1, "maximum": limits::FAULT_TIMES_MAX},
        "forS": {"minimum": 1, "maximum": limits::FAULT_LIFE_S_MAX},
    }})
}

fn end_all_faults() -> Operation {
    op("endFaults", "End all faults of the account").client().answer(204, "None is left.").errors(&[403])
}

fn end_fault() -> Operation {
    op("endFault", "End one fault").client().answer(204, "It has ended.").errors(&[403, 404])
}

fn office_days() -> Operation {
    op("playOffice", "Lay out days of the office")
        .about(
            "Calls by the hour, with lunch, evenings and weekends, from now on; they are played as a virtual clock is \
             advanced. The same seed on a fresh platform gives the same log, byte for byte.",
        )
        .client()
        .body::<OfficeRequest>("", json!({"properties": {"days": {"minimum": 1, "maximum": limits::OFFICE_DAYS_MAX}}}))
        .answer(202, "How many `calls`, `from` when and `until` when.")
        .content("application/json", |_| json_schema!({"type": "object", "required": ["calls", "from", "until"]}), None)
        .errors(&[403, 404, 409])
}

fn read_log() -> Operation {
    op("readLog", "The account's event log")
        .about(
            "JSON lines in the order of the log: states of calls, reports, revisions, history, recordings.",
        )
        .client()
        .query([Parameter::integer("after", "Only entries behind this `position`.", i64::MIN, i64::MAX)])
        .answer(200, "JSON lines.")
        .bytes("application/x-ndjson")
        .errors(&[403])
}

fn read_clock() -> Operation {
    op("readClock", "What time it is on the platform")
        .about("`clock` is `system` or `virtual`. The client's owner must be a super admin.")
        .client()
        .answer(200, "The time.")
        .content("application/json", |_| json_schema!({"type": "object", "required": ["clock", "now"]}), None)
        .errors(&[403])
}

fn advance_clock() -> Operation {
    op("advanceClock", "Move a virtual clock forwards")
        .about(
            "Answers when everything that was due on the way has happened, in the order in which it was due: steps of \
             calls, ends of channels, retries of webhooks. 409 unless the platform was started with a virtual clock.",
        )
        .client()
        .body::<ClockRequest>("", json!({}))
        .answer(200, "The time now, the one before (`from`), and how many things happened (`events`).")
        .content("application/json", |_| json_schema!({"type": "object", "required": ["clock", "now"]}), None)
        .errors(&[403, 409])
}

fn read_journal() -> Operation {
    op("readJournal", "The last requests and notifications of the account")
        .about("Recorded from when somebody first asks, or opens the console, until ten minutes after the last look.")
        .client()
        .query([Parameter::integer("after", "Only those with a greater `number`.", i64::MIN, i64::MAX)])
        .answer(200, "`items`, oldest first; secrets are masked.")
        .content("application/json", |_| json_schema!({"type": "object", "required": ["items"]}), None)
        .errors(&[403])
}

fn call_bounds() -> Value {
    let speed = limits::SIMULATOR_SPEED;
    json!({"properties": {
        "scenario": {"enum": ["answered", "missed", "outbound", "internal", "ring-group", "dial-plan"]},
        "speed": {"minimum": speed.start(), "maximum": speed.end()},
        "count": {"minimum": 1, "maximum": limits::SIMULATOR_COUNT_MAX},
        "everyMs": {"maximum": limits::SIMULATOR_EVERY_MS_MAX},
    }})
}
