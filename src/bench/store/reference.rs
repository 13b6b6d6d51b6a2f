//! What the platform is measured against: the least that axum and SQLite can do for the same work, in the same run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::extract::{self, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use crate::bench::http::Request;
use crate::bench::platform::free_address;

const PRAGMAS: &str = "pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 10000;";

/// Documents by number from SQLite, served by axum; for `callfeed bench` alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    database: PathBuf,
}

/// The reference server in a process of its own.
pub struct Server {
    pub address: SocketAddr,
    pub pid: u32,
    _folder: TempDir,
    _child: Child,
}

impl Server {
    pub async fn start(documents: &[String]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("documents.db");
        let connection = Connection::open(&database)?;
        connection.execute_batch(PRAGMAS)?;
        connection.execute_batch("create table documents (id text primary key, body text not null)")?;
        for (number, body) in documents.iter().enumerate() {
            connection.execute("insert into documents values (?1, ?2)", params![id(number), body])?;
        }
        drop(connection);
        let address = free_address().await?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench-reference", "--listen", &address.to_string(), "--database"]).arg(&database);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().context("cannot start the reference server")?;
        let pid = child.id().context("the reference server ended at once")?;
        let started = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            anyhow::ensure!(
                started.elapsed() < Duration::from_secs(20),
                "the reference server does not answer"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Self { address, pid, _folder: folder, _child: child })
    }

    /// The request for a document.
    pub fn get(&self, number: usize) -> Vec<u8> {
        let path = format!("/documents/{}", id(number));
        Request { method: "GET", path: &path, authorization: "", body: None }.encode()
    }
}

/// As long as a conversation space's id.
fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// One connection for each worker, asked in the worker itself.
struct Documents {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

pub async fn serve(args: Args) -> anyhow::Result<()> {
    let workers = std::thread::available_parallelism().map(usize::from).unwrap_or(1);
    let open = |_| Ok(Mutex::new(Connection::open(&args.database)?));
    let connections = (0..workers).map(open).collect::<anyhow::Result<_>>()?;
    let documents = Arc::new(Documents { connections, next: AtomicUsize::new(0) });
    let router = Router::new().route("/documents/{id}", get(document)).with_state(documents);
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn document(
    State(documents): State<Arc<Documents>>,
    extract::Path(id): extract::Path<String>,
) -> Response {
    let place = documents.next.fetch_add(1, Ordering::Relaxed) % documents.connections.len();
    let connection = documents.connections[place].lock().unwrap_or_else(PoisonError::into_inner);
    let found = connection
        .prepare_cached("select body from documents where id = ?1")
        .and_then(|mut select| select.query_row([&id], |row| row.get::<_, String>(0)));
    match found {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Rows a second that `callers` tasks make durable when one thread groups what waits into one commit: a table with a
/// number and a text, and nothing else.
pub async fn group_commit(
    folder: &Path,
    callers: usize,
    rows_each: usize,
    bytes: usize,
) -> anyhow::Result<f64> {
    let mut connection = Connection::open(folder.join("bare.db"))?;
    connection.execute_batch(PRAGMAS)?;
    connection.execute_batch("create table rows (id integer primary key, body text not null)")?;
    // As long as the platform's own queue.
    let (sender, mut inbox) = mpsc::channel::<(Arc<str>, oneshot::Sender<()>)>(server::limits::LOG_QUEUE_MAX);
    let writer = std::thread::spawn(move || -> rusqlite::Result<()> {
        let mut told = Vec::new();
        while let Some(first) = inbox.blocking_recv() {
            let transaction = connection.transaction()?;
            {
                let mut insert = transaction.prepare_cached("insert into rows (body) values (?1)")?;
                let mut next = Some(first);
                while let Some((body, done)) = next {
                    insert.execute([&*body])?;
                    told.push(done);
                    next = inbox.try_recv().ok();
                }
            }
            transaction.commit()?;
            for done in told.drain(..) {
                let _ = done.send(());
            }
        }
        Ok(())
    });
    let body: Arc<str> = "x".repeat(bytes).into();
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (sender, body) = (sender.clone(), Arc::clone(&body));
        tasks.spawn(async move {
            for _ in 0..rows_each {
                let (done, durable) = oneshot::channel();
                sender.send((Arc::clone(&body), done)).await.context("the reference's writer ended")?;
                durable.await.context("the reference's writer ended")?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    drop(sender);
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    let took = started.elapsed();
    let ended = tokio::task::spawn_blocking(move || writer.join()).await?;
    ended.map_err(|_| anyhow::anyhow!("the reference's writer ended by a fault"))??;
    Ok((callers * rows_each) as f64 / took.as_secs_f64())
}
