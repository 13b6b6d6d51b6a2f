//! What commands print. A reader that has seen enough and leaves, such as `head`, is no failure.

use std::io::{ErrorKind, Write as _};

/// Prints a line.
///
/// # Errors
/// [`Closed`] when nobody reads any more; whatever else keeps a line from being written.
pub fn say(line: &impl std::fmt::Display) -> anyhow::Result<()> {
    print(format!("{line}\n"))
}

/// Prints a text as it is.
///
/// # Errors
/// As [`say`].
pub fn print(text: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        written => Ok(written?),
    }
}

/// The reader of the output has gone: the command ends without a word.
#[derive(Debug)]
pub struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for Closed {}

/// Exit code of a command that was given something it does not take, as clap's of a wrong flag.
pub const REFUSED: u8 = 2;

/// What was given is not taken, and nothing was changed; with what to do.
#[derive(Debug)]
pub struct Refused(pub String);

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}
