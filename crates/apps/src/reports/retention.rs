//! How long what is kept: whole calls, and within them what callers left behind (numbers, names, recordings), each for as
//! many days as the owner says. Without such a wish all is kept.

use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, Zoned};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::counted;
use super::outputs::{Kind, Wanted};
use crate::limits;
use crate::store::reports_table::ReportsTable;
use crate::store::retention::{self, Old};
use crate::store::{Store, privacy};

/// Days after the end of a call; `None` for as long as the store lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The whole call.
    pub days: Option<u32>,
    /// Numbers of callers and callees.
    pub numbers: Option<u32>,
    /// Names of callers and callees.
    pub names: Option<u32>,
    /// Recordings and transcripts.
    pub recordings: Option<u32>,
}

/// Reads the days of a wish.
///
/// # Errors
/// When it is no number from 1 to [`limits::KEEP_DAYS_MAX`].
pub fn keep_days(text: &str) -> Result<u32, String> {
    let most = limits::KEEP_DAYS_MAX;
    match text.parse() {
        Ok(days) if (1..=most).contains(&days) => Ok(days),
        Ok(0) => Err(format!(
            "0 would erase at once what is stored; give 1 to {most} days, 1 is the least for which a report can be kept. To \
             keep nothing of one person: callfeed erase NUMBER"
        )),
        _ => Err(format!("give a number of days, 1 to {most}")),
    }
}

/// What can be taken out of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Numbers,
    Names,
    Recordings,
}

impl Field {
    fn as_str(self) -> &'static str {
        match self {
            Self::Numbers => "numbers",
            Self::Names => "names",
            Self::Recordings => "recordings",
        }
    }

    /// Takes it out, wherever in a report it stands.
    fn take_out(self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.take_out(item)),
            Value::Object(members) => {
                for (name, member) in members {
                    match (self, name.as_str()) {
                        (Self::Numbers, "caller" | "callee") => blank(member, "number"),
                        (Self::Names, "caller" | "callee") => blank(member, "name"),
                        (Self::Names, "contact") => *member = Value::Null,
                        (Self::Recordings, "recordings" | "transcripts" | "liveTranscripts") => {
                            *member = Value::Array(Vec::new());
                        }
                        (Self::Recordings, "recordingId" | "aiAnalysis") => *member = Value::Null,
                        _ => self.take_out(member),
                    }
                }
            }
            _ => {}
        }
    }

    fn taken_out_of(self, text: &str) -> String {
        // What cannot be read cannot be kept in part.
        let Ok(mut value) = serde_json::from_str(text) else { return "{}".to_owned() };
        self.take_out(&mut value);
        value.to_string()
    }
}

fn blank(party: &mut Value, name: &str) {
    if let Some(member) = party.get_mut(name) {
        *member = Value::String(String::new());
    }
}

impl Keep {
    fn fields(self) -> [(Field, Option<u32>); 3] {
        [(Field::Numbers, self.numbers), (Field::Names, self.names), (Field::Recordings, self.recordings)]
    }

    /// Whether there is a wish at all.
    #[must_use]
    pub fn is_limited(self) -> bool {
        self != Self::default()
    }
}

/// Keeps to it while the collector runs.
pub(super) struct Keeper {
    keep: Keep,
    store: Store,
    /// Folders of files.
    folders: Vec<PathBuf>,
    tables: Vec<ReportsTable>,
}

/// Why not all that was due is gone.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("the store failed: {0}")]
    Store(sqlx::Error),
    #[error("a PostgreSQL table cannot be written: {0}")]
    Table(sqlx::Error),
    #[error("a file cannot be removed: {0}")]
    File(#[from] std::io::Error),
}

impl Keeper {
    pub fn new(keep: Keep, store: Store, outputs: &[Wanted]) -> Self {
        let (mut folders, mut tables) = (Vec::new(), Vec::new());
        for wanted in outputs {
            match &wanted.kind {
                Kind::Jsonl(folder) | Kind::Csv(folder) => folders.push(folder.clone()),
                Kind::Postgres(url) => tables.extend(ReportsTable::new(url).ok()),
                Kind::Webhook { .. } | Kind::Command(_) => {}
            }
        }
        Self { keep, store, folders, tables }
    }

    /// Sweeps until `shutdown`. What fails is said, and done at the next time.
    pub async fn run(mut self, shutdown: CancellationToken) {
        while self.keep.is_limited() {
            let now = Timestamp::now();
            tokio::select! {
                () = shutdown.cancelled() => return,
                swept = self.sweep(now) => if let Err(error) = swept {
                    tracing::error!("not all that is too old could be erased: {error}; tried again in an hour");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(limits::RETENTION_EVERY) => {}
            }
        }
    }

    async fn sweep(&mut self, now: Timestamp) -> Result<(), KeepError> {
        let mut gone = 0;
        if let Some(days) = self.keep.days {
            gone += self.forget(days, now).await?;
        }
        for (field, days) in self.keep.fields() {
            if let Some(days) = days {
                gone += self.take_out(field, days, now).await?;
            }
        }
        if gone > 0 {
            privacy::sweep(&self.store.pool).await.map_err(KeepError::Store)?;
        }
        Ok(())
    }

    async fn forget(&mut self, days: u32, now: Timestamp) -> Result<usize, KeepError> {
        let before = before(days, now);
        for table in &mut self.tables {
            table.forget(before).await.map_err(KeepError::Table)?;
        }
        let oldest = before.to_zoned(Zoned::now().time_zone().clone()).date();
        for folder in &self.folders {
            remove_files(folder, oldest)?;
        }
        let mut gone = 0;
        loop {
            let page = retention::forget(&self.store.pool, before, now, limits::LIST_PAGE).await;
            match page.map_err(KeepError::Store)? {
                0 => break,
                some => gone += some,
            }
        }
        if gone > 0 {
            let gone = counted(gone, "call that", "calls that");
            let days = counted(days, "day", "days");
            tracing::info!("erased: {gone} ended more than {days} ago");
        }
        Ok(gone)
    }

    async fn take_out(&mut self, field: Field, days: u32, now: Timestamp) -> Result<usize, KeepError> {
        let (pool, name, mut gone) = (self.store.pool.clone(), field.as_str(), 0);
        loop {
            let page = retention::with_field(&pool, name, before(days, now), limits::LIST_PAGE).await;
            let page = page.map_err(KeepError::Store)?;
            if page.is_empty() {
                return Ok(gone);
            }
            let mut changed = Vec::new();
            for old in page {
                let out = |raw: &String| field.taken_out_of(raw);
                let new = Old {
                    call: old.call.clone(),
                    raw: out(&old.raw),
                    earlier: old.earlier.iter().map(|(revision, raw)| (*revision, out(raw))).collect(),
                };
                // The tables first: the store knows what is still to be done.
                for table in &mut self.tables {
                    let replaced = table.replace(&pool, &new.call, &new.raw).await;
                    replaced.map_err(KeepError::Table)?;
                }
                changed.push((old, new));
            }
            retention::redact(&pool, name, &changed).await.map_err(KeepError::Store)?;
            gone += changed.len();
        }
    }
}

fn before(days: u32, now: Timestamp) -> Timestamp {
    now.checked_sub(Duration::from_secs(86_400 * u64::from(days))).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Files hold what was written on one day, which is no earlier than the end of the calls: one goes when its day is over for
/// so long.
fn remove_files(folder: &std::path::Path, oldest: Date) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if day_of(&path).is_some_and(|day| day < oldest) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The day of a file of ours: `reports-2026-02-03.jsonl`.
fn day_of(path: &std::path::Path) -> Option<Date> {
    let name = path.file_name()?.to_str()?;
    let day = name.strip_prefix("reports-")?;
    day.strip_suffix(".jsonl").or_else(|| day.strip_suffix(".csv"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{changes, reports};

    fn example() -> String {
        let path = format!("{}/../wire/tests/examples/report-inbound-call.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn each_field_is_taken_out_alone_and_what_is_left_is_a_report() {
        let parts = ["+13125550147", "EXAMPLE CALLER", "8071b1b1-4d70-4923-b2f3-32f79ba62f89"];
        for (index, field) in [Field::Numbers, Field::Names, Field::Recordings].into_iter().enumerate() {
            let text = field.taken_out_of(&example());
            for (other, part) in parts.iter().enumerate() {
                assert_eq!(text.contains(part), other != index, "{field:?}, {part}");
            }
            assert!(text.contains("+12025550123") && text.contains("Front Desk"), "the company's own stays");
            serde_json::from_str::<wire::report::Report>(&text).unwrap();
        }
    }

    #[test]
    fn nothing_is_kept_for_no_days() {
        assert_eq!((keep_days("1"), keep_days("36500")), (Ok(1), Ok(36_500)));
        for (wrong, why) in
            [("0", "would erase at once"), ("36501", "1 to 36500"), ("-1", "1 to"), ("x", "1 to")]
        {
            assert!(keep_days(wrong).unwrap_err().contains(why), "{wrong}");
        }
    }

    #[tokio::test]
    async fn what_is_too_old_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::store::testing::open(folder.path()).await;
        let files = folder.path().join("out");
        std::fs::create_dir(&files).unwrap();
        let names = ["reports-2026-01-30.jsonl", "reports-2026-02-03.csv", "reports-x.csv", "notes.txt"];
        for name in names {
            std::fs::write(files.join(name), "x").unwrap();
        }
        let now: Timestamp = "2026-02-10T12:00:00Z".parse().unwrap();
        for (id, ended) in
            [("a", "2026-01-31T10:00:00Z"), ("b", "2026-02-05T10:00:00Z"), ("c", "2026-02-10T10:00:00Z")]
        {
            let raw = example()
                .replace("009a1df5-5ae0-33e2-8ce1-157908a9e0c6", id)
                .replace("\"2026-02-03T17:02:41.35Z\"", &format!("\"{ended}\""));
            reports::save(&store.pool, &serde_json::from_str(&raw).unwrap(), &raw, now, None).await.unwrap();
        }
        let keep = Keep { days: Some(9), numbers: Some(3), names: None, recordings: Some(0) };
        let kind = Kind::Jsonl(files.clone());
        let mut outputs = vec![Wanted { name: "files".to_owned(), kind, from_now: false }];
        let mut table = None;
        if std::env::var("CALLFEED_TEST_DATABASE").as_deref() == Ok("postgres") {
            let url = crate::store::testing::new_database().await;
            let all = changes::after(&store.pool, 0, 9).await.unwrap();
            table.insert(ReportsTable::new(&url).unwrap()).write(&all).await.unwrap();
            let kind = Kind::Postgres(url);
            outputs.push(Wanted { name: "table".to_owned(), kind, from_now: false });
        }
        let mut keeper = Keeper::new(keep, store.clone(), &outputs);
        for _ in 0..2 {
            keeper.sweep(now).await.unwrap();
        }
        let left = changes::after(&store.pool, 0, 9).await.unwrap();
        let left: Vec<_> = left.iter().map(|change| &change.report).collect();
        let ids: Vec<&str> = left.iter().map(|report| report.conversation_space_id.as_str()).collect();
        assert_eq!(ids, ["b", "c"]);
        let has = |text: &str| left.iter().map(|report| report.raw.contains(text)).collect::<Vec<_>>();
        assert_eq!(has("+13125550147"), [false, true]);
        assert_eq!(has("EXAMPLE CALLER"), [true, true]);
        assert_eq!(has("8071b1b1"), [false, false]);
        if let Some(table) = &mut table {
            // Its rows are the store's texts, the one that was forgotten is gone.
            let found = table.candidates("conversationSpaceId").await.unwrap();
            let rows: Vec<&str> = found.iter().map(|found| found.raw.as_str()).collect();
            assert_eq!(rows, left.iter().map(|report| report.raw.as_str()).collect::<Vec<_>>());
        }
        let mut there: Vec<_> = std::fs::read_dir(&files)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        there.sort();
        assert_eq!(there, ["notes.txt", "reports-2026-02-03.csv", "reports-x.csv"]);
        // On PostgreSQL there is no file.
        let file = std::fs::read(folder.path().join("callfeed.db")).unwrap_or_default();
        assert!(!file.windows(8).any(|bytes| bytes == b"8071b1b1"), "nothing of it is left in the file");
    }
}
