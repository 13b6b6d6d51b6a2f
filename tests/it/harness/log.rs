//! A growing list that others can wait on: the lines of a process, the frames of a socket.

use std::fmt::Debug;
use std::time::Duration;

use tokio::sync::watch;

#[derive(Clone)]
pub struct Log<T> {
    entries: watch::Sender<Vec<T>>,
}

impl<T: Clone + Debug> Log<T> {
    pub fn new() -> Self {
        Self { entries: watch::Sender::new(Vec::new()) }
    }

    pub fn push(&self, entry: T) {
        self.entries.send_modify(|entries| entries.push(entry));
    }

    pub fn all(&self) -> Vec<T> {
        self.entries.borrow().clone()
    }

    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Waits until `look` finds what it wants in the list.
    pub async fn wait<R>(
        &self,
        what: &str,
        deadline: Duration,
        mut look: impl FnMut(&[T]) -> Option<R>,
    ) -> R {
        let mut receiver = self.entries.subscribe();
        let mut found = None;
        let wanted = receiver.wait_for(|entries| {
            found = look(entries);
            found.is_some()
        });
        if tokio::time::timeout(deadline, wanted).await.is_err() {
            let all = self.all();
            let last = &all[all.len().saturating_sub(5)..];
            panic!("{what}: not within {deadline:?}; {} entries, the last: {last:#?}", all.len());
        }
        found.expect("the wait ended because something was found")
    }
}

impl Log<String> {
    /// The first line with `text` in it.
    pub async fn line_with(&self, text: &str, deadline: Duration) -> String {
        let find = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        self.wait(&format!("a line with {text:?}"), deadline, find).await
    }
}
