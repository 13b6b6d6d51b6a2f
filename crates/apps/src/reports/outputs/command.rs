//! A command for each report: the report on stdin, what it is in the environment.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::Taken;
use crate::limits;
use crate::store::changes::Change;

/// Our own secrets are none of the command's business.
const SECRETS: [&str; 6] = [
    "OAUTH_CLIENT_SECRET",
    "CALLFEED_TOKEN_KEY",
    "CALLFEED_TOKEN_KEY_FILE",
    "CALLFEED_DATABASE",
    "CALLFEED_POSTGRES",
    "CALLFEED_WEBHOOK_SECRET",
];

pub(in crate::reports) struct Run {
    command: String,
}

impl Run {
    pub(super) fn new(command: &str) -> Self {
        Self { command: command.to_owned() }
    }

    /// Exit code 0 means that it has the report.
    pub(super) async fn run(&self, change: &Change) -> Taken {
        let mut command = shell(&self.command);
        for name in SECRETS {
            command.env_remove(name);
        }
        command
            .env("CALLFEED_CONVERSATION_SPACE_ID", &change.report.conversation_space_id)
            .env("CALLFEED_ACCOUNT_KEY", &change.report.account_key)
            .env("CALLFEED_REVISION", change.revision.to_string())
            .env("CALLFEED_CHANGED", &change.changed)
            // Stdout is the terminal's output alone.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Taken::Down(format!("it cannot be started: {error}")),
        };
        let stdin = child.stdin.take();
        let work = async {
            if let Some(mut stdin) = stdin {
                // A command that does not read is no failure; its exit code says how it went.
                let _ = stdin.write_all(change.report.raw.as_bytes()).await;
                let _ = stdin.shutdown().await;
            }
            child.wait().await
        };
        match tokio::time::timeout(limits::COMMAND_TIMEOUT, work).await {
            Ok(Ok(status)) if status.success() => Taken::All(String::new()),
            Ok(Ok(status)) => Taken::Failed(status.to_string()),
            Ok(Err(error)) => Taken::Down(error.to_string()),
            Err(_) => Taken::Failed(format!("it took longer than {} s", limits::COMMAND_TIMEOUT.as_secs())),
        }
    }
}

#[cfg(unix)]
fn shell(text: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", text]);
    command
}

#[cfg(not(unix))]
fn shell(text: &str) -> Command {
    let mut command = Command::new("cmd");
    command.args(["/C", text]);
    command
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::reports::outputs::csv_line::tests::change;

    #[tokio::test]
    async fn the_command_reads_the_report_and_its_exit_code_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("got");
        let text = format!("cat > '{0}' && echo $CALLFEED_REVISION >> '{0}'", file.display());
        let change = change("report-inbound-call.json");
        assert_eq!(Run::new(&text).run(&change).await, Taken::All(String::new()));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}1\n", change.report.raw));
        assert!(matches!(Run::new("exit 3").run(&change).await, Taken::Failed(_)));
    }
}
