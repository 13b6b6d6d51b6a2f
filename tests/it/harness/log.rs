//! A growing list that others can wait on: the lines of a process, the frames of a socket.

use std::fmt::Debug;
use std::time::Duration;

use tokio::sync::watch;

#[derive(Clone)]
pub struct Log<T> {
    list: watch::Sender<List<T>>,
}

struct List<T> {
    entries: Vec<T>,
    /// Nothing more will come: whoever waits may give up at once.
    closed: bool,
}

impl<T: Clone + Debug> Log<T> {
    pub fn new() -> Self {
        Self { list: watch::Sender::new(List { entries: Vec::new(), closed: false }) }
    }

    pub fn push(&self, entry: T) {
        self.list.send_modify(|list| list.entries.push(entry));
    }

    /// Says that nothing more will come.
    pub fn close(&self) {
        self.list.send_modify(|list| list.closed = true);
    }

    /// Waits until nothing more will come.
    pub async fn closed(&self, deadline: Duration) {
        let mut receiver = self.list.subscribe();
        let closed = tokio::time::timeout(deadline, receiver.wait_for(|list| list.closed)).await;
        assert!(closed.is_ok(), "the stream does not end within {deadline:?}");
    }

    pub fn all(&self) -> Vec<T> {
        self.list.borrow().entries.clone()
    }

    pub fn len(&self) -> usize {
        self.list.borrow().entries.len()
    }

    /// Waits until `look` finds what it wants in the list.
    pub async fn wait<R>(
        &self,
        what: &str,
        deadline: Duration,
        mut look: impl FnMut(&[T]) -> Option<R>,
    ) -> R {
        let mut receiver = self.list.subscribe();
        let mut found = None;
        let enough = receiver.wait_for(|list| {
            found = look(&list.entries);
            found.is_some() || list.closed
        });
        let _ = tokio::time::timeout(deadline, enough).await;
        found.unwrap_or_else(|| {
            let all = self.all();
            let last = &all[all.len().saturating_sub(5)..];
            panic!(
                "{what}: not before the end or within {deadline:?}; {} entries, the last: {last:#?}",
                all.len()
            )
        })
    }
}

impl Log<String> {
    /// The first line with `text` in it.
    pub async fn line_with(&self, text: &str, deadline: Duration) -> String {
        let find = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        self.wait(&format!("a line with {text:?}"), deadline, find).await
    }
}
