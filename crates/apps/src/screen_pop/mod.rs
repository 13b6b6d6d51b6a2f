//! The screen pop: a page that shows who is calling while it rings.
//!
//! [`run`] puts the parts together: `follow` hears of calls from the SDK, `desk` takes them in, `board` is the pure
//! model of calls and `sight` of who sees them, `past` finds calls that
//! ended while nobody told of them, `hub` hands changes to the pages, `door` lets people in, `routes` answers
//! the browser.

pub mod board;
pub mod call;
pub mod callers;
pub mod choice;
mod claims;
mod contacts_page;
mod contacts_words;
pub mod desk;
pub mod door;
pub mod elsewhere;
mod enter;
pub mod follow;
mod frames;
pub mod hub;
mod kept;
mod kept_contacts;
mod language;
pub mod limits;
mod marks;
mod notes;
mod paint;
mod past;
mod rights;
pub mod routes;
pub mod seat;
pub mod secrets;
pub mod server;
mod settings;
pub mod sight;
mod sign_ins;
pub mod view;
mod wall;
mod wallboard;
mod walls;
mod when;
mod write_back;
mod written;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use jiff::tz::TimeZone;
use listen::{Served, tls};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use contacts_page::ContactFiles;
pub use desk::Pop;
pub use door::Access;
pub use listen::TlsFiles;

use crate::{
    env::Settings,
    people::sources::{self, Lookup, config},
    session, sign_in,
    store::{OneApp, OneOnDatabase, Store},
};
use callers::Callers;
use desk::Desk;
use door::Door;
use follow::Source;
use hub::Hub;
use routes::{Pages, REDIRECT_PATH};
use write_back::WriteBack;

/// Where the channel is remembered in the state folder.
const CHANNEL_FILE: &str = "screen-pop-channel.json";
/// Where contacts are looked up, in the state folder.
const SOURCES_FILE: &str = "sources.toml";

/// The open address of the page and of the redirect URI.
#[derive(Debug)]
pub struct Listening {
    host: String,
    listeners: Vec<TcpListener>,
    page: Url,
    public: Option<String>,
    secure: Option<Secure>,
}

/// A certificate that serves, and where its renewed files come.
#[derive(Debug)]
pub struct Secure {
    files: TlsFiles,
    served: Served,
    /// Seconds since 1970.
    expires_s: i64,
    look_every: Duration,
}

impl Secure {
    fn load(files: TlsFiles) -> Result<Self, listen::TlsError> {
        let served = Served::new(tls::load(&files)?);
        let expires_s = tls::expiry_s(&files)?;
        Ok(Self { files, served, expires_s, look_every: listen::limits::CERTIFICATE_LOOK_EVERY })
    }
}

impl Listening {
    /// Opens an address such as `localhost:5000`; port 0 takes a free one. With `tls` it speaks https alone.
    ///
    /// # Errors
    /// When the address is wrong or taken, or the files of the certificate cannot be used; the message names the flag or
    /// the file.
    pub async fn open(listen: &str, tls: Option<TlsFiles>) -> anyhow::Result<Self> {
        let secure = tls.map(Secure::load).transpose()?;
        let (host, port) = server::split_listen(listen).map_err(anyhow::Error::msg)?;
        let listeners = server::listen(&host, port).await.map_err(anyhow::Error::msg)?;
        let port = listeners.first().context("nothing to listen on")?.local_addr()?.port();
        let scheme = if secure.is_some() { "https" } else { "http" };
        let page = Url::parse(&format!("{scheme}://{host}:{port}/")).context("--listen is no address")?;
        Ok(Self { host, listeners, page, public: None, secure })
    }

    /// Looks for renewed files of the certificate so often, which without one does nothing.
    #[must_use]
    pub fn looking_for_certificates_every(mut self, look_every: Duration) -> Self {
        if let Some(secure) = &mut self.secure {
            secure.look_every = look_every;
        }
        self
    }

    /// The same page under the address that browsers know it by, such as that of a proxy in front.
    ///
    /// # Errors
    /// When it is no address of a page; the message names the flag.
    pub fn known_as(self, public: &str) -> anyhow::Result<Self> {
        let page = Url::parse(public).ok().filter(|url| {
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && bare
        });
        let page =
            page.context("--public-url takes scheme and host without a path: https://calls.example.com")?;
        let host = page.host_str().unwrap_or_default();
        let public = page.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self { page, public: Some(public), ..self })
    }

    /// Address of the page.
    #[must_use]
    pub fn page(&self) -> &Url {
        &self.page
    }

    /// Where the sign-in comes back to.
    ///
    /// # Errors
    /// Never for an address that could be opened.
    pub fn redirect_uri(&self) -> anyhow::Result<Url> {
        Ok(self.page.join(REDIRECT_PATH)?)
    }
}

/// How the screen pop is to run.
#[derive(Debug)]
pub struct Options {
    /// Tokens, the channel and the calls seen are kept here.
    pub state_dir: PathBuf,
    pub listening: Listening,
    /// Print the login address and open nothing.
    pub no_browser: bool,
    /// Where contacts are looked up (docs/contacts.md); `sources.toml` in the state folder if none is named.
    pub sources: Option<PathBuf>,
    /// Who may open the page.
    pub access: Access,
    /// Told of each call that appears on the page.
    pub on_pop: Option<mpsc::Sender<Pop>>,
}

/// Runs the screen pop until `shutdown`; then closes the socket and deletes subscription and channel.
///
/// # Errors
/// When the state folder cannot be used. All else is tried again for ever.
pub async fn run(settings: Settings, options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let _one_app = OneApp::take(&options.state_dir, "screen-pop")?;
    let _one_here = OneOnDatabase::take(&options.state_dir, "screen-pop").await?;
    let client = session(&settings, &options.state_dir, options.listening.redirect_uri()?)?;
    let store = Store::open(&options.state_dir).await?;
    let config::Setup { home, sources, outcomes } = read_sources(&options)?;
    let hub = Hub::with_outcomes(TimeZone::system(), outcomes);
    let contacts = ContactFiles {
        state_dir: options.state_dir.clone(),
        home: home.unwrap_or_default(),
        taken: sources.iter().map(|source| source.name.clone()).collect(),
    };
    let Listening { host, listeners, page, public, secure } = options.listening;
    let read = |name: &str| std::env::var(name).ok();
    let lookup = Lookup::new(store.pool.clone(), &sources, read)?;
    let writers = lookup.writers(&sources, read)?;
    let write_back = WriteBack::new(Arc::clone(&hub), store.pool.clone(), writers);
    let files = tokio::spawn(sources::files::import_all(
        store.pool.clone(),
        sources,
        home,
        options.state_dir.clone(),
    ));
    let callers =
        Callers::writing(Arc::clone(&hub), store.pool.clone(), lookup, home, Some(Arc::clone(&write_back)));
    let desk = Desk::open(
        Arc::clone(&hub),
        store.pool.clone(),
        Arc::clone(&callers),
        options.on_pop,
        page.to_string(),
    )
    .await?;
    let writing = tokio::spawn(write_back.run(shutdown.clone()));
    let account_key = settings.account_key;
    let visits = Some(client.clone());
    let door = Door::open(visits, account_key.clone(), options.access, store.pool.clone(), &page).await?;
    hub.know(door.people());

    // One sign-in at a time; a second one waits for its turn.
    let (codes_sender, codes) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let (hub_of_pages, door) = (Arc::clone(&hub), Arc::new(door));
    let pool = store.pool.clone();
    let pages = Pages {
        hub: hub_of_pages,
        callers,
        door: Arc::clone(&door),
        store,
        contacts,
        codes: codes_sender,
        host,
        public,
        page,
    };
    let server = tokio::spawn(server::serve(listeners, pages, secure, stop.clone()));
    let no_browser = options.no_browser;
    let source = Source {
        client,
        pool,
        door,
        account_keys: vec![account_key],
        state_file: options.state_dir.join(CHANNEL_FILE),
        invite: Box::new(move |login_url| sign_in::show(login_url, no_browser)),
    };
    follow::follow(source, desk, hub, codes, shutdown).await;
    files.abort();
    writing.abort();
    stop.cancel();
    server.await.context("the page's server failed")
}

/// What is set up in the file, if there is one.
fn read_sources(options: &Options) -> anyhow::Result<config::Setup> {
    let usual = options.state_dir.join(SOURCES_FILE);
    let path = match &options.sources {
        Some(path) => path,
        None if usual.is_file() => &usual,
        None => return Ok(config::Setup::default()),
    };
    config::load(path, |name| std::env::var(name).ok())
        .with_context(|| format!("the sources in {} cannot be used", path.display()))
}
