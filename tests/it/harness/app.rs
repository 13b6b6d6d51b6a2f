//! One process of the real binary, with what it prints.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::{Log, SOON};

/// Settings that the process must take from its file and not from whoever runs the tests.
const FOREIGN: &[&str] = &[
    "OAUTH_CLIENT_ID",
    "OAUTH_CLIENT_SECRET",
    "ACCOUNT_KEY",
    "LOG_LEVEL",
    "SHOW_DEBUG_LOGS",
    "RUST_LOG",
    "GOTO_AUTH_URL",
    "GOTO_API_URL",
    "GOTO_CHANNEL_URL",
    "GOTO_ADMIN_URL",
    "CALLFEED_TOKEN_KEY",
    "CALLFEED_TOKEN_KEY_FILE",
    "CALLFEED_DATABASE",
    "DISPLAY",
    "WAYLAND_DISPLAY",
];

/// A running (or ended) `callfeed` process; killed when dropped, and what it said is shown if the test fails.
pub struct App {
    pub stdout: Log<String>,
    pub stderr: Log<String>,
    child: Child,
    name: String,
}

impl App {
    /// `callfeed ARGUMENTS` in a folder, with what it prints in pipes.
    pub fn command(arguments: &[&str], folder: &Path) -> Command {
        Self::piped(Command::new(env!("CARGO_BIN_EXE_callfeed")), arguments, folder)
    }

    /// The same on a disk without room: no file takes a byte.
    #[cfg(unix)]
    pub fn start_without_room(arguments: &[&str], folder: &Path) -> Self {
        let mut shell = Command::new("sh");
        let bounded = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
        shell.args(["-c", bounded, "sh", env!("CARGO_BIN_EXE_callfeed")]);
        Self::spawn(Self::piped(shell, arguments, folder), arguments)
    }

    fn piped(mut command: Command, arguments: &[&str], folder: &Path) -> Command {
        command.args(arguments).current_dir(folder).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in FOREIGN {
            command.env_remove(name);
        }
        command
    }

    /// Starts `callfeed ARGUMENTS` in a folder.
    pub fn start(arguments: &[&str], folder: &Path) -> Self {
        Self::spawn(Self::command(arguments, folder), arguments)
    }

    fn spawn(mut command: Command, arguments: &[&str]) -> Self {
        let mut child = command.spawn().expect("the binary was built with this test");
        let stdout = follow(child.stdout.take().expect("stdout is piped"));
        let stderr = follow(child.stderr.take().expect("stderr is piped"));
        Self { stdout, stderr, child, name: arguments.join(" ") }
    }

    /// What Ctrl-C does.
    pub async fn interrupt(&self) {
        self.signal("-INT").await;
    }

    async fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("the process still runs").to_string();
        let status = Command::new("kill").args([signal, &pid]).status().await.expect("kill can be started");
        assert!(status.success(), "the process {} could not be sent {signal}", self.name);
    }

    /// What systemd does to end a service.
    pub async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// What a power cut does to the process.
    pub async fn kill9(&mut self) {
        self.child.kill().await.expect("our own process can be killed");
    }

    /// Waits for the end and returns the exit code, `None` when a signal ended it. Everything it printed is in
    /// the logs then.
    pub async fn exit(&mut self, deadline: Duration) -> Option<i32> {
        let ended = tokio::time::timeout(deadline, self.child.wait()).await;
        let Ok(status) = ended else { panic!("callfeed {} still runs after {deadline:?}", self.name) };
        self.stdout.closed(SOON).await;
        self.stderr.closed(SOON).await;
        status.expect("our own process can be waited for").code()
    }

    /// Ctrl-C, then a clean end.
    pub async fn stop(mut self) {
        self.interrupt().await;
        assert_eq!(self.exit(SOON).await, Some(0), "Ctrl-C ends callfeed {} cleanly", self.name);
    }

    /// The most memory that the process has ever had in use, in KiB (`VmHWM` of proc(5)).
    pub fn memory_peak_kib(&self) -> u64 {
        let pid = self.child.id().expect("the process still runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux tells it");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").trim().parse().expect("it is a number")
    }

    /// Whether the process has ended already.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("our own process can be asked").is_some()
    }

    /// Runs `callfeed ARGUMENTS` to its end.
    pub async fn run(arguments: &[&str], folder: &Path) -> Ended {
        let mut app = Self::start(arguments, folder);
        let code = app.exit(super::LATER).await;
        Ended { code, stdout: app.stdout.all(), stderr: app.stderr.all() }
    }
}

/// What a process left behind.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
}

impl Ended {
    pub fn errors(&self) -> String {
        self.stderr.join("\n")
    }
}

fn follow(stream: impl AsyncRead + Unpin + Send + 'static) -> Log<String> {
    let log = Log::new();
    let sink = log.clone();
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            sink.push(line);
        }
        sink.close();
    });
    log
}

impl Drop for App {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- callfeed {}: stderr", self.name);
            let lines = self.stderr.all();
            for line in &lines[lines.len().saturating_sub(60)..] {
                eprintln!("{line}");
            }
        }
    }
}
