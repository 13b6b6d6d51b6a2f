//! Resuming behind a known notification, and the ids by which the channel's own messages can be resumed behind too.

use serde_json::json;

use super::delivery::{Delivery, End, Outlet, fault};
use super::system::Message;
use crate::limits;
use crate::time;

impl Delivery {
    /// Moves right behind a notification; where that cannot be done wholly, says so and goes on from now.
    pub(super) async fn resume(&mut self, id: &str, out: &mut impl Outlet) -> Result<(), End> {
        let now_us = self.app.clock.now_us();
        let accounts = self.accounts();
        let mut found = false;
        if accounts.is_empty()
            && let Some(account) = self.own_account()
        {
            // Without subscriptions nothing can be missing, if the notification is one of this log's.
            found = self.place_behind(&account, id, now_us).await?.is_some();
        }
        for place in 0..self.places.len() {
            let account = self.places[place].0.account_key.clone();
            if accounts.contains(&account)
                && let Some(position) = self.place_behind(&account, id, now_us).await?
            {
                // It is in one log only; what another account has to tell goes on from the confirmed place.
                self.places[place].1 = position;
                found = true;
            }
        }
        // What lies behind these places is sent, however long that takes.
        self.age_max_us = i64::MAX;
        if !found {
            self.start_at_the_heads(&accounts).await?;
            // Taken last: what came meanwhile and is not sent is older than this.
            let from = time::nanos(self.app.clock.now_us());
            let content = json!({"recovered": false, "availableFrom": from});
            self.tell(&Message::Resume(content), out).await?;
        }
        Ok(())
    }

    async fn start_at_the_heads(&mut self, accounts: &[Box<str>]) -> Result<(), End> {
        for (topic, position) in self.places.iter_mut().filter(|(t, _)| accounts.contains(&t.account_key)) {
            *position = self.app.store.log_head(&topic.account_key).await.map_err(fault)?;
        }
        Ok(())
    }

    /// The place of a notification in an account's log, if everything behind it can still be sent.
    async fn place_behind(&self, account: &str, id: &str, now_us: i64) -> Result<Option<i64>, End> {
        let store = &self.app.store;
        let Some((position, at_us)) = store.place_of_notification(account, id).await.map_err(fault)? else {
            return Ok(None);
        };
        let missed = store.log_head(account).await.map_err(fault)? - position;
        let whole = (0..=limits::RESUME_NOTIFICATIONS_MAX).contains(&missed)
            && now_us - at_us <= limits::RESUME_WINDOW_S * 1_000_000;
        Ok(whole.then_some(position))
    }

    /// Queues one of the channel's own messages, under an id behind which a reader can resume.
    pub(super) async fn tell(&mut self, message: &Message, out: &mut impl Outlet) -> Result<(), End> {
        let id = self.own_id().await?;
        self.queue(Some(&id), &time::nanos(self.app.clock.now_us()), &message.data(&id), out);
        Ok(())
    }

    async fn own_id(&self) -> Result<String, End> {
        let store = &self.app.store;
        let accounts = self.accounts();
        let read = self.places.iter().find(|(topic, _)| accounts.contains(&topic.account_key));
        let (account, position) = match read {
            Some((topic, position)) => (topic.account_key.clone(), *position),
            None => {
                let Some(account) = self.own_account() else { return Ok(uuid::Uuid::new_v4().to_string()) };
                let head = store.log_head(&account).await.map_err(fault)?;
                (account, head)
            }
        };
        store.own_message_id(&account, position).await.map_err(fault)
    }

    /// Account of the channel's owner.
    fn own_account(&self) -> Option<Box<str>> {
        self.app.directory.account_of(self.connection.channel.user_key()).map(Into::into)
    }
}
