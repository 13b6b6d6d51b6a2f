//! Finished calls by time, people, lines and numbers: the summaries of their reports.

use sqlx::{AssertSqlSafe, Row as _};
use wire::report::{ReportPartyType, Summary};

use super::insert::{Insert, insert};
use super::rows::Writing;
use super::{KeyKind, Store, StoreResult};
use crate::limits;

/// Which summaries; the account is always one, and one the caller may see.
#[derive(Clone, Debug)]
pub struct SummaryQuery<'a> {
    pub account_key: &'a str,
    /// The end of the call: from, inclusive, and until, exclusive.
    pub ended_us: (i64, i64),
    /// Calls with any of these in them; without it all.
    pub parties: Option<(KeyKind, Vec<&'a str>)>,
    pub outcome: Option<&'a str>,
    /// `true`: calls within the account only; `false`: calls with an outside party only.
    pub internal: Option<bool>,
    /// Only what comes after this place: `(created, conversation space)`.
    pub after: Option<(i64, &'a str)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRow {
    pub call_created_us: i64,
    pub conversation_space_id: String,
    /// The summary as JSON text.
    pub summary: String,
}

/// Kind and value of everybody in a call whom a filter can name, each once.
pub(super) fn parties(summary: &Summary) -> Vec<(KeyKind, String)> {
    let mut found = Vec::new();
    for party in std::iter::once(&summary.caller).chain(&summary.participants) {
        match &party.kind {
            ReportPartyType::Line(line) | ReportPartyType::Agent(line) => {
                found.push((KeyKind::Line, line.line_id.clone()));
                found.extend(line.user_key.clone().map(|key| (KeyKind::User, key)));
            }
            ReportPartyType::PhoneNumber(party) => {
                found.push((KeyKind::PhoneNumber, party.phone_number_id.clone()));
            }
            ReportPartyType::Other(_) => {}
        }
    }
    found.sort_unstable_by(|a, b| (a.0.as_str(), &a.1).cmp(&(b.0.as_str(), &b.1)));
    found.dedup();
    found
}

/// One row for each party: `(conversation space, party)`.
pub(super) async fn write_parties(
    tx: &mut Writing<'_>,
    rows: &[(&str, &(KeyKind, String))],
) -> StoreResult<()> {
    let table = Insert { into: "report_parties (conversation_space_id, kind, value)", tail: "" };
    insert(tx, &table, rows, |(id, (kind, value))| [(*id).into(), kind.as_str().into(), value.into()]).await
}

/// `$first, $first+1, …`.
pub(super) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

impl Store {
    /// Everybody whom a finished call's report names, as filters and subscriptions can.
    pub async fn parties_of_report(
        &self,
        conversation_space_id: &str,
    ) -> StoreResult<Vec<(KeyKind, String)>> {
        let rows = sqlx::query("select kind, value from report_parties where conversation_space_id = $1")
            .bind(conversation_space_id)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(|row| Ok((KeyKind::read(row.try_get("kind")?), row.try_get("value")?))).collect()
    }

    /// Newest call first, at most `limit`.
    pub async fn summaries(&self, wanted: &SummaryQuery<'_>, limit: i64) -> StoreResult<Vec<SummaryRow>> {
        let (created_us, id) = wanted.after.unwrap_or((i64::MAX, ""));
        let earliest_us = self.earliest_call(wanted).await?;
        // A call is created before it ends, so the index by creation bounds the search too.
        let mut text = "select r.call_created_us, r.conversation_space_id, r.summary from reports r
             where r.account_key = $1 and r.call_ended_us >= $2 and r.call_ended_us < $3
                and r.call_created_us < $3 and r.call_created_us >= $8 and (r.call_created_us < $4
                    or (r.call_created_us = $4 and r.conversation_space_id < $5))
                and ($6 = '' or r.outcome = $6)"
            .to_owned();
        let outside = "exists (select 1 from report_parties o
             where o.conversation_space_id = r.conversation_space_id and o.kind = 'phone-number')";
        match wanted.internal {
            Some(true) => text.push_str(&format!(" and not {outside}")),
            Some(false) => text.push_str(&format!(" and {outside}")),
            None => {}
        }
        if let Some((_, values)) = &wanted.parties {
            let values = placeholders(10, values.len());
            text.push_str(&format!(
                " and exists (select 1 from report_parties p
                    where p.conversation_space_id = r.conversation_space_id
                        and p.kind = $9 and p.value in ({values}))"
            ));
        }
        text.push_str(" order by r.call_created_us desc, r.conversation_space_id desc limit $7");
        // The text holds nothing but the words above and placeholders.
        let mut select = sqlx::query(AssertSqlSafe(text))
            .bind(wanted.account_key)
            .bind(wanted.ended_us.0)
            .bind(wanted.ended_us.1)
            .bind(created_us)
            .bind(id)
            .bind(wanted.outcome.unwrap_or_default())
            .bind(limit)
            .bind(earliest_us);
        if let Some((kind, values)) = &wanted.parties {
            select = select.bind(kind.as_str());
            for value in values {
                select = select.bind(*value);
            }
        }
        let rows = select.fetch_all(&self.read).await?;
        rows.iter()
            .map(|row| {
                Ok(SummaryRow {
                    call_created_us: row.try_get("call_created_us")?,
                    conversation_space_id: row.try_get("conversation_space_id")?,
                    summary: row.try_get("summary")?,
                })
            })
            .collect()
    }

    /// No call that ended in the wanted time was created before.
    async fn earliest_call(&self, wanted: &SummaryQuery<'_>) -> StoreResult<i64> {
        // The index of long calls stands for exactly these words.
        let long = "select min(call_created_us) as earliest_us from reports
             where account_key = $1 and call_ended_us >= $2 and call_ended_us < $3
                and call_ended_us - call_created_us > 86400000000";
        let row = sqlx::query(long)
            .bind(wanted.account_key)
            .bind(wanted.ended_us.0)
            .bind(wanted.ended_us.1)
            .fetch_one(&self.read)
            .await?;
        let of_short = wanted.ended_us.0.saturating_sub(limits::LONG_CALL_US);
        Ok(row.try_get::<Option<i64>, _>("earliest_us")?.map_or(of_short, |us| us.min(of_short)))
    }
}
