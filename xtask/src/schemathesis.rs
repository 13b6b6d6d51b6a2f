//! Schemathesis (PyPI) against the running platform: requests that the OpenAPI document allows and requests that it
//! does not, hundreds for each operation. No 5xx, no status, content type, header or body that is not documented.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::setup;

/// Pinned, so that a new version does not find new things in an old commit.
const PACKAGES: [&str; 2] = ["schemathesis==4.32.5", "openapi-spec-validator==0.9.0"];
const SCRIPT: &str = include_str!("schemathesis.py");
const READY_WITHIN: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(50);

/// How much is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// About a minute, as a part of the tests.
    Short,
    /// Some hundred requests for each operation: several minutes.
    Full,
}

/// Installs what is missing below `target/`.
///
/// # Errors
/// When there is no Python that can make an environment, or the packages cannot be fetched.
pub fn prepare(root: &Path) -> Result<PathBuf> {
    setup::python()?;
    let folder = root.join("target").join("schemathesis");
    let python = folder.join("bin").join("python3");
    let installed = folder.join("installed");
    let wanted = PACKAGES.join(" ");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    eprintln!("    installing {wanted} into {}", folder.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    std::fs::write(&installed, wanted)?;
    Ok(python)
}

/// Starts a platform with the binary of `target/debug` and sends it requests.
///
/// # Errors
/// When something is found; it is printed.
pub fn check(root: &Path, python: &Path, form: Form) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("callfeed-schemathesis-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let result = check_in(&folder, root, python, form);
    let _ = std::fs::remove_dir_all(&folder);
    result
}

fn check_in(folder: &Path, root: &Path, python: &Path, form: Form) -> Result<()> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let address = format!("127.0.0.1:{port}");
    let data = folder.join("data");
    let mut platform = Platform::start(root, &address, &data)?;
    platform.ready(&address)?;
    let script = folder.join("schemathesis.py");
    std::fs::write(&script, SCRIPT)?;
    let form = if form == Form::Full { "full" } else { "short" };
    let mut command = Command::new(python);
    command.arg(&script).arg(format!("http://{address}")).arg(data.join("example.env")).arg(folder).arg(form);
    run(&mut command)
}

/// A platform in a process; killed when dropped.
struct Platform(Child);

impl Platform {
    fn start(root: &Path, address: &str, data: &Path) -> Result<Self> {
        let binary = root.join("target").join("debug").join("callfeed");
        let mut command = Command::new(&binary);
        command.args([
            "serve",
            "--listen",
            address,
            "--example",
            "--rate-limit",
            "off",
            "--log-level",
            "error",
        ]);
        command.args(["--allow-private-webhooks", "--data"]).arg(data).stdin(Stdio::null());
        let child = command.spawn().with_context(|| format!("{} cannot be started", binary.display()))?;
        Ok(Self(child))
    }

    fn ready(&mut self, address: &str) -> Result<()> {
        let started = Instant::now();
        while !answers(address) {
            if let Some(status) = self.0.try_wait()? {
                bail!("the platform ended with {status}");
            }
            if started.elapsed() > READY_WITHIN {
                bail!("the platform is not ready within {} s", READY_WITHIN.as_secs());
            }
            std::thread::sleep(READY_POLL);
        }
        Ok(())
    }
}

/// The port is open before the example office is made: only an answer tells that all is there.
fn answers(address: &str) -> bool {
    let asked = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(READY_WITHIN))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    asked().unwrap_or(false)
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{program} cannot be started"))?;
    if status.success() { Ok(()) } else { bail!("{program} ended with {status}; its output above says why") }
}
