//! The report of an import: rows that could not be used, each with its line and the reason. It holds what people wrote,
//! so it is its owner's alone.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use super::{ImportError, Refused};

/// Made when the first row is written to it.
pub struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Rejects {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None }
    }

    pub fn write(&mut self, line: u64, reason: Refused, row: &str) -> Result<(), ImportError> {
        let failed = |error| ImportError::Report { path: self.path.clone(), error };
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufWriter::new(create(&self.path).map_err(failed)?)),
        };
        let one_line = row.replace(['\r', '\n'], " ");
        writeln!(file, "line {line}: {reason}: {one_line}").map_err(failed)
    }

    /// Where the report is, if there is one.
    pub fn finish(self) -> Result<Option<PathBuf>, ImportError> {
        let Some(mut file) = self.file else { return Ok(None) };
        file.flush().map_err(|error| ImportError::Report { path: self.path.clone(), error })?;
        Ok(Some(self.path))
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
