//! Counts what was seen of each call: one report, one pop, and how long they took.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apps::reports::StoredReport;
use apps::screen_pop::Pop;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Notify;
use wire::call_events::CallEvent;

use super::terminal::Terminal;

/// What was seen of one call.
#[derive(Default)]
struct Seen {
    /// Played to its end; whether it was an inbound one.
    played: Option<bool>,
    pops: u32,
    reports: u32,
    /// From the call's first state to its card on the demo's page, in milliseconds.
    ring_to_pop_ms: Option<i64>,
    end_to_report_ms: Option<i64>,
    /// A card that came before its pop was told.
    card: Option<Timestamp>,
    created: Option<Timestamp>,
}

pub struct Tally {
    pub terminal: Terminal,
    calls: Mutex<HashMap<String, Seen>>,
    page_open: std::sync::atomic::AtomicBool,
    changed: Notify,
}

impl Tally {
    pub fn new(terminal: Terminal) -> Self {
        Self {
            terminal,
            calls: Mutex::default(),
            page_open: std::sync::atomic::AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    pub fn page_opened(&self) {
        self.page_open.store(true, std::sync::atomic::Ordering::Release);
    }

    pub fn page_is_open(&self) -> bool {
        self.page_open.load(std::sync::atomic::Ordering::Acquire)
    }

    /// A call was played to its end.
    pub fn played(&self, id: String, inbound: bool) {
        self.lock().entry(id).or_default().played = Some(inbound);
        self.changed.notify_waiters();
    }

    /// A state of a call, for the terminal.
    pub fn call_event(&self, event: &CallEvent) {
        self.terminal.call_event(event);
    }

    /// The screen pop raised a pop. Shown before it is counted, so that the summary comes last.
    pub fn pop(&self, pop: &Pop) {
        self.terminal.pop(pop);
        let mut calls = self.lock();
        let seen = calls.entry(pop.conversation_space_id.clone()).or_default();
        seen.pops += 1;
        seen.created = Some(pop.call_created);
        seen.measure_pop();
        drop(calls);
        self.changed.notify_waiters();
    }

    /// A card reached the demo's page.
    pub fn card(&self, id: &str) {
        let mut calls = self.lock();
        let seen = calls.entry(id.to_owned()).or_default();
        seen.card.get_or_insert_with(Timestamp::now);
        seen.measure_pop();
        drop(calls);
        self.changed.notify_waiters();
    }

    /// The report collector stored and printed a report. Shown before it is counted.
    pub fn report(&self, report: &StoredReport) {
        let arrived = Timestamp::now();
        self.terminal.report(report);
        let mut calls = self.lock();
        let seen = calls.entry(report.conversation_space_id.clone()).or_default();
        seen.reports += 1;
        if let Ok(ended) = report.call_ended.parse::<Timestamp>() {
            seen.end_to_report_ms.get_or_insert(ms_since(ended, arrived));
        }
        drop(calls);
        self.changed.notify_waiters();
    }

    /// Waits until every played call has its report and pop, or `most` has passed.
    pub async fn wait_complete(&self, most: Duration) {
        let complete = async {
            loop {
                let changed = self.changed.notified();
                if self.lock().values().all(Seen::is_complete) {
                    return;
                }
                changed.await;
            }
        };
        // Whatever is missing then is counted as lost.
        let _ = tokio::time::timeout(most, complete).await;
    }

    /// Prints the summary. True when every call has exactly one report and every inbound call exactly one pop.
    pub fn finish(&self) -> bool {
        let calls = self.lock();
        let played: Vec<&Seen> = calls.values().filter(|seen| seen.played.is_some()).collect();
        let inbound = played.iter().filter(|seen| seen.played == Some(true)).count();
        let lost = played.iter().filter(|seen| seen.reports == 0 || seen.lacks_pop()).count();
        let duplicates = calls.values().filter(|seen| seen.reports > 1 || seen.pops > 1).count();
        let ring_to_pop = Times::new(calls.values().filter_map(|seen| seen.ring_to_pop_ms));
        let end_to_report = Times::new(calls.values().filter_map(|seen| seen.end_to_report_ms));
        let summary = json!({
            "calls": played.len(),
            "inbound": inbound,
            "pops": calls.values().filter(|seen| seen.pops > 0 && seen.card.is_some()).count(),
            "reports": calls.values().filter(|seen| seen.reports > 0).count(),
            "lost": lost,
            "duplicates": duplicates,
            "ring_to_pop_ms_p50": ring_to_pop.percentile(50),
            "ring_to_pop_ms_p99": ring_to_pop.percentile(99),
            "end_to_report_ms_p99": end_to_report.percentile(99),
        });
        let complete = played.iter().all(|seen| seen.is_complete()) && duplicates == 0;
        drop(calls);
        self.terminal.summary(&summary);
        complete
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        // Counters: whole after every step.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn lacks_pop(&self) -> bool {
        self.played == Some(true) && (self.pops == 0 || self.card.is_none())
    }

    fn is_complete(&self) -> bool {
        self.played.is_some() && self.reports == 1 && !self.lacks_pop() && self.pops <= 1
    }

    fn measure_pop(&mut self) {
        if let (Some(created), Some(card)) = (self.created, self.card) {
            self.ring_to_pop_ms.get_or_insert(ms_since(created, card));
        }
    }
}

/// Call states carry milliseconds cut off, so up to one too many is measured; never less than nothing.
fn ms_since(start: Timestamp, end: Timestamp) -> i64 {
    (end.as_millisecond() - start.as_millisecond()).max(0)
}

/// Sorted milliseconds.
struct Times(Vec<i64>);

impl Times {
    fn new(times: impl Iterator<Item = i64>) -> Self {
        let mut times: Vec<i64> = times.collect();
        times.sort_unstable();
        Self(times)
    }

    /// Nearest rank; `None` without any.
    fn percentile(&self, percent: usize) -> Option<i64> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let times = Times::new((1..=200).rev());
        assert_eq!(times.percentile(50), Some(100));
        assert_eq!(times.percentile(99), Some(198));
        assert_eq!(Times::new([7].into_iter()).percentile(99), Some(7));
        assert_eq!(Times::new(std::iter::empty()).percentile(50), None);
    }
}
