//! A channel ends with what made it: the client, the grant, the personal access token. Nobody hears of calls by a
//! right that was taken away.

use serde_json::json;

use crate::harness::calls::{Channel, play};
use crate::harness::portal::{Client, Portal, TOKENS};
use crate::harness::receiver::Receiver;
use crate::harness::{
    Person, Platform, REPORTS_REDIRECT, SCOPES, Session, Socket, eventually, html, http, person,
};

const CHANNELS: &str = "/notification-channel/v1/channels";
const GONE: &str = "RTC-NOTIFICATION-CHANNEL-NOT-FOUND";

/// A socket and a webhook with everything of the account, made by one session.
struct Ears {
    paths: [String; 2],
    socket: Socket,
    receiver: Receiver,
}

impl Ears {
    async fn new(platform: &Platform, session: &Session, name: &str) -> Self {
        let channel = Channel::subscribed(platform, session, name).await;
        let receiver = Receiver::start(|_| 204.into()).await;
        let body =
            json!({"channelType": "Webhook", "webhookChannelData": {"webhook": {"url": receiver.url}}});
        let id = session.post(&format!("{CHANNELS}/{name}-hook"), &body).await.is(201).text_of("/channelId");
        Channel::subscribe(platform, session, &id).await;
        let socket = channel.socket().await;
        let space = play(platform, "missed", &["--speed", "50"]).await;
        receiver.call(&space).await;
        Self { paths: [channel.path, format!("{CHANNELS}/{name}-hook/{id}")], socket, receiver }
    }

    /// Both are gone for the same person by another right, and hear nothing of the next call.
    async fn are_deaf(mut self, platform: &Platform, other: &Session) {
        assert_eq!(self.socket.close_code().await, Some(1000));
        let before = self.receiver.posts().len();
        for path in &self.paths {
            other.get(path).await.error(404, GONE);
        }
        // Somebody who still may hear it, so that the call has gone through all webhooks.
        let listening = Ears::new(platform, other, "listening").await;
        assert_eq!(self.receiver.posts().len(), before, "a webhook without its right is told nothing");
        for path in &listening.paths {
            other.delete(path).await.is(204);
        }
    }
}

/// The code flow of a client, with its refresh token.
async fn tokens(platform: &Platform, who: &Person, client: &Client) -> (Session, String) {
    let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let url = url.replace(platform.setting("OAUTH_CLIENT_ID"), &client.id);
    let code = person::query(&who.elsewhere().sign_in(&url).await, "code").expect("a code");
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REPORTS_REDIRECT)];
    let answer = platform.token_as(&client.id, Some(&client.secret), &form).await.is(200);
    (platform.with_token(&answer.text_of("/access_token")), answer.text_of("/refresh_token"))
}

async fn revoke(platform: &Platform, client: &Client, token: &str) {
    let request = http().post(format!("{}/oauth/revoke", platform.base));
    let request = request.basic_auth(&client.id, Some(&client.secret)).form(&[("token", token)]);
    crate::harness::Answer::of("POST /oauth/revoke", request).await.is(200);
}

#[tokio::test]
async fn a_channel_ends_with_its_client_its_grant_and_its_personal_access_token() {
    let platform = Platform::start().await;
    let admin = Person::admin(&platform);
    let other = admin.grant(&platform, SCOPES).await.session;
    let portal = Portal::open(&platform, &admin).await;
    let client = portal.new_client(SCOPES, &["authorization_code", "refresh_token"]).await;

    // An access token alone is not the right itself; the refresh token is.
    let (session, refresh) = tokens(&platform, &admin, &client).await;
    let ears = Ears::new(&platform, &session, "grant").await;
    revoke(&platform, &client, &session.token).await;
    for path in &ears.paths {
        other.get(path).await.is(200);
    }
    revoke(&platform, &client, &refresh).await;
    Box::pin(ears.are_deaf(&platform, &other)).await;

    let pat = portal.new_token("Nightly", SCOPES).await;
    let form = [("grant_type", "personal_access_token"), ("pat", pat.as_str())];
    let session = platform.with_token(&platform.token(&form).await.is(200).text_of("/access_token"));
    let ears = Ears::new(&platform, &session, "pat").await;
    let page = portal.get(TOKENS).await.is(200);
    let form =
        html::forms(&page.text).into_iter().find(|form| form.action.ends_with("/revoke")).expect("a form");
    portal.send(TOKENS, &form.action, &[]).await.is(303);
    Box::pin(ears.are_deaf(&platform, &other)).await;

    let (session, _) = tokens(&platform, &admin, &client).await;
    let ears = Ears::new(&platform, &session, "client").await;
    let page = format!("/clients/{}/delete", client.id);
    portal.send(&page, &page, &[]).await.is(303);
    Box::pin(ears.are_deaf(&platform, &other)).await;
    let left = other.get(CHANNELS).await.is(200).json();
    assert_eq!(left["items"], json!([]), "the lists know nothing of them");
    eventually("the webhooks are gone", crate::harness::SOON, async || {
        let metrics = platform.with_token("").get("/metrics").await.is(200).text;
        metrics.lines().any(|line| line == "callfeed_webhooks 0").then_some(())
    })
    .await;
}
