//! Recordings of finished calls, the tokens for their content, and the subscriptions of a user to them.

use sqlx::Row as _;
use wire::call_events::{State, Status};
use wire::report::Report;

use super::insert::{Insert, insert};
use super::rows::Writing;
use super::{Api, Store, StoreResult, Subscription};
use crate::time;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRow {
    pub recording_id: String,
    pub account_key: String,
    pub duration_ms: i64,
    pub transcript_ready: bool,
}

/// A recording and its transcript are announced in one notification each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewRecording {
    pub(super) recording_id: String,
    pub(super) transcript: bool,
    duration_ms: i64,
}

/// The recordings of all legs, each once.
pub(super) fn recordings(report: &Report) -> Vec<NewRecording> {
    let mut found: Vec<NewRecording> = Vec::new();
    for leg in &report.participants {
        for recording in &leg.recordings {
            if found.iter().any(|known| known.recording_id == recording.id) {
                continue;
            }
            let stays = |state: &&State| {
                let of_leg = state.participants.iter().find(|participant| participant.id == leg.id);
                of_leg.is_some_and(|participant| participant.status.value != Status::Disconnecting)
            };
            let left = report.call_states.iter().rposition(|state| stays(&state)).map(|last| last + 1);
            let end = left.and_then(|place| report.call_states.get(place)).map(|state| &state.timestamp);
            let end_us = time::parse_us(end.unwrap_or(&report.call_ended));
            found.push(NewRecording {
                recording_id: recording.id.clone(),
                transcript: leg.transcripts.iter().any(|transcript| transcript.id == recording.id),
                duration_ms: (end_us - time::parse_us(&recording.start_timestamp)).max(0) / 1_000,
            });
        }
    }
    found
}

/// `(account, conversation space, recording)` each.
pub(super) async fn write_recordings(
    tx: &mut Writing<'_>,
    rows: &[(&str, &str, &NewRecording)],
) -> StoreResult<()> {
    let table = Insert {
        into: "recordings (recording_id, account_key, conversation_space_id, duration_ms,
            transcript_ready)",
        tail: " on conflict (recording_id) do update set transcript_ready = excluded.transcript_ready",
    };
    insert(tx, &table, rows, |(account_key, conversation_space_id, recording)| {
        [
            (&recording.recording_id).into(),
            (*account_key).into(),
            (*conversation_space_id).into(),
            recording.duration_ms.into(),
            i64::from(recording.transcript).into(),
        ]
    })
    .await
}

impl Store {
    pub async fn recording(&self, recording_id: &str) -> StoreResult<Option<RecordingRow>> {
        let row = sqlx::query("select * from recordings where recording_id = $1")
            .bind(recording_id)
            .fetch_optional(&self.read)
            .await?;
        row.map(|row| {
            Ok(RecordingRow {
                recording_id: row.try_get("recording_id")?,
                account_key: row.try_get("account_key")?,
                duration_ms: row.try_get("duration_ms")?,
                transcript_ready: row.try_get::<i64, _>("transcript_ready")? != 0,
            })
        })
        .transpose()
    }

    /// Remembers a token, and forgets those that have expired.
    pub async fn put_recording_token(
        &self,
        token_hash: &str,
        recording_id: &str,
        expires_us: i64,
        now_us: i64,
    ) -> StoreResult<()> {
        let mut tx = self.write.begin().await?;
        sqlx::query("delete from recording_tokens where expires_us <= $1")
            .bind(now_us)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "insert into recording_tokens (token_hash, recording_id, expires_us) values ($1, $2, $3)",
        )
        .bind(token_hash)
        .bind(recording_id)
        .bind(expires_us)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The recording that a live token gives.
    pub async fn recording_of_token(
        &self,
        token_hash: &str,
        now_us: i64,
    ) -> StoreResult<Option<RecordingRow>> {
        let row = sqlx::query(
            "select recording_id from recording_tokens where token_hash = $1 and expires_us > $2",
        )
        .bind(token_hash)
        .bind(now_us)
        .fetch_optional(&self.read)
        .await?;
        match row {
            Some(row) => self.recording(row.try_get("recording_id")?).await,
            None => Ok(None),
        }
    }

    /// Subscriptions of one API on all channels of a user, oldest first.
    pub async fn subscriptions_of_user(&self, user_key: &str, api: Api) -> StoreResult<Vec<Subscription>> {
        let rows = sqlx::query(
            "select s.* from subscriptions s join channels c on c.channel_id = s.channel_id
             where c.user_key = $1 and s.api = $2 order by s.created_us, s.id",
        )
        .bind(user_key)
        .bind(api.as_str())
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(Subscription::read).collect()
    }
}
