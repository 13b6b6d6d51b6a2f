//! `callfeed explain CONVERSATION`: what the store knows of one call, from the announcement to each output.

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use super::{Lines, NICKNAME, Out, counted};
use crate::store::ledger::{self, GapKind};
use crate::store::trace::{self, Trace, Unheard};
use crate::store::{OneApp, Store};

/// What is known of a call, for programs: the facts, and the words for people.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained<'a> {
    conversation_space_id: &'a str,
    /// `None` where no account knows of the call.
    account_key: Option<&'a str>,
    collector_running: bool,
    /// Every call that ended before is known of.
    known_through: Option<Timestamp>,
    #[serde(flatten)]
    trace: &'a Trace,
    told: Vec<String>,
}

/// Prints why a call was or was not collected and delivered; with `json` a document for each account that knows of it.
///
/// # Errors
/// When the store cannot be read or the output fails.
pub async fn explain(
    state_dir: &Path,
    conversation_space_id: &str,
    json: bool,
    out: Out,
) -> anyhow::Result<()> {
    let store = Store::open_existing(state_dir).await?;
    let (read, id) = ("cannot read the store", conversation_space_id.trim());
    let accounts = trace::accounts(&store.pool, id).await.context(read)?;
    let through = ledger::known_through(&store.pool).await.context(read)?;
    let running = OneApp::is_running(state_dir, NICKNAME);
    let mut out = Lines::new(out);
    // Two accounts of one store can have calls with the same id.
    let known = accounts.iter().map(|account| Some(account.as_str()));
    let known: Vec<_> = if accounts.is_empty() { vec![None] } else { known.collect() };
    for account_key in known {
        let trace = trace::of(&store.pool, account_key, id).await.context(read)?;
        let told = lines(&trace, running, through);
        if json {
            let explained = Explained {
                conversation_space_id: id,
                account_key,
                collector_running: running,
                known_through: through,
                trace: &trace,
                told,
            };
            out.line(&serde_json::to_string(&explained)?).await?;
            continue;
        }
        if let Some(account) = account_key.filter(|_| accounts.len() > 1) {
            out.line(&format!("Account {account}:")).await?;
        }
        for line in told {
            out.line(&line).await?;
        }
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
        None => lines.extend(missing(trace, running, through)),
    }
    // Of a call that is known a gap of today says nothing.
    if trace.erased.is_none() && !given_up(trace) {
        lines.extend(trace.unheard.iter().map(|gap| unheard(gap, trace.stored.is_some())));
    }
    for change in trace.changes.iter().filter(|change| change.revision > 1) {
        lines.push(format!("changed: revision {} has other {}", change.revision, change.changed));
    }
    if let Some(pending) = &trace.pending {
        let what = if trace.stored.is_some() { "to be fetched again" } else { "not collected yet" };
        lines.push(format!(
            "{what}: announced {:.0}, tried {}, next try {:.0}",
            pending.announced,
            counted(pending.attempts, "time", "times"),
            pending.next
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
            (None, false, _) if !delivery.used => format!(
                "output {output}: revision {revision} was not delivered, and the output is not in use any more; a start \
                 with it delivers what it has missed, callfeed outputs forget {output} forgets it"
            ),
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

/// A call may end while nobody can be told: looks at the list of finished calls cover that.
fn unheard(gap: &Unheard, stored: bool) -> String {
    let Unheard { kind, reason, from, closed } = gap;
    // Such a gap begins at the last look: the program may have run on for a while, and heard of the call.
    let is_sure = kind != GapKind::Downtime.as_str();
    match (stored, closed) {
        (true, closed) if !is_sure => {
            let looked = match closed {
                Some(closed) => format!("that time was looked through at {closed:.0}"),
                None => "that time is still being looked through".to_owned(),
            };
            format!(
                "it ended after {from:.0}, the last look before the program stopped: no notification of it need have \
                 arrived ({reason}); {looked}"
            )
        }
        (true, Some(closed)) => format!(
            "it ended while no notification could arrive ({kind} from {from:.0}: {reason}); that time was looked through at \
             {closed:.0}"
        ),
        (true, None) => format!(
            "it ended while no notification could arrive ({kind} from {from:.0}: {reason}); that time is still being \
             looked through"
        ),
        (false, _) => format!(
            "a gap is open ({kind} from {from:.0}: {reason}): if the call ended in that time, the look that closes it finds it"
        ),
    }
}

/// It was announced, and is not waited for any more.
fn given_up(trace: &Trace) -> bool {
    let waits = trace.stored.is_some() || trace.pending.is_some() || trace.erased.is_some();
    !waits && trace.gaps.iter().any(|gap| gap.closed.is_none() || gap.lost)
}

/// Why a report is not stored; nothing where it is still on its way.
fn missing(trace: &Trace, running: bool, through: Option<Timestamp>) -> Vec<String> {
    if let Some(at) = trace.erased {
        return vec![format!(
            "erased {at:.0}: by callfeed erase, or since the days of --keep-days were over; it is not fetched again"
        )];
    }
    match trace.pending {
        Some(_) => Vec::new(),
        None if given_up(trace) => {
            vec![
                "given up: it was announced, and for as long as it was asked for its report could not be had"
                    .to_owned(),
            ]
        }
        None => unknown(running, through),
    }
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
    use crate::store::testing::asked;
    use crate::store::{causes, changes, reports as table};
    use sdk::pull::Watermark;

    #[tokio::test]
    async fn each_stage_of_a_call_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let pool = crate::store::testing::open(folder.path()).await.pool;
        let at = |second| Timestamp::from_second(second).unwrap();
        let told = async || {
            let accounts = trace::accounts(&pool, "a").await.unwrap();
            let account = accounts.first().map(String::as_str);
            lines(&trace::of(&pool, account, "a").await.unwrap(), true, Some(at(9))).join("\n")
        };
        assert!(told().await.contains("nothing told the collector"));
        table::announce(&pool, "17", "a", at(10)).await.unwrap();
        table::postpone(&pool, "17", &asked("a"), at(20)).await.unwrap();
        let text = told().await;
        assert!(text.contains("not collected yet") && text.contains("tried 1 time,"), "{text}");
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

    #[tokio::test]
    async fn what_an_output_that_is_not_used_any_more_has_not_got_waits_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let pool = crate::store::testing::open(folder.path()).await.pool;
        let at = Timestamp::from_second(20).unwrap();
        let raw = r#"{"conversationSpaceId": "a", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "17",
            "callEnded": "2026-02-03T17:02:41Z", "direction": "INBOUND"}"#;
        table::save(&pool, &serde_json::from_str(raw).unwrap(), raw, at, None).await.unwrap();
        for name in ["old", "webhook"] {
            changes::place(&pool, name, false).await.unwrap();
        }
        let told = async |json| {
            let (mut reader, writer) = tokio::io::duplex(64 * 1024);
            explain(folder.path(), " a\n", json, Box::new(writer)).await.unwrap();
            let mut text = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text).await.unwrap();
            text
        };
        assert!(
            told(false).await.contains("output old: revision 1 waits for its turn"),
            "no start has said more"
        );
        changes::use_outputs(&pool, &["webhook".to_owned()]).await.unwrap();
        let text = told(false).await;
        assert!(
            text.contains("output old: revision 1 was not delivered, and the output is not in use"),
            "{text}"
        );
        assert!(text.contains("output webhook: revision 1 waits for its turn"), "{text}");

        let facts: serde_json::Value = serde_json::from_str(&told(true).await).unwrap();
        assert_eq!(
            (&facts["accountKey"], &facts["collectorRunning"]),
            (&"17".into(), &false.into()),
            "{facts}"
        );
        assert_eq!(facts["stored"]["callEnded"], "2026-02-03T17:02:41Z");
        let used: Vec<_> = facts["deliveries"].as_array().unwrap().iter().map(|one| &one["used"]).collect();
        assert_eq!(used, [false, true]);
        let lines: Vec<_> =
            facts["told"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        assert_eq!(lines.join("\n"), text.trim_end(), "the same facts");
    }

    #[tokio::test]
    async fn an_erased_call_and_one_that_was_given_up_are_told_as_that() {
        let folder = tempfile::tempdir().unwrap();
        let pool = crate::store::testing::open(folder.path()).await.pool;
        let at = |second| Timestamp::from_second(second).unwrap();
        let told = async |id| {
            let accounts = trace::accounts(&pool, id).await.unwrap();
            let account = accounts.first().map(String::as_str);
            lines(&trace::of(&pool, account, id).await.unwrap(), true, Some(at(9))).join("\n")
        };
        for id in ["erased", "lost"] {
            table::announce(&pool, "17", id, at(10)).await.unwrap();
        }
        let call =
            table::CallKey { conversation_space_id: "erased".to_owned(), account_key: "17".to_owned() };
        crate::store::privacy::erase_calls(&pool, [&call], at(20)).await.unwrap();
        let text = told("erased").await;
        assert!(text.starts_with("erased 1970-01-01T00:00:20Z") && !text.contains("told the"), "{text}");
        ledger::open_gap(&pool, "17", GapKind::Report, "lost", "status 404", at(30)).await.unwrap();
        assert!(told("lost").await.starts_with("not collected yet: announced"), "{}", told("lost").await);
        causes::give_up(&pool, "17", &asked("lost"), at(40)).await.unwrap();
        let text = told("lost").await;
        assert!(text.starts_with("given up:") && text.contains("in vain for 400 days"), "{text}");
        assert!(!text.contains("told the collector"), "{text}");
    }

    #[tokio::test]
    async fn of_a_call_after_the_last_look_nobody_says_that_it_was_not_heard_of() {
        let folder = tempfile::tempdir().unwrap();
        let pool = crate::store::testing::open(folder.path()).await.pool;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let raw = r#"{"conversationSpaceId": "a", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "17",
            "callEnded": "2026-02-03T17:02:41Z", "direction": "INBOUND"}"#;
        let stored = at("2026-02-03T17:02:42Z");
        table::save(&pool, &serde_json::from_str(raw).unwrap(), raw, stored, None).await.unwrap();
        let (looked, why) = (at("2026-02-03T17:01:00Z"), "the program did not run");
        ledger::open_gap(&pool, "17", GapKind::Downtime, "", why, looked).await.unwrap();
        let text = lines(&trace::of(&pool, Some("17"), "a").await.unwrap(), true, None).join("\n");
        assert!(text.contains("it ended after 2026-02-03T17:01:00Z, the last look"), "{text}");
        assert!(text.contains("still being looked through") && !text.contains("could arrive"), "{text}");
    }

    /// It was under way when the connection broke, and over when it stood again.
    #[tokio::test]
    async fn a_call_that_ended_unheard_is_told_with_the_gap_that_covers_it() {
        let folder = tempfile::tempdir().unwrap();
        let pool = crate::store::testing::open(folder.path()).await.pool;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        ledger::begin(&pool, "17", at("2026-02-03T16:00:00Z"), &[]).await.unwrap();
        let lost = at("2026-02-03T17:01:00Z");
        ledger::open_gap(&pool, "17", GapKind::Connection, "", "closed by the server", lost).await.unwrap();
        let told =
            async |account| lines(&trace::of(&pool, account, "a").await.unwrap(), true, None).join("\n");
        let open = "a gap is open (connection from 2026-02-03T17:01:00Z: closed by the server)";
        assert!(told(None).await.contains(open), "{}", told(None).await);

        let (back, mark) = (at("2026-02-03T17:05:00Z"), Watermark::new(at("2026-02-03T17:05:00Z")));
        table::announce(&pool, "17", "a", back).await.unwrap();
        assert!(told(Some("17")).await.contains(open), "its end is not known yet");
        let newest = ledger::newest_gap(&pool).await.unwrap();
        ledger::looked(&pool, "17", mark, Some((newest, back)), 1).await.unwrap();
        for (account, ended) in [("17", "2026-02-03T17:02:41.35Z"), ("18", "2026-02-03T17:02:41.35Z")] {
            let raw = format!(
                r#"{{"conversationSpaceId": "a", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "{account}",
                    "callEnded": "{ended}", "direction": "INBOUND"}}"#
            );
            table::save(&pool, &serde_json::from_str(&raw).unwrap(), &raw, back, None).await.unwrap();
        }
        let text = told(Some("17")).await;
        assert!(text.contains("it ended while no notification could arrive (connection"), "{text}");
        assert!(text.contains("looked through at 2026-02-03T17:05:00Z"), "{text}");
        assert!(
            !told(Some("18")).await.contains("no notification"),
            "another account's gap says nothing of it"
        );
    }
}
