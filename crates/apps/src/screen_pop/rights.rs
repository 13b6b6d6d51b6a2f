//! Whether those who may see every call still may: the phone system tells it to each of them alone, so their tokens are kept,
//! in memory, for as long as their session lasts. Everybody else's sign-in leaves no token.

use jiff::Timestamp;
use sdk::{Client, ErrorKind, wire::directory::ScimMe};

use super::{
    door::{Door, lock},
    hub::Hub,
    limits::{RIGHT_UNASKED_MAX, SESSION_LIFE},
    sight::Person,
};
use crate::store::desks as store;

/// The entitlement of an admin (spec/oauth.md, Where account keys come from).
const ADMIN: &str = "acctadmin";

/// Whether a person's record names them an admin of the account.
pub fn is_admin(record: &ScimMe, account_key: &str) -> bool {
    let accounts = record.getgo.iter().flat_map(|getgo| &getgo.accounts);
    let mut mine = accounts.filter(|account| account.value == account_key);
    mine.any(|account| account.entitlements.iter().any(|word| word == ADMIN))
}

/// Asks about all admins, and takes what they may not see any more from the open pages of those who are none.
pub async fn recheck(door: &Door, hub: &Hub) {
    for person in door.recheck().await {
        hub.vacate(&person);
    }
}

impl Door {
    /// Asks the phone system about each admin who is signed in. Those who are admins no more come back, as they were; from
    /// now on their sessions are those of a person like others.
    ///
    /// A session that a restart has parted from its tokens cannot be asked about: its right ends
    /// [`RIGHT_UNASKED_MAX`] after the sign-in.
    pub async fn recheck(&self) -> Vec<Person> {
        let mut lost = Vec::new();
        for (person, client) in self.admins() {
            let keeps = match &client {
                Some(client) => self.keeps_right(client).await,
                None => false,
            };
            if !keeps {
                self.demote(&person).await;
                lost.push(person);
            }
        }
        lost
    }

    /// Admins to ask about, once each; without a client those whose right has lasted long enough.
    fn admins(&self) -> Vec<(Person, Option<Client>)> {
        let now = Timestamp::now();
        let sessions = lock(&self.sessions);
        let mut clients = lock(&self.clients);
        clients.retain(|session, _| sessions.contains_key(session));
        let mut admins: Vec<(Person, Option<Client>)> = Vec::new();
        for (key, session) in sessions.iter().filter(|(_, session)| session.person.admin) {
            let client = clients.get(key).cloned();
            // A session ends a fixed time after its sign-in.
            let age =
                SESSION_LIFE.saturating_sub(session.ends.duration_since(now).try_into().unwrap_or_default());
            let is_due = client.is_some() || age >= RIGHT_UNASKED_MAX;
            if is_due && !self.is_operator(&session.person.id) {
                match admins.iter_mut().find(|(person, _)| person.id == session.person.id) {
                    Some((_, known)) => *known = known.take().or(client),
                    None => admins.push((session.person.clone(), client)),
                }
            }
        }
        admins
    }

    /// While the phone system does not answer, nothing is taken away.
    async fn keeps_right(&self, client: &Client) -> bool {
        match client.my_record().await {
            Ok(record) => is_admin(&record, &self.account_key),
            Err(error) => {
                !matches!(error.kind, ErrorKind::SignInNeeded | ErrorKind::Forbidden | ErrorKind::NotFound)
            }
        }
    }

    async fn demote(&self, person: &Person) {
        let ids = |session: &&mut store::Session| session.person.id == person.id;
        lock(&self.sessions).values_mut().filter(ids).for_each(|session| session.person.admin = false);
        tracing::info!(
            "an admin is none any more, or their sign-in has ended: they see the calls of their lines"
        );
        if let Err(error) = store::demote(&self.pool, &person.id).await {
            tracing::warn!(%error, "that somebody is no admin any more could not be stored");
        }
    }
}
