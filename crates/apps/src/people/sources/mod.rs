//! Where people are looked up: the contacts that were imported, web services, databases. Each source answers for itself: a slow
//! or dead one is a line on the card and holds up nothing.

pub mod config;
pub mod files;
pub mod further;
mod guard;
mod guarded;
mod http;
#[cfg(test)]
mod presets_tests;
#[cfg(test)]
pub(crate) mod tests;
pub mod write;
mod wrong;

use std::{fmt, sync::Arc};

use futures_util::Stream;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlx::AnyPool;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    contact::Contact,
    limits::ANSWERS_WAITING,
    number::{Home, Number},
};
use crate::store::{contacts as store, lookup::Database};
use config::{Kind, Source};
use further::{About, More};
use guarded::{Guarded, SharedBudget};
use http::Service;

/// Name of the contacts in the store among the sources.
pub const IMPORTED: &str = "contacts";

/// Why a source has not answered, in words for a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    Slow,
    Unreachable,
    Refused,
    Budget,
    Pause,
    Status(u16),
    Unreadable,
    /// The database refuses the query, or cannot be reached.
    Database,
    /// The source was taken out of the file.
    NotSetUp,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow => f.write_str("does not answer in time"),
            Self::Unreachable => f.write_str("cannot be reached"),
            Self::Refused => f.write_str("refuses the token"),
            Self::Budget => f.write_str("takes no more requests in this minute"),
            Self::Pause => f.write_str("failed lately, is tried again soon"),
            Self::Status(status) => write!(f, "answers with error {status}"),
            Self::Database => f.write_str("cannot be asked: the log tells why"),
            Self::NotSetUp => f.write_str("is not set up any more"),
            Self::Unreadable => f.write_str("answers with something that cannot be read"),
        }
    }
}

/// What one source says; a later answer of the same source takes the place of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub source: String,
    /// Those that it knows for the number, before they are ranked.
    pub contacts: Vec<Contact>,
    /// The contacts are old ones, if there are any.
    pub failure: Option<Failure>,
    /// A newer answer comes.
    pub stale: bool,
    /// What further requests about the contacts could not tell, and why.
    pub lacks: Vec<(About, Failure)>,
}

/// All sources of an app. Cheap to clone.
#[derive(Clone)]
pub struct Lookup {
    pool: AnyPool,
    services: Arc<Vec<Arc<Guarded>>>,
}

/// What is asked.
enum Asked {
    Service(Box<Service>),
    Database(Database),
}

impl Asked {
    async fn find(&self, number: &Number) -> Result<Vec<Contact>, Failure> {
        match self {
            Self::Service(service) => service.find(number).await,
            Self::Database(database) => database.find(number).await.map_err(|error| {
                tracing::warn!(%error, "a database among the sources cannot be asked");
                Failure::Database
            }),
        }
    }

    /// What can be asked for each contact besides.
    fn further(&self) -> Vec<About> {
        match self {
            Self::Service(service) => service.further(),
            Self::Database(_) => Vec::new(),
        }
    }

    async fn more(&self, about: &About, number: &Number, id: &str) -> Result<More, Failure> {
        match self {
            Self::Service(service) => service.more(about, number, id).await,
            Self::Database(_) => Ok(More::default()),
        }
    }

    /// None for files, which are imported.
    fn of(source: &Source, environment: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Self>> {
        let http = &source.http;
        let query = http.query.as_deref().unwrap_or_default();
        let set = |name: &Option<String>| name.as_deref().and_then(environment).unwrap_or_default();
        Ok(match source.kind {
            Kind::Csv | Kind::Vcard => None,
            Kind::Http => {
                let token = SecretString::from(set(&http.token_env));
                Some(Self::Service(Box::new(Service::new(source.clone(), token)?)))
            }
            Kind::Sqlite => {
                let file = http.database.clone().unwrap_or_default();
                let url = format!("sqlite://{}?mode=ro", file.display());
                Some(Self::Database(Database::new(&url, query, &source.name)?))
            }
            Kind::Postgres => {
                Some(Self::Database(Database::new(&set(&http.database_env), query, &source.name)?))
            }
        })
    }
}

impl Lookup {
    /// The contacts of the store, and the web services and databases among `sources`. `environment` tells environment variables.
    ///
    /// # Errors
    /// When a client cannot be made or a database's URL cannot be read.
    pub fn new(
        pool: AnyPool,
        sources: &[Source],
        environment: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        // Another part of the program may have chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut services = Vec::new();
        for source in sources {
            let Some(asked) = Asked::of(source, &environment)? else { continue };
            services.push(Arc::new(Guarded::new(source, asked)));
        }
        Ok(Self { pool, services: Arc::new(services) })
    }

    /// Web services or databases are asked, not the contacts of the store alone.
    #[must_use]
    pub fn asks_services(&self) -> bool {
        !self.services.is_empty()
    }

    /// The services among `sources` to which calls are written. Their requests count as those of the look-ups do.
    ///
    /// # Errors
    /// When a client cannot be made.
    pub fn writers(
        &self,
        sources: &[Source],
        environment: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Vec<write::Writer>> {
        let mut writers = Vec::new();
        for source in sources.iter().filter(|source| source.kind == Kind::Http) {
            let token = source.http.token_env.as_deref().and_then(&environment).unwrap_or_default();
            let asked = self.services.iter().find(|service| service.name() == source.name);
            let budget = asked.map_or_else(|| SharedBudget::of(source), |service| service.budget());
            writers.extend(write::Writer::new(source, SecretString::from(token), budget)?);
        }
        Ok(writers)
    }

    /// What the sources say of a number, each as soon as it answers. The stream ends when all have answered or were given
    /// up; withheld numbers and texts are asked for nowhere. Contacts come before what further requests tell of them. What is
    /// still under way when the stream is dropped fills the cache. Numbers of contacts without a country are of `home`.
    pub fn look_up(&self, number: &Number, home: Home) -> impl Stream<Item = Answer> + Send + Unpin + use<> {
        let (sender, answers) = mpsc::channel(ANSWERS_WAITING);
        if matches!(number, Number::Phone(_) | Number::Digits { .. }) {
            let (pool, wanted, to) = (self.pool.clone(), number.clone(), sender.clone());
            tokio::spawn(async move {
                let contacts = store::candidates(&pool, &wanted).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "the contacts could not be read");
                    Vec::new()
                });
                let answer = Answer {
                    source: IMPORTED.to_owned(),
                    contacts,
                    failure: None,
                    stale: false,
                    lacks: Vec::new(),
                };
                let _ = to.send(answer).await;
            });
            for service in self.services.iter() {
                tokio::spawn(Arc::clone(service).answer(number.clone(), home, sender.clone()));
            }
        }
        ReceiverStream::new(answers)
    }
}
