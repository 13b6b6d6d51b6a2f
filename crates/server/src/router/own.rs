//! Callfeed's own paths, beside the GoTo APIs.

use schemars::json_schema;
use serde_json::{Value, json};

use crate::limits;
use crate::openapi;
use crate::openapi::operation::{Operation, op};
use crate::openapi::routes::Routes;
use crate::ops::metrics;
use crate::sources::simulator;

pub fn routes() -> Routes {
    Routes::new("Callfeed", "")
        .post("/simulator/v1/calls", simulator::calls, simulate())
        .get(
            "/healthz",
            || async { "ok" },
            op("healthy", "Whether the platform answers").answer(200, "It does.").bytes("text/plain"),
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
             report is, last `{\"done\": true}`. Empty lines keep it alive.",
        )
        .client()
        .body::<simulator::CallRequest>("", call_bounds())
        .answer(200, "JSON lines.")
        .bytes("application/x-ndjson")
        .errors(&[404])
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
