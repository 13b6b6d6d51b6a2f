//! Every function of the store, on the database that CALLFEED_TEST_DATABASE names (`sqlite` or `postgres`).

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use engine::{Call, Command, Nonce, Office, Request, Scenario};
use jiff::Timestamp;
use sqlx::Connection as _;
use tempfile::TempDir;
use uuid::Uuid;
use wire::call_events::CallEvent;

use super::*;

/// A store of its own for each test.
pub(super) struct Fresh {
    pub(super) store: Store,
    pub(super) office: Office,
    pub(super) _folder: TempDir,
}

pub(super) async fn fresh() -> Fresh {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = match std::env::var("CALLFEED_TEST_DATABASE").as_deref() {
        Ok("postgres") => Some(new_postgres_database().await),
        _ => None,
    };
    let store = Store::open(folder.path(), database.as_deref()).await.expect("the store opens");
    let office = Office::example(7);
    let account = Account {
        account_key: office.account_key.clone(),
        organization_id: office.organization_id.clone(),
        name: office.name.clone(),
        office: office.clone(),
    };
    store.add_account(&account, &[admin(&office)], &client()).await.expect("an account");
    Fresh { store, office, _folder: folder }
}

pub(super) async fn new_postgres_database() -> String {
    sqlx::any::install_default_drivers();
    let server = std::env::var("CALLFEED_TEST_POSTGRES").expect("CALLFEED_TEST_POSTGRES names a server");
    let name = format!("store_{}", Uuid::new_v4().simple());
    let mut connection = sqlx::AnyConnection::connect(&server).await.expect("PostgreSQL answers");
    let create = sqlx::AssertSqlSafe(format!("create database {name}"));
    sqlx::query(create).execute(&mut connection).await.expect("a database");
    let mut url = url::Url::parse(&server).expect("a URL");
    url.set_path(&name);
    url.to_string()
}

fn admin(office: &Office) -> User {
    let user = &office.users[0];
    User {
        user_key: user.key.clone(),
        user_id: user.id.clone(),
        account_key: office.account_key.clone(),
        email: user.email.clone(),
        name: user.name(),
        password_hash: "phc".into(),
        super_admin: true,
    }
}

fn client() -> ClientRow {
    ClientRow {
        client_id: "client".into(),
        owner_user_key: "owner".into(),
        name: "A program".into(),
        description: String::new(),
        secret_hash: "hash".into(),
        redirect_uris: vec!["http://localhost:5000/app/redirect".into()],
        scopes: vec!["cr.v1.read".into(), "identity:".into()],
        grants: vec!["authorization_code".into()],
        created_us: 1,
    }
}

/// A scenario of the library.
pub(super) fn scenario(name: &str) -> Scenario {
    name.parse().expect("a scenario of the library")
}

/// The states of a whole call, and its ending.
fn call(office: &Office, nonce: u128) -> Append {
    let script = engine::script(office, &Request::new(scenario("answered"), 1)).expect("a script");
    let mut call = Call::new(Nonce(nonce), office.account_key.clone());
    let mut events = Vec::new();
    let start = Timestamp::from_second(1_760_000_000).expect("an instant");
    for step in script.steps {
        events.extend(call.apply(start, &step.command).expect("the script fits"));
    }
    let (report, summary) = engine::fold(&events, false, &None::<&Office>).expect("it has ended");
    Append { events, history: Vec::new(), ending: Some(Ending { report, summary }) }
}

/// The rows of all legs of a call that is over.
pub(super) fn history_of(
    events: &[CallEvent],
    office: &Office,
) -> Vec<(usize, wire::call_history::HistoryCall)> {
    engine::ended_legs(events, events.len(), false, office)
}

fn id_of(append: &Append) -> String {
    append.events[0].metadata.conversation_space_id.clone()
}

#[tokio::test]
async fn an_account_and_its_people_come_back() {
    let Fresh { store, office, _folder } = fresh().await;
    let accounts = store.accounts().await.expect("accounts");
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].office, office);
    assert_eq!(
        (accounts[0].name.as_str(), &accounts[0].organization_id),
        ("Maple Street Dental", &office.organization_id)
    );
    let user = store.user_by_email(&office.users[0].email).await.expect("a query").expect("the admin");
    assert!(user.super_admin);
    let same = store.user(&user.user_key).await.expect("a query").expect("the admin");
    assert_eq!((same.email, same.name), (user.email, user.name));
    assert!(store.user_by_email("nobody@example.com").await.expect("a query").is_none());
}

#[tokio::test]
async fn clients_consents_and_sign_ins_come_back() {
    let Fresh { store, _folder, .. } = fresh().await;
    let back = store.client("client").await.expect("a query").expect("the client");
    assert_eq!((back.redirect_uris, back.scopes), (client().redirect_uris, client().scopes));
    assert!(store.client("another").await.expect("a query").is_none());

    assert!(store.consent("user", "client").await.expect("a query").is_empty());
    for scopes in [vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]] {
        store.put_consent("user", "client", &scopes).await.expect("stored");
        assert_eq!(store.consent("user", "client").await.expect("a query"), scopes);
    }

    store.put_sign_in("hash", "user", 100).await.expect("stored");
    assert_eq!(store.sign_in("hash", 99).await.expect("a query").as_deref(), Some("user"));
    assert_eq!(store.sign_in("hash", 100).await.expect("a query"), None);
    store.delete_sign_in("hash").await.expect("deleted");
    assert_eq!(store.sign_in("hash", 0).await.expect("a query"), None);
}

#[tokio::test]
async fn of_many_that_take_a_code_one_gets_it() {
    let Fresh { store, _folder, .. } = fresh().await;
    let code = CodeRow {
        client_id: "client".into(),
        user_key: "user".into(),
        redirect_uri: String::new(),
        scopes: vec!["a".into(), "b".into()],
        challenge: "c".into(),
        expires_us: 5,
    };
    store.put_code("hash", &code).await.expect("stored");
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        tries.spawn(async move { store.take_code("hash").await.expect("a query") });
    }
    let taken: Vec<CodeRow> = tries.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].scopes.len(), taken[0].challenge.as_str(), taken[0].expires_us), (2, "c", 5));
}

#[tokio::test]
async fn tokens_come_back_by_kind_and_are_swept_when_long_expired() {
    let Fresh { store, _folder, .. } = fresh().await;
    let row = |expires_us| TokenRow {
        client_id: "client".into(),
        user_key: "user".into(),
        scopes: vec!["a".into()],
        created_us: 1,
        expires_us,
        grant_id: "grant".into(),
        grant_type: "authorization_code".into(),
    };
    let tokens =
        [(TokenKind::Access, "one".to_owned(), row(10)), (TokenKind::Refresh, "two".to_owned(), row(20))];
    store.put_tokens(&tokens).await.expect("stored");
    assert!(store.token(TokenKind::Refresh, "one").await.expect("a query").is_none());
    let access = store.token(TokenKind::Access, "one").await.expect("a query").expect("the token");
    assert_eq!((access.scopes, access.created_us, access.expires_us), (vec!["a".to_owned()], 1, 10));
    store.sweep_oauth(1000, 15).await.expect("swept");
    assert!(store.token(TokenKind::Access, "one").await.expect("a query").is_none());
    assert!(store.token(TokenKind::Refresh, "two").await.expect("a query").is_some());
}

fn channel(number: i64) -> ChannelRow {
    ChannelRow {
        channel_id: format!("0{number}"),
        nickname: "demo".into(),
        user_key: "user".into(),
        application_tag: String::new(),
        lifetime_s: 1200,
        // Two in each microsecond, so that a page can end between them.
        created_us: number / 2,
        expires_us: 1000,
    }
}

/// A channel with this id.
pub(super) async fn put_channel(store: &Store, channel_id: &str) {
    let row = ChannelRow { channel_id: channel_id.into(), ..channel(1) };
    store.put_channel(&row, &ChannelMaker::default()).await.expect("stored");
}

#[tokio::test]
async fn channels_are_listed_newest_first_page_by_page() {
    let Fresh { store, _folder, .. } = fresh().await;
    for number in 0..9 {
        store.put_channel(&channel(number), &ChannelMaker::default()).await.expect("stored");
    }
    let mut seen = Vec::new();
    let mut before: Option<(i64, String)> = None;
    loop {
        let key = before.as_ref().map(|(number, id)| (*number, id.as_str()));
        let page = store.channels_of_user("user", 0, key, 2).await.expect("a page");
        let Some(last) = page.last() else { break };
        before = Some((last.created_us, last.channel_id.clone()));
        seen.extend(page.into_iter().map(|channel| channel.channel_id));
    }
    assert_eq!(seen, ["08", "07", "06", "05", "04", "03", "02", "01", "00"]);
    assert!(store.channels_of_user("user", 1000, None, 9).await.expect("a page").is_empty(), "all expired");

    let asking = ChannelMaker { client_id: "client".into(), grant_id: "first".into() };
    assert!(store.prolong_channel("00", 60, 5000, &asking).await.expect("prolonged"));
    assert!(!store.prolong_channel("none", 60, 5000, &asking).await.expect("a query"));
    assert_eq!(store.channels_of_user("user", 1000, None, 9).await.expect("a page")[0].lifetime_s, 60);
}

fn subscription(office: &Office, id: &str) -> Subscription {
    Subscription {
        id: id.into(),
        channel_id: "01".into(),
        api: Api::CallEvents,
        key_kind: KeyKind::Account,
        key_value: office.account_key.clone(),
        account_key: office.account_key.clone(),
        events: vec!["STARTING".into(), "ENDING".into()],
        created_us: 1,
        since_position: 8,
    }
}

#[tokio::test]
async fn a_channel_of_before_makers_were_kept_is_of_the_grant_that_refreshes_it_first() {
    let Fresh { store, _folder, .. } = fresh().await;
    put_channel(&store, "old").await;
    put_channel(&store, "never refreshed").await;
    for grant_id in ["first", "second"] {
        let asking = ChannelMaker { client_id: "client".into(), grant_id: grant_id.into() };
        assert!(store.prolong_channel("old", 60, 5000, &asking).await.expect("prolonged"));
    }
    assert!(store.delete_grant("client", "second").await.expect("deleted").is_empty());
    assert_eq!(store.delete_grant("client", "first").await.expect("deleted"), ["old"]);
}

#[tokio::test]
async fn a_subscription_begins_at_the_head_of_the_log_and_stays_as_it_is() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    log.append(call(&office, 1)).await.expect("appended");
    store.put_channel(&channel(1), &ChannelMaker::default()).await.expect("stored");
    store.put_subscriptions("01", &[subscription(&office, "one")]).await.expect("stored");
    let cursors = store.cursors("01").await.expect("cursors");
    assert_eq!(cursors, [(office.account_key.clone(), 8)], "seven states and a report");

    let again = Subscription { events: vec!["ACTIVE".into()], ..subscription(&office, "two") };
    store.put_subscriptions("01", &[again]).await.expect("harmless");
    assert_eq!(store.subscriptions("01").await.expect("a query"), [subscription(&office, "one")]);

    store.put_cursors(&[("01".into(), office.account_key.clone(), 9)]).await.expect("stored");
    let all = store.all_channels().await.expect("channels");
    assert_eq!(all[0].1.get(&office.account_key), Some(&9));
    assert_eq!(store.all_subscriptions().await.expect("a query").len(), 1);

    store.change_subscriptions(&[], &[("one".into(), vec!["ACTIVE".into()])]).await.expect("changed");
    assert_eq!(store.subscriptions("01").await.expect("a query")[0].events, ["ACTIVE"]);
    store.change_subscriptions(&["one".into()], &[]).await.expect("deleted");
    assert!(store.subscriptions("01").await.expect("a query").is_empty());
}

#[tokio::test]
async fn a_channel_takes_its_subscriptions_and_cursors_with_it() {
    let Fresh { store, office, _folder } = fresh().await;
    store.put_channel(&channel(1), &ChannelMaker::default()).await.expect("stored");
    store.put_subscriptions("01", &[subscription(&office, "one")]).await.expect("stored");
    assert!(store.delete_channel("01").await.expect("deleted"));
    assert!(!store.delete_channel("01").await.expect("a query"));
    assert!(store.all_subscriptions().await.expect("a query").is_empty());
    assert!(store.cursors("01").await.expect("a query").is_empty());
}

#[tokio::test]
async fn a_subscription_made_while_its_channel_is_deleted_goes_with_it() {
    let Fresh { store, office, _folder } = fresh().await;
    for _ in 0..20 {
        put_channel(&store, "01").await;
        let new = [subscription(&office, "one")];
        let (put, deleted) = tokio::join!(store.put_subscriptions("01", &new), store.delete_channel("01"));
        assert!(put.is_ok() && deleted.expect("deleted"));
        assert_eq!(store.all_subscriptions().await.expect("a query"), []);
        assert_eq!(store.cursors("01").await.expect("a query"), []);
        assert!(!store.put_subscriptions("01", &new).await.expect("a query"), "the channel is gone");
        assert_eq!(store.all_subscriptions().await.expect("a query"), []);
    }
}

#[tokio::test]
async fn the_log_has_no_holes_however_many_write_and_tells_in_its_order() {
    let Fresh { store, office, _folder } = fresh().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let publish = Arc::clone(&told);
    let (log, writer) = LogWriter::start(store.clone(), move |entries| {
        publish.lock().expect("no panic").extend(entries.into_iter().map(|entry| entry.position));
    });
    let mut calls = tokio::task::JoinSet::new();
    for nonce in 0..50 {
        let (log, append) = (log.clone(), call(&office, nonce));
        calls.spawn(async move { log.append(append).await.expect("appended") });
    }
    calls.join_all().await;
    drop(log);
    writer.await.expect("the writer ends with its last handle");
    let expected: Vec<i64> = (1..=400).collect();
    assert_eq!(*told.lock().expect("no panic"), expected);
    let mut read = Vec::new();
    while let Some(last) = store
        .log_after(&office.account_key, read.last().copied().unwrap_or(0), 64)
        .await
        .map(take_positions)
        .expect("a page")
    {
        read.extend(last);
    }
    assert_eq!(read, expected);
}

fn take_positions(page: Vec<Entry>) -> Option<Vec<i64>> {
    (!page.is_empty()).then(|| page.iter().map(|entry| entry.position).collect())
}

#[tokio::test]
async fn a_report_is_there_with_the_last_state_and_the_entry_tells_of_both() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    let append = call(&office, 1);
    let id = id_of(&append);
    log.append(append).await.expect("appended");
    let report = store.report(&id).await.expect("a query").expect("the report");
    assert_eq!(report.account_key, office.account_key);
    assert!(String::from_utf8_lossy(&report.report).contains(&id));
    // Not the one that is remembered, the one that is stored.
    store.recent.forget();
    let stored = store.report(&id).await.expect("a query").expect("the report");
    assert_eq!(stored.report, report.report);
    assert_eq!(store.account_of_call(&id).await.expect("a query"), Some(office.account_key.clone()));
    assert!(store.calls_without_end().await.expect("a query").is_empty());
    let entries = store.log_after(&office.account_key, 0, 100).await.expect("entries");
    assert_eq!(entries.last().map(|entry| entry.kind), Some(EntryKind::Report));
    let ids: HashSet<&str> = entries.iter().map(|entry| entry.notification_id.as_str()).collect();
    assert_eq!(ids.len(), entries.len(), "each notification has an id of its own");
    let data: serde_json::Value = serde_json::from_str(entries[0].data()).expect("JSON");
    assert_eq!(
        (&data["source"], &data["type"], &data["ttl"]),
        (&"call-events".into(), &"call-state".into(), &600.into())
    );
    assert!(data.as_object().is_some_and(|data| data["usage"].is_null() && data.contains_key("topic")));
    assert_eq!(entries[0].subject().event, "STARTING");
    assert!(store.report("unknown").await.expect("a query").is_none());
}

#[tokio::test]
async fn calls_under_way_are_paged_with_their_last_state() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    let number = office.numbers[0].clone();
    let mut ids = Vec::new();
    for nonce in 0..5 {
        let mut call = Call::new(Nonce(nonce), office.account_key.clone());
        let caller = wire::Party::new("", "+13125550101");
        let start = Command::StartInbound { number: number.clone(), caller };
        let mut events = call.apply(Timestamp::UNIX_EPOCH, &start).expect("it starts");
        let targets = office.lines[0].legs().into_iter().map(engine::Target::Line).collect();
        events.extend(call.apply(Timestamp::UNIX_EPOCH, &Command::Ring { targets }).expect("it rings"));
        ids.push(call.conversation_space_id().to_owned());
        log.append(Append { events, history: Vec::new(), ending: None }).await.expect("appended");
    }
    log.append(self::call(&office, 100)).await.expect("a finished one");
    let mut seen = Vec::new();
    let mut after = (i64::MIN, String::new());
    loop {
        let page = store.calls_under_way(&office.account_key, (after.0, &after.1), 2).await.expect("a page");
        let Some((created_us, id, content)) = page.last().cloned() else { break };
        let event: CallEvent = serde_json::from_str(&content).expect("a state");
        assert_eq!(event.state.sequence_number, 2);
        after = (created_us, id);
        seen.extend(page.into_iter().map(|(_, id, _)| id));
    }
    ids.sort_unstable();
    assert_eq!(seen, ids);
    let without_end: HashSet<String> =
        store.calls_without_end().await.expect("a query").into_iter().map(|(_, id)| id).collect();
    assert_eq!(without_end, ids.iter().cloned().collect());
    let states = store.states(&ids[0], 2, 2, 10).await.expect("states");
    assert_eq!(states.len(), 1);
}

#[tokio::test]
async fn an_append_that_cannot_be_written_takes_no_other_with_it() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    log.append(call(&office, 1)).await.expect("appended");
    let mut appends = tokio::task::JoinSet::new();
    // The first of these is there already; all of them wait for the writer together.
    for nonce in 1..=5 {
        let (log, append) = (log.clone(), call(&office, nonce));
        appends.spawn(async move { log.append(append).await.is_ok() });
    }
    let written = appends.join_all().await.into_iter().filter(|written| *written).count();
    assert_eq!(written, 4);
    let entries = store.log_after(&office.account_key, 0, 100).await.expect("entries");
    let positions: Vec<i64> = entries.iter().map(|entry| entry.position).collect();
    assert_eq!(positions, (1..=40).collect::<Vec<_>>(), "no hole where the refused one would have been");
}

#[tokio::test]
async fn a_database_of_another_kind_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = Store::open(folder.path(), Some("mysql://localhost/x")).await.err().expect("refused");
    assert!(error.to_string().contains("postgres://"), "{error}");
}
