//! A PostgreSQL of our own: a cluster in a temporary folder, on a free port, gone when we are.
//!
//! The server hangs on a shell that reads from a pipe we hold. Whatever ends this process, a failure, Ctrl-C
//! or `kill -9`, closes the pipe, and the shell stops the server and removes the folder.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::setup;

const READY_WITHIN: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(100);

/// Sessions that the suites may hold at once: two test threads, each with a few platforms with a pool.
const CONNECTIONS_MAX: &str = "max_connections=400";

/// Runs "$@" until the pipe on our input closes, then stops it and removes the folder $FOLDER.
const KEEPER: &str = r#"
trap '' INT
"$@" </dev/null &
server=$!
cat >/dev/null
kill -INT "$server"
wait "$server"
rm -rf "$FOLDER"
"#;

/// A running server; stops when dropped.
pub struct Postgres {
    /// Where it listens, with the superuser and the database `postgres`.
    pub url: String,
    keeper: Child,
}

/// The user that PostgreSQL runs as: it refuses to run as root.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Postgres {
    /// Makes a cluster and waits until it answers.
    ///
    /// # Errors
    /// When a program is missing, or the server does not answer within a minute.
    pub fn start() -> Result<Self> {
        let user = if setup::is_root() { Some(unprivileged()?) } else { None };
        let folder = make_folder(user)?;
        match Self::start_in(&folder, user) {
            Ok(postgres) => Ok(postgres),
            Err(error) => {
                let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                let _ = std::fs::remove_dir_all(&folder);
                Err(error.context(format!("PostgreSQL did not start\n{log}")))
            }
        }
    }

    fn start_in(folder: &Path, user: Option<User>) -> Result<Self> {
        let data = folder.join("data");
        let initdb = setup::postgres_program("initdb").context("initdb is missing")?;
        let mut command = as_user(Command::new(initdb), user);
        command.args(["--auth=trust", "--username=callfeed", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        let output = command.arg("--pgdata").arg(&data).current_dir(folder).output()?;
        if !output.status.success() {
            bail!("initdb ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        let port = free_port()?;
        let mut postgres = Self {
            url: format!("postgres://callfeed@127.0.0.1:{port}/postgres"),
            keeper: keep(folder, &data, port, user)?,
        };
        postgres.wait_ready(port)?;
        Ok(postgres)
    }

    fn wait_ready(&mut self, port: u16) -> Result<()> {
        let pg_isready = setup::postgres_program("pg_isready").context("pg_isready is missing")?;
        let deadline = Instant::now() + READY_WITHIN;
        let port = port.to_string();
        while Instant::now() < deadline {
            let output = Command::new(&pg_isready).args(["-q", "-h", "127.0.0.1", "-p", &port]).status()?;
            if output.success() {
                return Ok(());
            }
            std::thread::sleep(READY_POLL);
        }
        bail!("it did not answer within {} s", READY_WITHIN.as_secs());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Closing the pipe is the signal to stop.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Starts the server under its keeper, in a process group of its own so that Ctrl-C reaches us alone.
fn keep(folder: &Path, data: &Path, port: u16, user: Option<User>) -> Result<Child> {
    let postgres = setup::postgres_program("postgres").context("postgres is missing")?;
    let log = std::fs::File::create(folder.join("log"))?;
    let sockets = format!("unix_socket_directories={}", folder.display());
    let mut command = as_user(Command::new("sh"), user);
    command.args(["-c", KEEPER, "keeper"]).arg(postgres).arg("-D").arg(data).args(["-h", "127.0.0.1"]);
    command.args(["-p", &port.to_string(), "-c", &sockets, "-c", CONNECTIONS_MAX]);
    // The suites kill the platform, never this server: it need not survive a power cut.
    command.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
    command.env("FOLDER", folder).current_dir(folder).process_group(0);
    command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("sh cannot be started")
}

fn as_user(mut command: Command, user: Option<User>) -> Command {
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

fn unprivileged() -> Result<User> {
    let user = ["postgres", "nobody"]
        .iter()
        .find_map(|name| Some(User { uid: setup::id(&["-u", name])?, gid: setup::id(&["-g", name])? }));
    user.context("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")
}

/// A new temporary folder that belongs to the server's user. Short: a socket path has about 100 bytes.
fn make_folder(user: Option<User>) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("callfeed-postgres-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    if let Some(user) = user {
        std::os::unix::fs::chown(&folder, Some(user.uid), Some(user.gid))?;
    }
    Ok(folder)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
