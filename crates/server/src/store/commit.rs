//! What one commit of the event log writes: positions, entries, calls, and reports with what makes them findable.

use std::collections::HashMap;
use std::sync::Arc;

use super::StoreResult;
use super::history::{NewHistoryRow, write_history};
use super::insert::{Insert, insert};
use super::log::Entry;
use super::notification_ids::{notification_id, repeated_id};
use super::recordings::write_recordings;
use super::rows::Writing;
use super::writer::{NewReport, Prepared};
use super::{revisions, summaries};
use crate::clock::Clock;

/// Writes all appends, as entries of the clock's time; returns their entries in the order of the log. The caller commits.
pub(super) async fn write(
    tx: &mut Writing<'_>,
    batch: &[&Prepared],
    clock: &Clock,
) -> StoreResult<Vec<Arc<Entry>>> {
    let mut next = take_positions(tx, batch).await?;
    let at_us = clock.now_us();
    let new_id = if clock.is_virtual() { repeated_id } else { notification_id };
    let mut written: Vec<(Arc<Entry>, i64)> = Vec::new();
    for append in batch {
        let position = next.get_mut(append.account_key.as_str()).expect("every account was given positions");
        for new in &append.entries {
            let entry = Entry::new(
                append.account_key.clone(),
                *position,
                append.conversation_space_id.clone(),
                new.kind,
                new_id(&append.account_key, *position),
                at_us,
                new.content.clone(),
            );
            let entry = entry.about(new.subject.clone());
            *position += 1;
            written.push((Arc::new(entry), new.sequence_number));
        }
    }
    write_calls(tx, batch).await?;
    write_reports(tx, batch).await?;
    let history: Vec<_> = batch.iter().flat_map(|append| rows_of_history(append)).collect();
    write_history(tx, &history).await?;
    for append in batch {
        if let Some(revised) = &append.revised {
            revisions::write(tx, append, revised).await?;
        }
    }
    write_entries(tx, &written).await?;
    Ok(written.into_iter().map(|(entry, _)| entry).collect())
}

/// Reserves positions in each account's log; the first one of each.
async fn take_positions<'b>(
    tx: &mut Writing<'_>,
    batch: &[&'b Prepared],
) -> StoreResult<HashMap<&'b str, i64>> {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for append in batch {
        *counts.entry(&append.account_key).or_default() += append.entries.len() as i64;
    }
    // In key order, so that two nodes never wait for each other crosswise.
    let mut accounts: Vec<&str> = counts.keys().copied().collect();
    accounts.sort_unstable();
    let take = "update accounts set log_head = log_head + $1 where account_key = $2 returning log_head";
    let mut next = HashMap::new();
    for account in accounts {
        let count = counts[account];
        let head = tx.number(take, &[count.into(), account.into()]).await?;
        next.insert(account, head - count + 1);
    }
    Ok(next)
}

async fn write_entries(tx: &mut Writing<'_>, entries: &[(Arc<Entry>, i64)]) -> StoreResult<()> {
    let table = Insert {
        into: "log (account_key, position, conversation_space_id, kind, sequence_number,
            notification_id, at_us, content)",
        tail: "",
    };
    insert(tx, &table, entries, |(entry, sequence_number)| {
        [
            (&entry.account_key).into(),
            entry.position.into(),
            (&entry.conversation_space_id).into(),
            entry.kind.as_str().into(),
            (*sequence_number).into(),
            (&entry.notification_id).into(),
            entry.at_us.into(),
            entry.content.get().into(),
        ]
    })
    .await
}

/// Calls that began or ended in this batch, each once: PostgreSQL touches a row once in a statement.
async fn write_calls(tx: &mut Writing<'_>, batch: &[&Prepared]) -> StoreResult<()> {
    let mut rows: Vec<(&Prepared, i64)> = Vec::new();
    let mut place_of: HashMap<&str, usize> = HashMap::new();
    for append in batch {
        let begins = append.entries.first().is_some_and(|entry| entry.sequence_number == 1);
        let ended_us = append.report.as_ref().map_or(0, |report| report.ended_us);
        if append.revised.is_some() || (!begins && append.report.is_none()) {
            continue;
        }
        match place_of.get(append.conversation_space_id.as_str()) {
            Some(place) => rows[*place].1 = ended_us,
            None => {
                place_of.insert(&append.conversation_space_id, rows.len());
                rows.push((append, ended_us));
            }
        }
    }
    let table = Insert {
        into: "calls (conversation_space_id, account_key, created_us, ended_us)",
        tail: " on conflict (conversation_space_id) do update set ended_us = excluded.ended_us",
    };
    insert(tx, &table, &rows, |(append, ended_us)| {
        [
            (&append.conversation_space_id).into(),
            (&append.account_key).into(),
            append.call_created_us.into(),
            (*ended_us).into(),
        ]
    })
    .await
}

fn rows_of_history(append: &Prepared) -> impl Iterator<Item = (&str, &str, &NewHistoryRow)> {
    let (account, id) = (append.account_key.as_str(), append.conversation_space_id.as_str());
    append.history.iter().map(move |row| (account, id, row))
}

/// Reports with what makes them findable.
async fn write_reports(tx: &mut Writing<'_>, batch: &[&Prepared]) -> StoreResult<()> {
    let rows: Vec<(&Prepared, &NewReport)> =
        batch.iter().filter_map(|append| Some((*append, append.report.as_ref()?))).collect();
    let table = Insert {
        into: "reports (conversation_space_id, account_key, call_created_us, call_ended_us, outcome,
            summary, report)",
        tail: "",
    };
    insert(tx, &table, &rows, |(append, report)| {
        [
            (&append.conversation_space_id).into(),
            (&append.account_key).into(),
            append.call_created_us.into(),
            report.ended_us.into(),
            (&report.outcome).into(),
            report.summary.get().into(),
            (&report.report).into(),
        ]
    })
    .await?;
    let (mut parties, mut recordings) = (Vec::new(), Vec::new());
    for (append, report) in rows {
        let (account, id) = (append.account_key.as_str(), append.conversation_space_id.as_str());
        parties.extend(report.parties.iter().map(|party| (id, party)));
        recordings.extend(report.recordings.iter().map(|recording| (account, id, recording)));
    }
    summaries::write_parties(tx, &parties).await?;
    write_recordings(tx, &recordings).await
}
