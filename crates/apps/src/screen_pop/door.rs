//! Who comes in: each browser signs in with the phone system once and has a session of its own from then on.
//!
//! Of a sign-in only the identity is kept: address, user key, lines, whether an admin. The tokens are dropped, since
//! calls come by the app's own sign-in; those of admins stay in memory ([`super::rights`]). The cookie is 256 bits of chance, of which the store has the digest.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::http::HeaderMap;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use jiff::Timestamp;
use sdk::{Client, Error, ErrorKind};
use sqlx::AnyPool;
use ui::Lang;
use url::Url;

use super::{
    limits::{LANGUAGE_KEPT, SESSION_LIFE, SESSIONS_MAX, SIGN_IN_LIFE},
    rights::is_admin,
    secrets::{digest, token},
    sight::{Directory, Person},
    sign_ins::SignIns,
};
use crate::store::desks::{self as store, Session};

/// What a person's sign-in asks for: who they are and which lines are theirs.
const SCOPES: [&str; 2] = [sdk::wire::scope::USERS_READ, sdk::wire::scope::SCIM_ME];

/// Who may open the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Whoever signs in with the phone system, each with their own calls.
    #[default]
    SignedIn,
    /// Whoever reaches the page sees all calls: for invented ones.
    Anyone,
}

/// A browser that may see calls.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub person: Person,
    /// Digest of the session's cookie; empty where anyone may come.
    pub session: String,
    /// What each form of this session carries.
    pub proof: String,
}

/// A sign-in under way.
struct Pending {
    client: Client,
    /// Digest of the cookie of the browser that began it.
    browser: String,
}

pub struct Door {
    client: Option<Client>,
    pub(super) account_key: String,
    access: Access,
    pub(super) pool: AnyPool,
    /// Browsers keep one jar for all ports of a host.
    suffix: String,
    secure: bool,
    // Std mutexes: held for a look, never over an await.
    pending: Mutex<SignIns<Pending>>,
    pub(super) sessions: Mutex<HashMap<String, Session>>,
    /// Clients of admins, by session, to ask whether they still are.
    pub(super) clients: Mutex<HashMap<String, Client>>,
    /// User keys that the phone system has named in this run.
    named: Mutex<HashSet<String>>,
}

impl Door {
    /// Takes back the sessions that have not ended. `page` is the address that browsers know; without a `client` nobody
    /// can sign in.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(
        client: Option<Client>,
        account_key: String,
        access: Access,
        pool: AnyPool,
        page: &Url,
    ) -> sqlx::Result<Self> {
        let sessions = store::sessions(&pool, Timestamp::now()).await?;
        Ok(Self {
            client,
            account_key,
            access,
            pool,
            suffix: page.port().map(|port| format!("_{port}")).unwrap_or_default(),
            secure: page.scheme() == "https",
            pending: Mutex::default(),
            sessions: Mutex::new(sessions),
            clients: Mutex::default(),
            named: Mutex::default(),
        })
    }

    /// Everybody who has a session.
    #[must_use]
    pub fn people(&self) -> Vec<Person> {
        lock(&self.sessions).values().map(|session| session.person.clone()).collect()
    }

    /// The visitor of a request, if there is a session.
    #[must_use]
    pub fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        if self.access == Access::Anyone {
            let person = Person { admin: true, member: true, ..Person::default() };
            return Some(Visitor { person, session: String::new(), proof: String::new() });
        }
        let jar = CookieJar::from_headers(headers);
        let cookie = jar.get(&self.name("session"))?.value();
        let session = digest("session", cookie);
        let sessions = lock(&self.sessions);
        let found = sessions.get(&session).filter(|session| session.ends > Timestamp::now())?;
        Some(Visitor { person: found.person.clone(), proof: digest("proof", cookie), session })
    }

    /// Begins a sign-in of a person, whose browser is at `address`: the address of the login page, and the cookie that ties its answer to this browser.
    ///
    /// # Errors
    /// When the authorization server does not answer.
    pub async fn begin(&self, address: IpAddr) -> Result<(Url, Cookie<'static>), Error> {
        let Some(client) = self.client.as_ref().map(Client::visitor) else {
            return Err(Error::new(ErrorKind::RateLimited, "nobody can sign in here"));
        };
        let authorization = client.authorization(&SCOPES).await?;
        let cookie = chance()?;
        let pending = Pending { client, browser: digest("browser", &cookie) };
        lock(&self.pending).add(authorization.state, address, pending, Timestamp::now());
        let mut cookie = self.cookie("sign_in", cookie);
        cookie.set_max_age(Some(SIGN_IN_LIFE.try_into().unwrap_or_default()));
        Ok((authorization.login_url, cookie))
    }

    /// Whether a sign-in with this state was begun by the browser that sends these headers.
    #[must_use]
    pub fn expects(&self, headers: &HeaderMap, state: &str) -> bool {
        let jar = CookieJar::from_headers(headers);
        let Some(cookie) = jar.get(&self.name("sign_in")) else { return false };
        let browser = digest("browser", cookie.value());
        lock(&self.pending).get(state).is_some_and(|pending| pending.browser == browser)
    }

    /// Ends the sign-in with this state: learns who it is, and makes their session. The person and the cookie come back.
    ///
    /// # Errors
    /// What the phone system refused, in words for the person.
    pub async fn finish(&self, state: &str, code: &str) -> Result<(Person, Cookie<'static>), Error> {
        let pending = lock(&self.pending).take(state);
        let Some(Pending { client, .. }) = pending else {
            return Err(Error::new(ErrorKind::SignInNeeded, "this sign-in took too long: begin again"));
        };
        client.exchange(code).await?;
        self.admit(&client, false).await
    }

    /// Makes a session for whoever has just signed in for the app itself.
    ///
    /// # Errors
    /// As [`Door::finish`].
    pub async fn admit_operator(&self) -> Result<(Person, Cookie<'static>), Error> {
        match &self.client {
            Some(client) => self.admit(client, true).await,
            None => Err(Error::new(ErrorKind::SignInNeeded, "nobody can sign in here")),
        }
    }

    /// Forgets a session.
    pub async fn leave(&self, visitor: &Visitor) {
        lock(&self.sessions).remove(&visitor.session);
        if let Err(error) = store::end_session(&self.pool, &visitor.session).await {
            tracing::warn!(%error, "a session that was signed out could not be taken out of the store");
        }
    }

    /// Ends the sessions of people whom the phone system does not know any more. Digest and person of each come back.
    ///
    /// Whoever had lines at the sign-in, or was named before, and is not named now, has left. The person with whose sign-in
    /// the calls come stays: when they lose their rights, the phone system refuses the app itself.
    pub async fn dismiss(&self, directory: &Directory) -> Vec<(String, Person)> {
        let ended: Vec<(String, Person)> = {
            let mut named = lock(&self.named);
            let has_left = |person: &Person| {
                let Some(key) = person.user_key.as_deref() else { return false };
                let was_there = !person.lines.is_empty() || named.contains(key);
                directory.lacks(key) && was_there && !self.is_operator(&person.id)
            };
            let mut sessions = lock(&self.sessions);
            let left = sessions.iter().filter(|(_, session)| has_left(&session.person));
            let left: Vec<_> = left.map(|(key, session)| (key.clone(), session.person.clone())).collect();
            left.iter().for_each(|(key, _)| drop(sessions.remove(key)));
            let keys = sessions.values().filter_map(|session| session.person.user_key.clone());
            *named = keys.filter(|key| named.contains(key) || directory.has(key)).collect();
            left
        };
        for (key, _) in &ended {
            tracing::info!("a session has ended, since its person has left the phone system");
            if let Err(error) = store::end_session(&self.pool, key).await {
                tracing::warn!(%error, "the session of a person who has left could not be taken out of the store");
            }
        }
        ended
    }

    /// The cookie that takes a session's cookie away.
    #[must_use]
    pub fn no_cookie(&self) -> Cookie<'static> {
        let mut cookie = self.cookie("session", String::new());
        cookie.make_removal();
        cookie
    }

    /// The language that was chosen in this browser.
    #[must_use]
    pub fn language(&self, headers: &HeaderMap) -> Option<Lang> {
        Lang::of_key(CookieJar::from_headers(headers).get(&self.name("language"))?.value())
    }

    /// The cookie that keeps a language in this browser.
    #[must_use]
    pub fn language_cookie(&self, lang: Lang) -> Cookie<'static> {
        let mut cookie = self.cookie("language", lang.key().to_owned());
        cookie.set_max_age(Some(LANGUAGE_KEPT.try_into().unwrap_or_default()));
        cookie
    }

    async fn admit(&self, client: &Client, operator: bool) -> Result<(Person, Cookie<'static>), Error> {
        let person = self.learn(client, operator).await?;
        let cookie = chance()?;
        let now = Timestamp::now();
        let session = Session { person: person.clone(), ends: now.checked_add(SESSION_LIFE).unwrap_or(now) };
        let key = digest("session", &cookie);
        if let Err(error) = store::add_session(&self.pool, &key, &session).await {
            // It holds until the next start.
            tracing::warn!(%error, "a session could not be stored");
        }
        if person.admin && !operator {
            lock(&self.clients).insert(key.clone(), client.clone());
        }
        self.remember(key, session).await;
        let mut cookie = self.cookie("session", cookie);
        cookie.set_max_age(Some(SESSION_LIFE.try_into().unwrap_or_default()));
        Ok((person, cookie))
    }

    pub(super) async fn remember(&self, key: String, session: Session) {
        let oldest = {
            let mut sessions = lock(&self.sessions);
            sessions.insert(key, session);
            let full = sessions.len() > SESSIONS_MAX;
            let oldest = sessions.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| key.clone());
            oldest.filter(|_| full).inspect(|key| drop(sessions.remove(key)))
        };
        if let Some(key) = oldest
            && let Err(error) = store::end_session(&self.pool, &key).await
        {
            tracing::warn!(%error, "the oldest session could not be taken out of the store");
        }
    }

    /// Who has signed in; the phone system says whether they belong to the account.
    async fn learn(&self, client: &Client, operator: bool) -> Result<Person, Error> {
        let record = optional(client.my_record().await)?;
        let accounts = optional(client.my_accounts().await)?;
        let mine = accounts.iter().flatten().find(|account| account.account_key == self.account_key);
        let in_record = record
            .as_ref()
            .and_then(|record| record.getgo.as_ref())
            .and_then(|accounts| accounts.accounts.iter().find(|account| account.value == self.account_key));
        let id = client.principal().or_else(|| record.as_ref().map(|record| record.user_name.clone()));
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "the phone system does not tell who signed in: allow the OAuth client the scope identity:scim.me",
            ));
        };
        let member = mine.is_some() || in_record.is_some();
        let unknown = accounts.is_none() && record.is_none();
        // An operator whose client has no such scopes sees calls as soon as the phone system has shown them to the app.
        if !member && !(unknown && (operator || self.is_operator(&id))) {
            let text = if unknown {
                "the phone system does not tell which lines are yours: allow the OAuth client the scopes \
                 users.v1.read and identity:scim.me"
            } else {
                "you do not belong to the account whose calls are shown here"
            };
            return Err(Error::new(ErrorKind::Forbidden, text));
        }
        Ok(Person {
            id: id.to_lowercase(),
            user_key: record.as_ref().map(|record| record.id.clone()),
            lines: mine
                .map(|account| account.lines.iter().map(|line| line.id.clone()).collect())
                .unwrap_or_default(),
            member,
            admin: record.as_ref().is_some_and(|record| is_admin(record, &self.account_key)),
        })
    }

    /// The app's own sign-in is this person's.
    pub(super) fn is_operator(&self, address: &str) -> bool {
        let operator = self.client.as_ref().and_then(Client::principal);
        operator.is_some_and(|operator| operator.eq_ignore_ascii_case(address))
    }

    fn name(&self, what: &str) -> String {
        // RFC 6265bis §4.1.3.2: a browser takes this name from this very host over TLS alone.
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}callfeed_{what}{}", self.suffix)
    }

    fn cookie(&self, what: &str, value: String) -> Cookie<'static> {
        Cookie::build((self.name(what), value))
            .path("/")
            .http_only(true)
            .secure(self.secure)
            // The way back from the login page is a link from another site, which Strict would not send it on.
            .same_site(SameSite::Lax)
            .build()
    }
}

/// Without the scope there is nothing to read, which is no error.
fn optional<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn chance() -> Result<String, Error> {
    token()
        .map_err(|_| Error::new(ErrorKind::Local, "the operating system gives no random numbers: try again"))
}

// What the mutexes guard is whole after every step, so a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
