//! Reports that were stored a moment ago: whoever hears of a report fetches it at once, so the database need not be
//! asked for it. A report changes only by a revision, which takes the place of the one here; what is forgotten with its
//! call is forgotten here too.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::StoredReport;
use crate::limits;

#[derive(Default)]
pub(super) struct RecentReports {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    reports: HashMap<String, StoredReport>,
    /// Oldest first.
    order: VecDeque<String>,
    bytes: usize,
}

impl RecentReports {
    pub(super) fn get(&self, conversation_space_id: &str) -> Option<StoredReport> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.reports.get(conversation_space_id).cloned()
    }

    /// To be called after the commit. The oldest make room.
    pub(super) fn put(&self, conversation_space_id: &str, report: StoredReport) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.bytes += report.report.len();
        if let Some(before) = inner.reports.insert(conversation_space_id.to_owned(), report) {
            inner.bytes -= before.report.len();
        } else {
            inner.order.push_back(conversation_space_id.to_owned());
        }
        while inner.bytes > limits::RECENT_REPORTS_BYTES_MAX {
            let Some(oldest) = inner.order.pop_front() else { break };
            let gone = inner.reports.remove(&oldest).map_or(0, |report| report.report.len());
            inner.bytes -= gone;
        }
    }

    pub(super) fn forget(&self) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Inner::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let recent = RecentReports::default();
        let size = limits::RECENT_REPORTS_BYTES_MAX / 2;
        for id in ["a", "b", "c"] {
            let report = StoredReport { account_key: id.to_owned(), report: vec![b' '; size].into() };
            recent.put(id, report);
        }
        assert!(recent.get("a").is_none());
        assert_eq!(recent.get("c").map(|report| report.account_key), Some("c".to_owned()));
        recent.forget();
        assert!(recent.get("c").is_none());
    }
}
