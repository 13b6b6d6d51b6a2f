//! What an upgrade has to do beyond its migrations: details that newer versions keep of each finished call are read
//! from the reports that older ones have stored. Done once, at the first start; a crash begins it again.

use sqlx::{AnyConnection, Row as _};
use wire::report::{CallerOutcome, Report, Summary};

use super::history::{NewHistoryRow, write_history};
use super::rows::Writing;
use super::summaries::{parties, write_parties};
use super::{Store, StoreResult};
use crate::limits;

/// Who was in a call (`report_parties`) and its rows of call history.
const REPORT_DETAILS: &str = "report-details";

impl Store {
    /// Takes the steps that are not done yet.
    pub(super) async fn upgrade(&self) -> StoreResult<()> {
        let done = sqlx::query("select step from upgrade_steps where step = $1")
            .bind(REPORT_DETAILS)
            .fetch_optional(&self.read)
            .await?;
        if done.is_some() {
            return Ok(());
        }
        let mut calls = 0;
        let mut after = String::new();
        while let Some((last, filled)) = self.fill_reports(&after).await? {
            calls += filled;
            after = last;
        }
        sqlx::query("insert into upgrade_steps (step, done_us) values ($1, $2)")
            .bind(REPORT_DETAILS)
            .bind(self.clock.now_us())
            .execute(&self.write)
            .await?;
        if calls > 0 {
            tracing::info!(
                calls,
                "older calls can be found by person, line and number now, and in call history"
            );
        }
        Ok(())
    }

    /// One page of reports, in one commit: the last one's call, and how many lacked their details.
    async fn fill_reports(&self, after: &str) -> StoreResult<Option<(String, usize)>> {
        let mut tx = self.write.begin().await?;
        let rows = sqlx::query(
            "select r.conversation_space_id, r.account_key, r.summary, r.report,
                case when exists (select 1 from report_parties p
                        where p.conversation_space_id = r.conversation_space_id)
                    or exists (select 1 from call_history h
                        where h.conversation_space_id = r.conversation_space_id) then 1 else 0 end as filled
             from reports r where r.conversation_space_id > $1 order by r.conversation_space_id limit $2",
        )
        .bind(after)
        .bind(limits::UPGRADE_PAGE)
        .fetch_all(&mut *tx)
        .await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let last: String = last.try_get("conversation_space_id")?;
        let mut filled = 0;
        for row in &rows {
            // An exact integer type: PostgreSQL tells a small one here, SQLite a large one.
            let done = row.try_get::<i32, _>("filled").map(i64::from).or_else(|_| row.try_get("filled"))?;
            if done == 0 {
                let (id, account): (&str, &str) =
                    (row.try_get("conversation_space_id")?, row.try_get("account_key")?);
                let (summary, report) = (row.try_get("summary")?, row.try_get("report")?);
                fill(&mut tx, (account, id), summary, report).await?;
                filled += 1;
            }
        }
        tx.commit().await?;
        Ok(Some((last, filled)))
    }
}

async fn fill(
    tx: &mut AnyConnection,
    (account_key, id): (&str, &str),
    summary: &str,
    report: &str,
) -> StoreResult<()> {
    let tx = &mut Writing::Any(tx);
    let summary: Summary = serde_json::from_str(summary)?;
    let report: Report = serde_json::from_str(report)?;
    let parties = parties(&summary);
    let parties: Vec<_> = parties.iter().map(|party| (id, party)).collect();
    write_parties(tx, &parties).await?;
    let truncated = summary.caller_outcome == CallerOutcome::Truncated;
    let mut rows = Vec::new();
    for call in engine::history(&report, truncated) {
        rows.push(NewHistoryRow::new(&call, &serde_json::to_string(&call)?));
    }
    let rows: Vec<_> = rows.iter().map(|row| (account_key, id, row)).collect();
    write_history(tx, &rows).await
}
