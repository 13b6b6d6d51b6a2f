//! Keeps the board in step with the phone system: feeds it with call states, compares it with the calls under way
//! after each break, and gets a person to sign in when that is needed.

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use sdk::{Authorization, Client, Error, ErrorKind, Feed, FeedConfig, FeedEvent};
use sqlx::AnyPool;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use ui::Link;
use wire::{call_events::CallEvent, directory::User};

use super::{
    desk::Desk,
    door::Door,
    hub::{Hub, Problem, SignIn},
    limits::{DIRECTORY_EVERY, HISTORIES_MAX, PAST_WAITING, SIGN_IN_RETRY, STALE_CHECK},
    past::{self, Looks},
    rights::recheck,
    routes::Code,
    sight::Directory,
};
use crate::SCOPES;

/// Nickname of the channel.
const NICKNAME: &str = "callfeed-screen-pop";

/// What to follow.
pub struct Source {
    pub client: Client,
    /// Knows until when calls were heard.
    pub pool: AnyPool,
    /// Whose sessions end when they leave the phone system.
    pub door: Arc<Door>,
    pub account_keys: Vec<String>,
    /// Where the channel is remembered.
    pub state_file: PathBuf,
    /// Shows a login address to a person.
    pub invite: Box<dyn Fn(&str) + Send>,
}

/// Work done beside the feed, so that a slow answer holds up no call.
enum Done {
    Compared {
        suspects: Vec<String>,
        live: Result<Vec<CallEvent>, Error>,
    },
    History {
        id: String,
        gone: bool,
        events: Result<Vec<CallEvent>, Error>,
    },
    Asked(Authorization),
    People(Result<Vec<User>, Error>),
    /// Who is no admin any more sees their own calls alone.
    Rechecked,
    Exchanged {
        result: Result<(), Error>,
        done: oneshot::Sender<Result<(), String>>,
    },
}

struct Follower {
    source: Source,
    desk: Desk,
    hub: Arc<Hub>,
    work: JoinSet<Done>,
    /// Known calls are being compared; one comparison at a time.
    comparing: bool,
    /// A login address is being asked for.
    asking: bool,
    /// Tells those who look for calls that were not heard.
    breaks: watch::Sender<past::Link>,
}

/// Follows until `shutdown`; then closes the channel and writes what waits.
pub async fn follow(
    source: Source,
    desk: Desk,
    hub: Arc<Hub>,
    mut codes: mpsc::Receiver<Code>,
    shutdown: CancellationToken,
) {
    let config = FeedConfig {
        nickname: NICKNAME.to_owned(),
        account_keys: source.account_keys.clone(),
        call_events: Some(Vec::new()),
        reports: false,
        state_file: Some(source.state_file.clone()),
    };
    let mut feed = Feed::open(source.client.clone(), config);
    let breaks = watch::Sender::new(past::Link::default());
    let (past_sender, mut past) = mpsc::channel(PAST_WAITING);
    let looks = looks(&source, past_sender).map(|looks| looks.run(breaks.subscribe(), shutdown.clone()));
    let looking = looks.map(tokio::spawn);
    let work = JoinSet::new();
    let mut follower = Follower { source, desk, hub, work, comparing: false, asking: false, breaks };
    let mut stale = interval(STALE_CHECK);
    stale.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut people = interval(DIRECTORY_EVERY);
    people.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first reading comes with the connection.
    people.reset();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            event = feed.next() => match event {
                Some(event) => follower.hear(event).await,
                None => break,
            },
            Some(code) = codes.recv() => follower.exchange(code),
            Some(past) = past.recv() => follower.desk.found(past).await,
            Some(done) = follower.work.join_next() => match done {
                Ok(done) => follower.done(done).await,
                Err(error) => tracing::error!(%error, "work beside the feed failed"),
            },
            _ = people.tick() => follower.read_people(),
            _ = stale.tick() => {
                follower.hub.refresh_walls();
                if follower.hub.board(|board| board.is_stale(Timestamp::now())) {
                    follower.compare();
                }
            }
        }
    }
    if let Some(looking) = looking {
        looking.abort();
    }
    feed.close().await;
    follower.desk.close().await;
}

/// Who looks for the calls that ended while nobody told of them.
fn looks(source: &Source, found: mpsc::Sender<past::Past>) -> Option<Looks> {
    let account_key = source.account_keys.first()?.clone();
    let (client, pool) = (source.client.clone(), source.pool.clone());
    Some(Looks { client, pool, account_key, found, looked_at: HashSet::new() })
}

impl Follower {
    async fn hear(&mut self, event: FeedEvent) {
        match event {
            FeedEvent::CallEvent(event, _) => {
                if let Some(id) = self.desk.take(&event).await {
                    self.read_history(id, false);
                }
            }
            FeedEvent::Connected { resumed } => {
                tracing::info!(resumed, "connected: calls appear as they ring");
                self.hub.set_problem(None);
                self.hub.set_link(Link::Live);
                // Subscribing to the calls of an account asks for a super admin (spec/oauth.md, Scopes).
                self.hub.set_operator(self.source.client.principal());
                self.read_people();
                self.compare();
                self.breaks.send_modify(|link| {
                    *link = past::Link { connected: true, epoch: link.epoch + 1 };
                });
            }
            FeedEvent::Disconnected { reason } => {
                self.breaks.send_modify(|link| link.connected = false);
                tracing::warn!(reason, "connection lost, trying again");
                self.hub.set_link(Link::Lost);
            }
            FeedEvent::MayHaveMissed { reason } => {
                tracing::warn!(reason, "calls may have been missed");
                self.breaks.send_modify(|link| link.epoch += 1);
                self.compare();
            }
            FeedEvent::SignInNeeded => self.ask(),
            FeedEvent::SignedIn => self.hub.signed_in(),
            FeedEvent::Problem(error) => {
                tracing::warn!("{error}");
                match error.kind {
                    ErrorKind::RateLimited => {}
                    ErrorKind::Unreachable => self.hub.set_problem(Some(Problem::Unreachable)),
                    ErrorKind::Forbidden => self.hub.set_problem(Some(Problem::Refused(error.to_string()))),
                    _ => self.hub.set_problem(Some(Problem::Other(error.to_string()))),
                }
                if error.kind == ErrorKind::Forbidden {
                    // Somebody else may be allowed: the page offers to sign in again.
                    self.ask();
                }
            }
            FeedEvent::Recreated { reason } => tracing::info!(reason, "new channel"),
            FeedEvent::Refreshed => tracing::debug!("channel refreshed"),
            FeedEvent::Report { .. } | FeedEvent::Other(_) => {}
        }
    }

    async fn done(&mut self, done: Done) {
        match done {
            Done::Compared { suspects, live } => {
                self.comparing = false;
                match live {
                    Ok(live) => self.compared(&suspects, &live).await,
                    // A call without news is compared again soon.
                    Err(error) => tracing::warn!("{error}"),
                }
            }
            Done::History { id, gone, events } => self.history(&id, gone, events).await,
            Done::Asked(authorization) => {
                self.asking = false;
                let login_url = authorization.login_url.to_string();
                (self.source.invite)(&login_url);
                self.hub.invite(SignIn { login_url, state: authorization.state });
            }
            Done::People(Ok(users)) => {
                let directory = Directory::new(&users);
                for (session, person) in self.source.door.dismiss(&directory).await {
                    self.hub.close_session(&person, &session);
                }
                self.hub.set_directory(directory);
            }
            Done::Rechecked => {}
            // Without it names of lines come from the calls, and lines of people from their sign-in.
            Done::People(Err(error)) => tracing::info!("{error}"),
            Done::Exchanged { result, done } => {
                if result.is_ok() {
                    tracing::info!("signed in");
                    self.hub.signed_in();
                }
                // The browser may have gone away meanwhile.
                let _ = done.send(result.map_err(|error| error.to_string()));
            }
        }
    }

    fn read_people(&mut self) {
        let client = self.source.client.clone();
        let Some(key) = self.source.account_keys.first().cloned() else { return };
        self.work.spawn(async move { Done::People(client.account_users(&key).await) });
        let (door, hub) = (Arc::clone(&self.source.door), Arc::clone(&self.hub));
        self.work.spawn(async move {
            recheck(&door, &hub).await;
            Done::Rechecked
        });
    }

    fn compare(&mut self) {
        if std::mem::replace(&mut self.comparing, true) {
            return;
        }
        let suspects = self.hub.board(|board| board.live_ids());
        let (client, keys) = (self.source.client.clone(), self.source.account_keys.clone());
        self.work.spawn(async move {
            let live = client.conversation_spaces(&keys).await;
            Done::Compared { suspects, live }
        });
    }

    async fn compared(&mut self, suspects: &[String], live: &[CallEvent]) {
        let (missing, needed) = self.desk.reconcile(suspects, live).await;
        for id in needed {
            self.read_history(id, false);
        }
        for (at, id) in missing.into_iter().enumerate() {
            if at < HISTORIES_MAX {
                self.read_history(id, true);
            } else {
                self.desk.gone(&id, &[]).await;
            }
        }
    }

    fn read_history(&mut self, id: String, gone: bool) {
        let client = self.source.client.clone();
        self.work.spawn(async move {
            let events = client.events(&id, None, None).await;
            Done::History { id, gone, events }
        });
    }

    async fn history(&mut self, id: &str, gone: bool, events: Result<Vec<CallEvent>, Error>) {
        let events = match events {
            Ok(events) => events,
            Err(error) if error.kind == ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!("{error}");
                if gone {
                    // Still on the board and without news: compared again soon.
                    return;
                }
                Vec::new()
            }
        };
        if gone { self.desk.gone(id, &events).await } else { self.desk.replay(id, &events).await }
    }

    fn ask(&mut self) {
        if self.hub.sign_in().is_some() || std::mem::replace(&mut self.asking, true) {
            return;
        }
        let client = self.source.client.clone();
        self.work.spawn(async move {
            loop {
                match client.authorization(&SCOPES).await {
                    Ok(authorization) => return Done::Asked(authorization),
                    Err(error) => tracing::warn!("{error}"),
                }
                sleep(SIGN_IN_RETRY).await;
            }
        });
    }

    fn exchange(&mut self, Code { code, done }: Code) {
        let client = self.source.client.clone();
        self.work.spawn(async move {
            let result = client.exchange(&code).await;
            Done::Exchanged { result, done }
        });
    }
}

#[cfg(test)]
mod tests {
    use sdk::{Config, Hosts, TokenFile};

    use super::*;
    use crate::screen_pop::{
        call::{Outcome, Stage},
        tests::{pages::App, ring},
    };

    #[tokio::test]
    async fn of_many_calls_that_are_gone_so_many_are_asked_about_and_the_others_end() {
        const CREATED: &str = "2026-02-03T17:00:00Z";
        let App { hub, desk, pages, folder, .. } = App::start().await;
        let base: url::Url = "http://127.0.0.1:9/".parse().unwrap();
        let config = Config {
            client_id: "client".into(),
            client_secret: "secret".into(),
            redirect_uri: base.clone(),
            hosts: Hosts::single(base),
        };
        let source = Source {
            client: Client::new(config, TokenFile::new(folder.path().join("tokens.json"))).unwrap(),
            pool: pages.store.pool.clone(),
            door: pages.door,
            account_keys: Vec::new(),
            state_file: folder.path().join("channel.json"),
            invite: Box::new(|_| {}),
        };
        for n in 0..HISTORIES_MAX + 3 {
            desk.take(&ring(&format!("call {n}"), CREATED, "", "+13125550147")).await;
        }
        let (work, breaks) = (JoinSet::new(), watch::Sender::default());
        let mut follower = Follower { source, desk, hub, work, comparing: false, asking: false, breaks };
        let suspects = follower.hub.board(|board| board.live_ids());
        follower.compared(&suspects, &[]).await;
        assert_eq!(follower.work.len(), HISTORIES_MAX);
        let ended = |board: &mut crate::screen_pop::board::Board| {
            let ended = board.calls().iter().filter(|call| call.stage == Stage::Ended(Outcome::Unknown));
            (ended.count(), board.live_ids().len())
        };
        assert_eq!(follower.hub.board(ended), (3, HISTORIES_MAX), "until their history is there");
    }
}
