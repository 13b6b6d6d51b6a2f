//! `callfeed explain CONVERSATION`: what the store knows of one call, from the announcement to each output.

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;

use super::{Lines, NICKNAME, Out};
use crate::store::trace::{self, Trace};
use crate::store::{OneApp, Store, ledger};

/// Prints why a call was or was not collected and delivered.
///
/// # Errors
/// When the store cannot be read or the output fails.
pub async fn explain(state_dir: &Path, conversation_space_id: &str, out: Out) -> anyhow::Result<()> {
    let store = Store::open_existing(state_dir).await?;
    let read = "cannot read the store";
    let trace = trace::of(&store.pool, conversation_space_id.trim()).await.context(read)?;
    let through = ledger::known_through(&store.pool).await.context(read)?;
    let mut out = Lines::new(out);
    for line in lines(&trace, OneApp::is_running(state_dir, NICKNAME), through) {
        out.line(&line).await?;
    }
    Ok(())
}

fn lines(trace: &Trace, running: bool, through: Option<Timestamp>) -> Vec<String> {
    let mut lines = Vec::new();
    match &trace.stored {
        Some(stored) => lines.push(format!(
            "collected: its report is stored since {:.0}; the call ended {}",
            stored.at, stored.call_ended
        )),
        None if trace.pending.is_none() => lines.extend(unknown(running, through)),
        None => {}
    }
    for change in trace.changes.iter().filter(|change| change.revision > 1) {
        lines.push(format!("changed: revision {} has other {}", change.revision, change.changed));
    }
    if let Some(pending) = &trace.pending {
        let what = if trace.stored.is_some() { "to be fetched again" } else { "not collected yet" };
        lines.push(format!(
            "{what}: announced {:.0}, tried {} times, next try {:.0}",
            pending.announced, pending.attempts, pending.next
        ));
    }
    for gap in &trace.gaps {
        let state = if gap.closed.is_some() { "was" } else { "is" };
        lines.push(format!("it {state} listed by callfeed gaps since {:.0}: {}", gap.from, gap.reason));
    }
    for delivery in &trace.deliveries {
        let (output, revision) = (&delivery.output, delivery.revision);
        lines.push(match (&delivery.refused, delivery.taken, &delivery.failure) {
            (Some(reason), ..) => format!(
                "output {output}: revision {revision} was refused and put aside ({reason}); callfeed outputs replay \
                 {output} delivers it again"
            ),
            (None, true, _) if delivery.before => {
                format!("output {output}: revision {revision} was there before the output began")
            }
            (None, true, _) => format!("output {output}: revision {revision} was delivered"),
            (None, false, Some(failure)) => {
                format!("output {output}: revision {revision} waits, the output takes nothing: {failure}")
            }
            (None, false, None) => format!("output {output}: revision {revision} waits for its turn"),
        });
    }
    if trace.popped {
        lines.push("the screen pop has seen it".to_owned());
    }
    lines
}

fn unknown(running: bool, through: Option<Timestamp>) -> Vec<String> {
    let mut lines = vec!["not collected: nothing told the collector of it".to_owned()];
    lines.push(match (through, running) {
        (None, _) => "it never ran on this store".to_owned(),
        (Some(at), false) => {
            format!("it is not running: if the call ended after {at:.0}, the next start finds it")
        }
        (Some(at), true) => format!(
            "if the call ended after {at:.0}, the next look finds it, within minutes; before that it is a call of another \
             account, one before --since of the first start, or no call at all"
        ),
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{changes, reports as table};

    #[tokio::test]
    async fn each_stage_of_a_call_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let pool = crate::store::testing::open(folder.path()).await.pool;
        let at = |second| Timestamp::from_second(second).unwrap();
        let told = async || lines(&trace::of(&pool, "a").await.unwrap(), true, Some(at(9))).join("\n");
        assert!(told().await.contains("nothing told the collector"));
        table::announce(&pool, "17", "a", at(10)).await.unwrap();
        table::postpone(&pool, "a", at(20)).await.unwrap();
        let text = told().await;
        assert!(text.contains("not collected yet") && text.contains("tried 1 times"), "{text}");
        let raw = r#"{"conversationSpaceId": "a", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "17",
            "callEnded": "2026-02-03T17:02:41Z", "direction": "INBOUND"}"#;
        table::save(&pool, &serde_json::from_str(raw).unwrap(), raw, at(21), None).await.unwrap();
        changes::place(&pool, "webhook", false).await.unwrap();
        changes::place(&pool, "files", true).await.unwrap();
        changes::put_aside(&pool, "webhook", 1, 6, "status 400", at(22)).await.unwrap();
        let text = told().await;
        for part in [
            "collected:",
            "webhook: revision 1 was refused",
            "files: revision 1 was there before the output began",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
