//! Which channels are left over from a lost answer or a crash. Pure, so that the simulation can try to make it
//! delete a living one.

use std::collections::HashSet;

/// A channel in the list of the user's channels, whatever application made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub channel_id: String,
    pub nickname: Option<String>,
    /// `None` when the server does not say.
    pub connected: Option<bool>,
}

/// Remembers the suspects of the last look.
#[derive(Debug, Default)]
pub struct Sweep {
    suspects: HashSet<String>,
}

impl Sweep {
    /// The channels to delete: of our nickname, not ours, and without a socket in this look and in the last one. A
    /// sibling that has just made its channel, or is reconnecting, has a socket by then.
    pub fn orphans(&mut self, nickname: &str, ours: &[&str], listed: &[Listed]) -> Vec<String> {
        let is_suspect = |channel: &&Listed| {
            channel.nickname.as_deref() == Some(nickname)
                && channel.connected == Some(false)
                && !ours.contains(&channel.channel_id.as_str())
        };
        let suspects: HashSet<String> =
            listed.iter().filter(is_suspect).map(|channel| channel.channel_id.clone()).collect();
        let orphans = suspects.intersection(&self.suspects).cloned().collect();
        self.suspects = suspects;
        orphans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(id: &str, nickname: &str, connected: Option<bool>) -> Listed {
        Listed { channel_id: id.to_owned(), nickname: Some(nickname.to_owned()), connected }
    }

    #[test]
    fn only_a_channel_of_our_name_that_stays_without_a_socket_is_an_orphan() {
        let mut sweep = Sweep::default();
        let first = [
            channel("ours", "callfeed", Some(false)),
            channel("left", "callfeed", Some(false)),
            channel("sibling", "callfeed", Some(false)),
            channel("unsaid", "callfeed", None),
            channel("foreign", "demo", Some(false)),
        ];
        assert_eq!(sweep.orphans("callfeed", &["ours"], &first), Vec::<String>::new());
        let mut second = first.clone();
        second[2].connected = Some(true);
        assert_eq!(sweep.orphans("callfeed", &["ours"], &second), ["left"]);
        assert_eq!(sweep.orphans("callfeed", &["ours"], &second[2..]), Vec::<String>::new());
    }
}
