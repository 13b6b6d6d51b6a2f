//! The key of the token file in the system's keyring: GNOME Keyring, KWallet, KeePassXC, or what else serves the desktop's
//! Secret Service.
//!
//! It is asked through `secret-tool`, which the systems that have a keyring bring along (libsecret): a D-Bus client of
//! our own would be some forty libraries in every program, for one question at its start.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::limits;
use crate::seal::Key;

const TOOL: &str = "secret-tool";
/// What the entry is found by.
const ATTRIBUTES: [&str; 4] = ["application", "callfeed", "kind", "token-key"];
const INSTEAD: &str = "or keep the key elsewhere: CALLFEED_TOKEN_KEY_FILE names a file, and without a setting there is one \
                       beside the tokens";

/// The keyring of the user that the program runs as. Its entry is one for all programs of this user that use this crate,
/// and is made at the first save.
#[derive(Clone, Debug)]
pub struct Keyring {
    tool: String,
    wait: Duration,
    /// Asked once: a keyring may ask its person each time.
    known: Arc<OnceLock<Key>>,
}

impl Default for Keyring {
    fn default() -> Self {
        Self { tool: TOOL.to_owned(), wait: limits::KEYRING_WAIT, known: Arc::default() }
    }
}

impl Keyring {
    /// The key that the keyring has, if it has one.
    pub(crate) fn find(&self) -> Result<Option<Key>, Error> {
        if let Some(key) = self.known.get() {
            return Ok(Some(key.clone()));
        }
        let answer = self.ask("lookup", &[], "")?;
        // It says nothing about an entry that is not there, and something about all else.
        if !answer.ok && answer.errors.is_empty() {
            return Ok(None);
        }
        if !answer.ok {
            return Err(self.no_keyring(&answer.errors));
        }
        let key = Key::parse(&answer.text).ok_or_else(|| {
            Error::local(format!(
                "the keyring's entry \"application callfeed\" holds no key: put the right one back, or delete it with the \
                 token file and sign in again ({} clear {})",
                self.tool,
                ATTRIBUTES.join(" ")
            ))
        })?;
        Ok(Some(self.known.get_or_init(|| key).clone()))
    }

    /// Puts a key into the keyring, in the place of one that may be there.
    pub(crate) fn keep(&self, text: &str) -> Result<(), Error> {
        let answer = self.ask("store", &["--label=Callfeed: key of the sign-in"], text)?;
        if answer.ok { Ok(()) } else { Err(self.no_keyring(&answer.errors)) }
    }

    fn no_keyring(&self, said: &str) -> Error {
        let said = said.lines().next().unwrap_or("it says no more");
        Error::local(format!(
            "the system's keyring cannot be used: {said}. It needs a desktop's session with an unlocked keyring; {INSTEAD}"
        ))
    }

    fn ask(&self, what: &str, flags: &[&str], input: &str) -> Result<Answer, Error> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::local(format!(
                "the system's keyring is asked by {}, which is not installed (Debian: apt-get install libsecret-tools); \
                 {INSTEAD}",
                self.tool
            )),
            io::ErrorKind::TimedOut => Error::local(format!(
                "the system's keyring has not answered within {} s: unlock it; {INSTEAD}",
                self.wait.as_secs()
            )),
            _ => Error::local(format!("{} cannot be asked: {error}", self.tool)),
        };
        let mut command = Command::new(&self.tool);
        command.arg(what).args(flags).args(ATTRIBUTES);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let answer = self.answer(&mut child, input);
        if answer.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        answer.map_err(failed)
    }

    fn answer(&self, child: &mut Child, input: &str) -> io::Result<Answer> {
        if let Some(mut stdin) = child.stdin.take() {
            // Who looks something up reads nothing.
            match stdin.write_all(input.as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        let deadline = Instant::now() + self.wait;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(limits::KEYRING_LOOK);
        };
        // A key and a sentence: less than a pipe holds, so it never waited for us.
        let (mut text, mut errors) = (String::new(), String::new());
        if let Some(mut out) = child.stdout.take() {
            out.read_to_string(&mut text)?;
        }
        if let Some(mut out) = child.stderr.take() {
            out.read_to_string(&mut errors)?;
        }
        Ok(Answer { ok: status.success(), text, errors: errors.trim().to_owned() })
    }
}

struct Answer {
    ok: bool,
    text: String,
    errors: String,
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;
    use crate::seal::KeySource;

    /// A keyring that is a file.
    const MOCK: &str = r#"
case "$*" in
  "lookup application callfeed kind token-key") cat "$STORE" 2>/dev/null ;;
  "store --label="*" application callfeed kind token-key") cat > "$STORE" ;;
  *) echo "unknown: $*" >&2; exit 2 ;;
esac"#;

    fn keyring(folder: &Path, script: &str) -> Keyring {
        let tool = folder.join("tool");
        let store = folder.join("entry");
        std::fs::write(&tool, format!("#!/bin/sh\nSTORE='{}'\n{script}\n", store.display())).unwrap();
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o700)).unwrap();
        Keyring { tool: tool.to_string_lossy().into_owned(), ..Keyring::default() }
    }

    fn refusal(keyring: Keyring) -> String {
        KeySource::Keyring(keyring).existing_or_new().expect_err("it is refused").message
    }

    #[test]
    fn a_key_is_made_once_kept_in_the_keyring_and_found_by_the_next_program() {
        let folder = tempfile::tempdir().unwrap();
        let source = || KeySource::Keyring(keyring(folder.path(), MOCK));
        let missing = source().existing().expect_err("there is none").message;
        assert!(missing.contains("sign in again"), "{missing}");
        let sealed =
            crate::seal::SealedFile::seal(&source().existing_or_new().unwrap(), b"tokens".to_vec()).unwrap();
        assert_eq!(sealed.open(&source().existing().unwrap()).unwrap(), b"tokens");
        assert_eq!(sealed.open(&source().existing_or_new().unwrap()).unwrap(), b"tokens");
        std::fs::write(folder.path().join("entry"), "nonsense").unwrap();
        assert!(refusal(keyring(folder.path(), MOCK)).contains("holds no key"));
    }

    #[test]
    fn where_there_is_no_keyring_the_error_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Keyring { tool: "callfeed-no-such-tool".to_owned(), ..Keyring::default() };
        let said = refusal(nowhere);
        assert!(said.contains("libsecret-tools") && said.contains("CALLFEED_TOKEN_KEY_FILE"), "{said}");
        let no_bus = "echo 'Cannot autolaunch D-Bus without X11 $DISPLAY' >&2; exit 1";
        let said = refusal(keyring(folder.path(), no_bus));
        assert!(
            said.contains("Cannot autolaunch D-Bus") && said.contains("CALLFEED_TOKEN_KEY_FILE"),
            "{said}"
        );
        let locked = Keyring { wait: Duration::ZERO, ..keyring(folder.path(), "exec sleep 600") };
        assert!(refusal(locked).contains("unlock it"));
    }
}
