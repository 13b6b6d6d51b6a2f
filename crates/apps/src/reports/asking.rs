//! Asking a person to sign in, for as long as that is wanted. Who denies, or a service that is away just then, is no end
//! of the collector; who signs in elsewhere ends the question.

use std::sync::Arc;

use sdk::Client;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::sign_in_options;
use crate::limits;
use crate::session::SCOPES;
use crate::sign_in::{self, Denied};

/// Who asks, and for whom.
#[derive(Clone)]
pub(super) struct Asker {
    pub client: Client,
    /// Names the account where there are others; else empty.
    pub who: String,
    pub no_browser: bool,
    /// A sign-in listens at the redirect URI, which all accounts share: one at a time.
    pub turn: Arc<Mutex<()>>,
    pub shutdown: CancellationToken,
}

impl Asker {
    /// Asks until somebody has signed in or the end has come. What only an owner can mend, such as a port that is taken or
    /// a client that is not known, is an error: a program that has just been started had better say it and end.
    ///
    /// # Errors
    /// What no other person and no later time would mend.
    pub async fn ask_first(&self) -> anyhow::Result<()> {
        let (enough, mut wanted) = watch::channel(None);
        let asked = async {
            let mut failures = 0;
            while let Err(error) = self.ask(&mut wanted, None).await {
                if self.shutdown.is_cancelled() || !may_pass(&error) {
                    return Err(error);
                }
                let mut elsewhere = wanted.clone();
                tokio::select! {
                    _ = elsewhere.wait_for(Option::is_some) => {}
                    () = self.say_and_pause(&error, &mut failures) => {}
                }
            }
            Ok(())
        };
        // Tokens that another process puts into the file are taken up by themselves.
        let elsewhere = async {
            while !self.client.is_signed_in() {
                tokio::time::sleep(limits::SIGN_IN_LOOK).await;
            }
            enough.send_replace(Some(0));
            std::future::pending().await
        };
        tokio::select! {
            result = asked => result,
            () = elsewhere => Ok(()),
        }
    }

    /// Asks whenever that is wanted, until the end.
    async fn run(self, mut wanted: watch::Receiver<Option<u64>>) {
        let mut failures = 0;
        loop {
            let number = tokio::select! {
                () = self.shutdown.cancelled() => return,
                number = wanted.wait_for(Option::is_some) => match number {
                    Ok(number) => *number,
                    Err(_) => return,
                },
            };
            let result = self.ask(&mut wanted, number).await;
            match result {
                _ if self.shutdown.is_cancelled() => return,
                Ok(()) => {
                    failures = 0;
                    // Until the feed has taken up who signed in: asking again at once would be asking twice.
                    tokio::select! {
                        () = self.shutdown.cancelled() => return,
                        _ = wanted.wait_for(|now| *now != number) => {}
                    }
                }
                Err(error) => {
                    tokio::select! {
                        _ = wanted.wait_for(|now| *now != number) => {}
                        () = self.say_and_pause(&error, &mut failures) => {}
                    }
                }
            }
        }
    }

    async fn say_and_pause(&self, error: &anyhow::Error, failures: &mut u32) {
        let doubled = limits::SIGN_IN_PAUSE.saturating_mul(2u32.saturating_pow((*failures).min(16)));
        let pause = doubled.min(limits::SIGN_IN_PAUSE_MAX);
        *failures += 1;
        tracing::warn!("{}{error:#}; asked again in {} s", self.who, pause.as_secs());
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Shows one login address, when nobody else is being asked, until it is answered or another number is wanted.
    async fn ask(
        &self,
        wanted: &mut watch::Receiver<Option<u64>>,
        number: Option<u64>,
    ) -> anyhow::Result<()> {
        let mut until = wanted.clone();
        let _turn = tokio::select! {
            turn = self.turn.lock() => turn,
            () = self.shutdown.cancelled() => return Ok(()),
            _ = until.wait_for(|now| *now != number) => return Ok(()),
        };
        if !self.who.is_empty() {
            sign_in::say(&format!("{}nobody is signed in.", self.who));
        }
        let enough = async {
            if until.wait_for(|now| *now != number).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let options = sign_in_options(self.no_browser).asking_again();
        let shown = sign_in::sign_in_until(&self.client, &SCOPES, options, enough, &self.shutdown).await?;
        // The port is free again for the next question.
        shown.page_shown().await;
        Ok(())
    }
}

/// Whether a later question may be answered otherwise.
fn may_pass(error: &anyhow::Error) -> bool {
    let by_service = |error: &sdk::Error| error.is_temporary() || sign_in::is_needed(error);
    error.downcast_ref::<Denied>().is_some() || error.downcast_ref::<sdk::Error>().is_some_and(by_service)
}

/// The questions of one account, each with a number, asked by a task that ends with this value.
pub(super) struct Asking {
    wanted: watch::Sender<Option<u64>>,
    asked: u64,
    _task: JoinSet<()>,
}

impl Asking {
    pub fn new(asker: Asker) -> Self {
        let (wanted, receiver) = watch::channel(None);
        let mut task = JoinSet::new();
        task.spawn(asker.run(receiver));
        Self { wanted, asked: 0, _task: task }
    }

    /// Somebody must sign in. Returns whether that is news.
    pub fn want(&mut self) -> bool {
        let news = self.wanted.borrow().is_none();
        if news {
            self.asked += 1;
            self.wanted.send_replace(Some(self.asked));
        }
        news
    }

    /// Somebody has, wherever.
    pub fn enough(&self) {
        self.wanted.send_replace(None);
    }
}
