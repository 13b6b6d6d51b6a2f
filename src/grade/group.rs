//! A command in a shell, in a process group of its own: whatever it starts ends with it, so that a program which is a
//! child of a child is killed as truly as one that the shell became.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

/// After SIGKILL nothing runs any more; so long the system may take to say so.
const KILLED: Duration = Duration::from_secs(5);
/// Between two looks whether the group has ended.
const LOOK: Duration = Duration::from_millis(20);

/// The shell and all that came from it, unless it made a group of its own.
pub struct Group {
    shell: Child,
    /// Number of the shell's process, which is the group's.
    id: Option<u32>,
}

impl Group {
    /// Starts the command; its output is for the caller to take.
    pub fn start(command: &str, environment: &[(String, String)]) -> std::io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).kill_on_drop(true);
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell.envs(environment.iter().map(|(name, value)| (name, value)));
        #[cfg(unix)]
        shell.process_group(0);
        let shell = shell.spawn()?;
        let id = shell.id();
        Ok(Self { shell, id })
    }

    pub fn shell(&mut self) -> &mut Child {
        &mut self.shell
    }

    /// How the shell ended, if it has.
    pub fn ended(&mut self) -> Option<String> {
        self.shell.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// SIGTERM to all, and SIGKILL to those that are still there after this time.
    pub async fn end(&mut self, grace: Duration) {
        self.signal("TERM");
        if !self.gone_within(grace).await {
            self.kill().await;
        }
    }

    /// SIGKILL to all; returns when none runs.
    pub async fn kill(&mut self) {
        self.signal("KILL");
        self.gone_within(KILLED).await;
    }

    async fn gone_within(&mut self, bound: Duration) -> bool {
        let gone = async {
            // The shell is our child: it is there until it is asked for.
            let _ = self.shell.wait().await;
            while self.id.is_some_and(is_running) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let gone = tokio::time::timeout(bound, gone).await.is_ok();
        if gone {
            self.id = None;
        }
        gone
    }

    /// Groups are named by a minus sign; the shell's own `kill` is there wherever the shell is.
    fn signal(&self, signal: &str) {
        let Some(id) = self.id else { return };
        let script = format!("kill -s {signal} -- -{id}");
        let mut kill = std::process::Command::new("sh");
        // A group that has just ended is no fault.
        let _ = kill.args(["-c", &script]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

/// Whether a process of the group runs. One that has ended and that nobody has asked for still has its number: on
/// Linux it is told apart.
fn is_running(group: u32) -> bool {
    #[cfg(target_os = "linux")]
    if let Ok(processes) = std::fs::read_dir("/proc") {
        let stats =
            processes.flatten().filter_map(|one| std::fs::read_to_string(one.path().join("stat")).ok());
        return stats.into_iter().any(|stat| runs_in(&stat, group));
    }
    let script = format!("kill -s 0 -- -{group}");
    let mut kill = std::process::Command::new("sh");
    kill.args(["-c", &script]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A line of proc(5): number, (name), state, parent, group. The name may hold anything.
#[cfg(target_os = "linux")]
fn runs_in(stat: &str, group: u32) -> bool {
    let mut words = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let state = words.next();
    let of = words.nth(1).and_then(|word| word.parse::<u32>().ok());
    of == Some(group) && !matches!(state, Some("Z" | "X"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    use super::*;

    /// Starts a shell, and waits until it has said a line.
    async fn started(command: &str) -> (Group, u32) {
        let mut group = Group::start(command, &[]).expect("a shell is there");
        let stdout = group.shell().stdout.take().expect("stdout is piped");
        BufReader::new(stdout).lines().next_line().await.expect("it can be read").expect("it says a line");
        let id = group.id.expect("it runs");
        (group, id)
    }

    #[tokio::test]
    async fn a_child_of_a_child_ends_with_the_group() {
        let (mut group, id) = started("cd / && A=1 sh -c 'sleep 600 & sleep 600 & echo on; wait'").await;
        assert!(is_running(id));
        group.end(Duration::from_secs(60)).await;
        assert!(!is_running(id));
    }

    #[tokio::test]
    async fn who_does_not_hear_sigterm_is_killed() {
        // A child takes over that its parent ignores the signal.
        let (mut group, id) = started("trap '' TERM; sleep 600 & echo on; wait").await;
        group.end(Duration::from_millis(100)).await;
        assert!(!is_running(id));
    }

    #[tokio::test]
    async fn nothing_outlives_a_group_that_is_dropped() {
        let (group, id) = started("sleep 600 & echo on; wait").await;
        drop(group);
        let gone = async {
            while is_running(id) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("SIGKILL ends it");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn ended_processes_and_those_of_other_groups_do_not_run() {
        for (stat, runs) in [
            ("7 (a b) S) 1) S 1 42 42 0", true),
            ("7 (sleep) Z 1 42 42 0", false),
            ("7 (sleep) S 1 43 42 0", false),
            ("", false),
        ] {
            assert_eq!(runs_in(stat, 42), runs, "{stat}");
        }
    }
}
