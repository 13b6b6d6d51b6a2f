//! Files, a new one each day: JSON Lines or CSV. Each text is in them exactly once, whatever is killed when: how far a
//! file was written is kept in the store, and what a crash left behind that place is cut off.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Zoned;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Taken, csv_line};
use crate::reports::print::one_line;
use crate::store::changes::Change;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Jsonl,
    Csv,
}

/// A folder of files named by the day on which they were written, in the zone of this machine.
pub(in crate::reports) struct Rolled {
    folder: PathBuf,
    format: Format,
    /// It begins with what comes: what files of an earlier time hold, it does not write.
    from_now: bool,
}

/// What the names of files begin with; the day follows.
const FILE: &str = "reports-";

/// How far the file of the day is written.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    file: String,
    bytes: u64,
}

impl Rolled {
    pub(super) fn new(folder: &Path, format: Format, from_now: bool) -> Self {
        // A relative path means another folder when the program is started elsewhere.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self { folder, format, from_now }
    }

    pub(super) async fn take(&self, changes: &[Change], position: &str) -> Taken {
        if position.is_empty()
            && !self.from_now
            && let Some(file) = self.earlier().await
        {
            return Taken::Down(format!(
                "{file} is of an earlier time of this output, which begins anew and would write the same reports again: \
                 move the files {FILE}YYYY-MM-DD.{} of its folder elsewhere, or name another folder",
                self.extension()
            ));
        }
        let today = self.folder.join(self.name(&Zoned::now()));
        let name = today.to_string_lossy().into_owned();
        let position = serde_json::from_str::<Position>(position).ok().filter(|at| at.file == name);
        let text = changes.iter().map(|change| self.line(change)).collect::<String>();
        let format = self.format;
        let (folder, file) = (self.folder.clone(), today.clone());
        let written = tokio::task::spawn_blocking(move || match position {
            Some(position) => append(&file, position.bytes, &text, format).map(|bytes| (bytes, true)),
            // What stands there is not ours to cut: first the store must know where we begin.
            None => begin(&folder, &file).map(|bytes| (bytes, false)),
        });
        match written.await {
            Ok(Ok((bytes, all))) => {
                let position = serde_json::to_string(&Position { file: name, bytes });
                let position = position.expect("text and a number serialize");
                if all { Taken::All(position) } else { Taken::Moved(position) }
            }
            Ok(Err(error)) => Taken::Down(format!("cannot write {name}: {error}")),
            Err(_) => Taken::Down(format!("cannot write {name}")),
        }
    }

    fn name(&self, at: &Zoned) -> String {
        format!("{FILE}{}.{}", at.strftime("%Y-%m-%d"), self.extension())
    }

    /// Whether a file of this name is one that [`Self::name`] gives.
    fn is_ours(&self, name: &str) -> bool {
        let day = name.strip_prefix(FILE).and_then(|rest| rest.strip_suffix(self.extension()));
        let day = day.and_then(|day| day.strip_suffix('.'));
        day.is_some_and(|day| day.parse::<Date>().is_ok_and(|date| date.to_string() == day))
    }

    fn extension(&self) -> &'static str {
        match self.format {
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
        }
    }

    /// A file of the folder in which reports stand, written before the store knew this output.
    async fn earlier(&self) -> Option<String> {
        let mut entries = tokio::fs::read_dir(&self.folder).await.ok()?;
        while let Ok(Some(entry)) = entries.next_entry().await {
            let path = entry.path();
            let is_ours = entry.file_name().to_str().is_some_and(|name| self.is_ours(name));
            if is_ours && entry.metadata().await.is_ok_and(|data| data.len() > 0) {
                return Some(path.to_string_lossy().into_owned());
            }
        }
        None
    }

    fn line(&self, change: &Change) -> String {
        match self.format {
            Format::Jsonl => one_line(&change.report.raw) + "\n",
            Format::Csv => csv_line::line(change),
        }
    }
}

fn begin(folder: &Path, file: &Path) -> io::Result<u64> {
    if !folder.exists() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    open(file)?.metadata().map(|data| data.len())
}

/// Writes behind the place that is known, with the head of a new CSV file, and waits until it is on disk.
fn append(path: &Path, known: u64, text: &str, format: Format) -> io::Result<u64> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    if length > known {
        file.set_len(known)?;
    }
    let start = length.min(known);
    file.seek(SeekFrom::Start(start))?;
    let head = if format == Format::Csv && start == 0 { csv_line::head() } else { String::new() };
    file.write_all(head.as_bytes())?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    Ok(start + (head.len() + text.len()) as u64)
}

/// Numbers and names stand in it: it is its owner's alone.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::reports::outputs::csv_line::tests::change;

    async fn take(files: &Rolled, changes: &[Change], position: &str) -> String {
        match files.take(changes, position).await {
            Taken::All(position) | Taken::Moved(position) => position,
            other => panic!("{other:?}"),
        }
    }

    fn read(folder: &Path) -> String {
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_crash_behind_the_known_place_repeats_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made");
        let files = Rolled::new(&folder, Format::Jsonl, false);
        let (one, two) = (change("report-inbound-call.json"), change("report-queue-call.json"));
        let begun = take(&files, from_ref(&one), "").await;
        assert_eq!(read(&folder), "", "the place is to be known before anything is written");
        let known = take(&files, from_ref(&one), &begun).await;
        take(&files, from_ref(&two), &known).await;
        take(&files, from_ref(&two), &known).await;
        let lines: Vec<String> = [&one, &two].map(|change| one_line(&change.report.raw)).into();
        assert_eq!(read(&folder).lines().collect::<Vec<_>>(), lines);
    }

    #[tokio::test]
    async fn a_csv_file_has_one_head_and_what_cannot_be_written_waits() {
        let folder = tempfile::tempdir().unwrap();
        let files = Rolled::new(folder.path(), Format::Csv, false);
        let one = [change("report-inbound-call.json")];
        let mut position = take(&files, &one, "").await;
        for _ in 0..2 {
            position = take(&files, &one, &position).await;
        }
        let text = read(folder.path());
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.starts_with("conversation_space_id,"), "{text}");
        let nowhere = folder.path().join("file");
        std::fs::write(&nowhere, "").unwrap();
        assert!(matches!(Rolled::new(&nowhere, Format::Csv, false).take(&one, "").await, Taken::Down(_)));
    }

    #[tokio::test]
    async fn files_of_others_in_the_folder_hold_up_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "reports-summary.csv",
            "reports-2026-02-03-old.csv",
            "reports-20260203.csv",
            "my-reports-2026-02-03.csv",
        ] {
            std::fs::write(folder.path().join(name), "a,b\n").unwrap();
        }
        let files = Rolled::new(folder.path(), Format::Csv, false);
        take(&files, &[change("report-inbound-call.json")], "").await;
        assert!(files.is_ours("reports-2026-02-03.csv") && !files.is_ours("reports-2026-02-03.jsonl"));
    }

    /// As after `callfeed outputs forget`, or with another store.
    #[tokio::test]
    async fn an_output_that_begins_anew_writes_into_no_folder_that_has_its_reports() {
        let folder = tempfile::tempdir().unwrap();
        let files = |format, from_now| Rolled::new(folder.path(), format, from_now);
        let one = [change("report-inbound-call.json")];
        let begun = take(&files(Format::Jsonl, false), &one, "").await;
        assert_eq!(take(&files(Format::Jsonl, false), &one, "").await, begun, "the file is empty");
        take(&files(Format::Jsonl, false), &one, &begun).await;
        let refused = files(Format::Jsonl, false).take(&one, "").await;
        let Taken::Down(why) = refused else { panic!("{refused:?}") };
        assert!(why.contains(".jsonl is of an earlier time") && why.contains("another folder"), "{why}");
        assert!(why.contains("move the files reports-YYYY-MM-DD.jsonl of"), "{why}");
        assert_eq!(read(folder.path()).lines().count(), 1);
        take(&files(Format::Csv, false), &one, "").await;
        take(&files(Format::Jsonl, true), &one, "").await;
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        take(&files(Format::Jsonl, false), &one, "").await;
    }
}
