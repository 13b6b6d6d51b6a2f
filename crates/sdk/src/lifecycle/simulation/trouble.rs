//! What the world does to the program.

use super::*;

impl World {
    pub(super) fn mischief(&mut self) {
        if !self.in_trouble() {
            return;
        }
        let next = Duration::from_millis(self.random.u64(100..120_000));
        self.queue(next, None, What::Mischief);
        let mut generations: Vec<Generation> = self.program.held.keys().copied().collect();
        generations.sort_unstable();
        if self.random.u8(0..12) == 0 {
            return self.kill();
        }
        let Some(&generation) = generations.first() else { return };
        let id = self.program.ids.get(&generation).copied().unwrap_or_default();
        let random = self.random.u8(0..7);
        match (random, self.channel(generation)) {
            (0, _) => self.drop_socket(generation),
            (1, Some(channel)) => channel.hanging = true,
            (2, _) => self.answer(Duration::from_secs(3), Event::RefreshAsked { generation }),
            (3, Some(channel)) => {
                channel.excused = true;
                self.answer(Duration::from_secs(3), Event::CloseAnnounced { generation });
                let delay = Duration::from_secs(self.random.u64(1..60));
                self.queue(delay, None, What::EndChannel(id));
            }
            (4, Some(_)) => self.end_channel(id),
            (5, Some(channel)) => channel.subscribed = false,
            _ => {
                self.away_until = self.now + Duration::from_secs(self.random.u64(1..300));
                generations.into_iter().for_each(|generation| self.drop_socket(generation));
            }
        }
    }

    pub(super) fn end_channel(&mut self, id: u64) {
        let generation =
            self.program.ids.iter().find(|(_, own)| **own == id).map(|(generation, _)| *generation);
        if let Some(generation) = generation {
            self.drop_socket(generation);
        }
        self.channels.remove(&id);
    }

    /// `kill -9`, and a new run that knows what was on disk.
    fn kill(&mut self) {
        let generations: Vec<Generation> = self.program.ids.keys().copied().collect();
        for generation in generations {
            if let Some(channel) = self.channel(generation) {
                channel.socket = None;
            }
        }
        let (machine, actions) = Lifecycle::start(self.random.u64(..), self.saved.is_some());
        self.program = Program::new(self.program.run + 1, machine);
        self.after(PULL_EVERY, What::Pull(Look::Periodic));
        self.perform(actions);
    }

    fn drop_socket(&mut self, generation: Generation) {
        let Some(channel) = self.channel(generation) else { return };
        if let Some(number) = channel.socket.take() {
            // Never before the news that it is open.
            self.after(limits::SOCKET_OPEN_TIMEOUT, What::SocketClosed { generation, number });
        }
    }
}
