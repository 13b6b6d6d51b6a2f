//! The sign-in of a program that has no pages of its own: it waits itself where the browser comes back.

use std::collections::HashMap;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::limits;

const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
                    You are signed in. This page can be closed.\n";
const OTHER: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

impl Client {
    /// Signs a person in: `tell` is given the login address, which a person is to open; then the redirect URI, which must
    /// be one of this machine, is listened at until the browser comes back (spec/oauth.md, Authorization code). Waits as
    /// long as that takes. Nothing happens where somebody is signed in already, nor while that cannot be asked because
    /// the service is away; a sign-in that has ended is begun anew. A feed goes on by itself afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] when the redirect URI cannot be listened at, [`ErrorKind::SignInNeeded`] when access was not
    /// allowed, and what [`Client::exchange`] gives.
    pub async fn sign_in(&self, scopes: &[&str], tell: impl FnOnce(&Url)) -> Result<(), Error> {
        let has_ended = |error: Error| error.kind == ErrorKind::SignInNeeded;
        if self.is_signed_in() && !self.ready().await.is_err_and(has_ended) {
            return Ok(());
        }
        let redirect = self.redirect_uri();
        let failed = |error: std::io::Error| {
            Error::local(format!("cannot wait for the browser at {redirect}: {error}"))
        };
        let listener =
            TcpListener::bind(&*redirect.socket_addrs(|| None).map_err(failed)?).await.map_err(failed)?;
        let authorization = self.authorization(scopes).await?;
        tell(&authorization.login_url);
        loop {
            let (mut stream, _) = listener.accept().await.map_err(failed)?;
            let query = query_of(&mut stream, redirect).await;
            if query.get("state") != Some(&authorization.state) {
                // A favicon, or somebody who guesses.
                let _ = stream.write_all(OTHER.as_bytes()).await;
                continue;
            }
            let Some(code) = query.get("code") else {
                let why = query.get("error").map_or("no reason is given", String::as_str);
                return Err(Error::new(ErrorKind::SignInNeeded, format!("access was not allowed: {why}")));
            };
            self.exchange(code).await?;
            // Who has closed the page already is signed in all the same.
            let _ = stream.write_all(DONE.as_bytes()).await;
            return Ok(());
        }
    }
}

/// The query of a request; empty for what cannot be read in time, or is too long.
async fn query_of(stream: &mut TcpStream, redirect: &Url) -> HashMap<String, String> {
    let mut line = String::new();
    let mut head = BufReader::new(stream.take(limits::REDIRECT_LINE_BYTES));
    let read = tokio::time::timeout(limits::REDIRECT_LINE_WAIT, head.read_line(&mut line)).await;
    let target = line.split(' ').nth(1).filter(|_| matches!(read, Ok(Ok(_))));
    let back =
        target.and_then(|target| redirect.join(target).ok()).filter(|back| back.path() == redirect.path());
    back.map(|back| back.query_pairs().into_owned().collect()).unwrap_or_default()
}
