//! Summaries of finished calls, call history and recordings, on the database that CALLFEED_TEST_DATABASE names.

use engine::{Call, Nonce, Office, Request, Scenario};
use jiff::Timestamp;

use super::summaries::SummaryRow;
use super::tests::{Fresh, fresh, history_of, scenario};
use super::*;
use crate::limits;

const START_S: i64 = 1_760_000_000;

/// A whole call that starts `after_s` seconds after the first, all its steps at once.
fn finished(office: &Office, scenario: Scenario, nonce: u128, after_s: i64) -> Append {
    played(office, &Request::new(scenario, 1), nonce, after_s)
}

pub(super) fn played(office: &Office, request: &Request, nonce: u128, after_s: i64) -> Append {
    let script = engine::script(office, request).expect("a script");
    let mut call = Call::new(Nonce(nonce), office.account_key.clone());
    let mut events = Vec::new();
    let at = Timestamp::from_second(START_S + after_s).expect("an instant");
    for step in script.steps {
        events.extend(call.apply(at, &step.command).expect("the script fits"));
    }
    let (report, summary) = engine::fold(&events, false, office).expect("it has ended");
    Append { history: history_of(&events, office), events, ending: Some(Ending { report, summary }) }
}

fn all(office: &Office) -> SummaryQuery<'_> {
    SummaryQuery {
        account_key: &office.account_key,
        ended_us: (START_S * 1_000_000, i64::MAX),
        parties: None,
        outcome: None,
        internal: None,
        after: None,
    }
}

async fn ids(store: &Store, wanted: &SummaryQuery<'_>) -> Vec<String> {
    let rows = store.summaries(wanted, 100).await.expect("a page");
    rows.into_iter().map(|row| row.conversation_space_id).collect()
}

#[tokio::test]
async fn summaries_are_found_by_time_outcome_scope_and_party() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    let mut calls = Vec::new();
    for (place, scenario) in
        [scenario("answered"), scenario("missed"), scenario("internal"), scenario("outbound")]
            .into_iter()
            .enumerate()
    {
        let append = finished(&office, scenario, place as u128, place as i64);
        calls.push(append.ending.as_ref().expect("it has ended").summary.clone());
        log.append(append).await.expect("appended");
    }
    let id = |place: usize| calls[place].conversation_space_id.clone();
    assert_eq!(ids(&store, &all(&office)).await, [id(3), id(2), id(1), id(0)]);
    let us = |after_s: i64| (START_S + after_s) * 1_000_000;
    let window = SummaryQuery { ended_us: (us(1), us(3)), ..all(&office) };
    assert_eq!(ids(&store, &window).await, [id(2), id(1)], "from is inclusive, until exclusive");
    assert_eq!(ids(&store, &SummaryQuery { outcome: Some("MISSED"), ..all(&office) }).await, [id(1)]);
    assert_eq!(ids(&store, &SummaryQuery { internal: Some(true), ..all(&office) }).await, [id(2)]);
    let outside = SummaryQuery { internal: Some(false), ..all(&office) };
    assert_eq!(ids(&store, &outside).await, [id(3), id(1), id(0)]);
    let another = SummaryQuery { account_key: "another", ..all(&office) };
    assert!(ids(&store, &another).await.is_empty());

    for line in &office.lines {
        let with_line: Vec<String> = calls
            .iter()
            .rev()
            .filter(|call| serde_json::to_string(call).expect("JSON").contains(&line.id))
            .map(|call| call.conversation_space_id.clone())
            .collect();
        let by_line = SummaryQuery { parties: Some((KeyKind::Line, vec![&line.id])), ..all(&office) };
        assert_eq!(ids(&store, &by_line).await, with_line);
        let keys = vec!["nobody", line.user_key.as_str()];
        let by_user = SummaryQuery { parties: Some((KeyKind::User, keys)), ..all(&office) };
        assert_eq!(ids(&store, &by_user).await, with_line);
    }
    let numbers: Vec<&str> = office.numbers.iter().map(|number| number.id.as_str()).collect();
    let by_number = SummaryQuery { parties: Some((KeyKind::PhoneNumber, numbers)), ..all(&office) };
    assert_eq!(ids(&store, &by_number).await, [id(3), id(1), id(0)]);
}

/// A call that began so many seconds after the start of the tests' time and lasted so many.
fn lasting(office: &Office, nonce: u128, after_s: i64, lasts_s: i64) -> Append {
    let mut append = finished(office, scenario("answered"), nonce, after_s);
    let ending = append.ending.as_mut().expect("it has ended");
    let ended = Timestamp::from_second(START_S + after_s + lasts_s).expect("an instant").to_string();
    ending.summary.call_ended.clone_from(&ended);
    ending.report.call_ended = ended;
    append
}

#[tokio::test]
async fn a_call_is_found_by_its_end_however_long_it_was() {
    const HOUR_S: i64 = 3600;
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    let day_s = limits::LONG_CALL_US / 1_000_000;
    let mut calls = Vec::new();
    for (nonce, (after_s, lasts_s)) in [
        (0, HOUR_S),
        (1, 3 * day_s + 2 * HOUR_S),
        (2 * day_s + 2 * HOUR_S, day_s),
        (3 * day_s, 2 * HOUR_S),
        (3 * day_s, 4 * HOUR_S),
    ]
    .into_iter()
    .enumerate()
    {
        let append = lasting(&office, nonce as u128, after_s, lasts_s);
        calls.push(append.ending.as_ref().expect("it has ended").summary.conversation_space_id.clone());
        log.append(append).await.expect("appended");
    }
    let us = |hours: i64| (START_S + 3 * day_s + hours * HOUR_S) * 1_000_000;
    let window = SummaryQuery { ended_us: (us(1), us(3)), ..all(&office) };
    assert_eq!(ids(&store, &window).await, [3, 2, 1].map(|place: usize| calls[place].clone()));
}

#[tokio::test]
async fn summaries_are_paged_without_a_repeat_or_a_hole() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    for nonce in 0..9 {
        // Two in each second, so that a page can end between them.
        let append = finished(&office, scenario("answered"), nonce, nonce as i64 / 2);
        log.append(append).await.expect("appended");
    }
    let whole = ids(&store, &all(&office)).await;
    assert_eq!(whole.len(), 9);
    let mut seen: Vec<SummaryRow> = Vec::new();
    loop {
        let last = seen.last().cloned();
        let after = last.as_ref().map(|row| (row.call_created_us, row.conversation_space_id.as_str()));
        let page = store.summaries(&SummaryQuery { after, ..all(&office) }, 2).await.expect("a page");
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.into_iter().map(|row| row.conversation_space_id).collect::<Vec<_>>(), whole);
}

async fn legs(store: &Store, wanted: &HistoryQuery<'_>) -> Vec<String> {
    let rows = store.history(wanted, 100).await.expect("a page");
    rows.into_iter().map(|row| row.leg_id).collect()
}

#[tokio::test]
async fn call_history_is_found_by_user_extension_and_time_and_stands_in_the_log() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    for nonce in 0..3 {
        log.append(finished(&office, scenario("ring-group"), nonce, nonce as i64)).await.expect("appended");
    }
    let all = HistoryQuery {
        account_key: &office.account_key,
        user_key: None,
        extensions: Vec::new(),
        started_us: (i64::MIN, i64::MAX),
        after: None,
    };
    assert_eq!(legs(&store, &all).await.len(), 9, "three calls rang three lines");
    let key = office.lines[0].user_key.as_str();
    let of_user = HistoryQuery { user_key: Some(key), ..all.clone() };
    assert_eq!(legs(&store, &of_user).await.len(), 3);
    let extensions = vec![office.lines[0].extension.as_str(), office.lines[1].extension.as_str()];
    let of_two = HistoryQuery { extensions: extensions.clone(), ..all.clone() };
    assert_eq!(legs(&store, &of_two).await.len(), 6);
    let both = HistoryQuery { extensions, ..of_user.clone() };
    assert_eq!(legs(&store, &both).await, legs(&store, &of_user).await);
    let us = |after_s: i64| (START_S + after_s) * 1_000_000;
    let window = HistoryQuery { started_us: (us(1), us(2)), ..all.clone() };
    assert_eq!(legs(&store, &window).await.len(), 3);

    let (mut seen, mut after) = (Vec::new(), None::<(i64, String)>);
    loop {
        let key = after.as_ref().map(|(number, leg)| (*number, leg.as_str()));
        let page = store.history(&HistoryQuery { after: key, ..all.clone() }, 2).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some((last.started_us, last.leg_id.clone()));
        seen.extend(page.into_iter().map(|row| row.leg_id));
    }
    assert_eq!(seen, legs(&store, &all).await);

    let first = finished(&office, scenario("ring-group"), 0, 0);
    let mut of_call =
        store.history_legs(&first.events[0].metadata.conversation_space_id).await.expect("legs");
    let mut expected: Vec<String> = first.history.iter().map(|(_, row)| row.leg_id.clone()).collect();
    of_call.sort_unstable();
    expected.sort_unstable();
    assert_eq!(of_call, expected, "the legs of one call");
    assert!(store.history_legs("nobody").await.expect("legs").is_empty());

    let entries = store.log_after(&office.account_key, 0, 1000).await.expect("entries");
    let told: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == EntryKind::History).collect();
    assert_eq!(told.len(), 9);
    let data: serde_json::Value = serde_json::from_str(told[0].data()).expect("JSON");
    assert_eq!((&data["source"], &data["type"]), (&"call-history".into(), &"UchEvent".into()));
    assert_eq!(told[0].subject().user_keys, [data["content"]["userKey"].as_str().expect("a key")]);
}

#[tokio::test]
async fn a_call_history_subscription_moves_to_another_channel_once() {
    let Fresh { store, office, _folder } = fresh().await;
    let subscription = |id: &str, channel_id: &str| Subscription {
        id: id.into(),
        channel_id: channel_id.into(),
        api: Api::CallHistory,
        key_kind: KeyKind::User,
        key_value: "user".into(),
        account_key: office.account_key.clone(),
        events: vec!["UchEvent".into()],
        created_us: 1,
        since_position: 0,
    };
    for channel_id in ["a", "b", "c"] {
        super::tests::put_channel(&store, channel_id).await;
    }
    for (id, channel_id) in [("one", "a"), ("two", "b")] {
        let put = store.put_subscriptions(channel_id, &[subscription(id, channel_id)]).await;
        assert!(put.expect("stored"));
    }
    assert_eq!(store.subscription("one").await.expect("a query"), Some(subscription("one", "a")));
    assert_eq!(store.subscription("none").await.expect("a query"), None);
    assert!(!store.move_subscription("one", "b", 5).await.expect("a query"), "it is there already");
    assert!(store.move_subscription("one", "c", 5).await.expect("moved"));
    let moved = Subscription { created_us: 5, ..subscription("one", "c") };
    assert_eq!(store.subscription("one").await.expect("a query"), Some(moved));
    assert_eq!(store.cursors("c").await.expect("a query"), [(office.account_key.clone(), 0)]);
    assert!(!store.move_subscription("one", "gone", 6).await.expect("a query"), "there is no such channel");
    assert!(store.cursors("gone").await.expect("a query").is_empty());
}

#[tokio::test]
async fn a_recording_is_stored_and_told_of_after_the_report() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    let request = Request { record: true, ..Request::new(scenario("answered"), 1) };
    log.append(played(&office, &request, 1, 0)).await.expect("appended");
    let entries = store.log_after(&office.account_key, 0, 100).await.expect("entries");
    let kinds: Vec<EntryKind> = entries.iter().rev().take(4).rev().map(|entry| entry.kind).collect();
    let expected = [EntryKind::History, EntryKind::Report, EntryKind::Recording, EntryKind::Transcript];
    assert_eq!(kinds, expected);
    let told = entries.last().expect("entries");
    assert_eq!(told.subject().event, "RECORDING_TRANSCRIPT_UPLOADED");
    let content: serde_json::Value = serde_json::from_str(told.content.get()).expect("JSON");
    let id = content["recording_id"].as_str().expect("an id");
    let recording = store.recording(id).await.expect("a query").expect("the recording");
    assert_eq!((recording.account_key.as_str(), recording.duration_ms), (office.account_key.as_str(), 0));
    assert_eq!(store.recording("unknown").await.expect("a query"), None);

    store.put_recording_token("old", id, 10, 0).await.expect("stored");
    assert_eq!(store.recording_of_token("old", 9).await.expect("a query").as_ref(), Some(&recording));
    assert_eq!(store.recording_of_token("old", 10).await.expect("a query"), None, "it has expired");
    store.put_recording_token("new", id, 20, 10).await.expect("stored");
    assert_eq!(store.recording_of_token("old", 0).await.expect("a query"), None, "it is forgotten");
    assert_eq!(store.recording_of_token("new", 10).await.expect("a query"), Some(recording));
}

#[tokio::test]
async fn the_subscriptions_of_a_user_are_those_on_the_own_channels() {
    let Fresh { store, office, _folder } = fresh().await;
    for (channel_id, user_key) in [("a", "one"), ("b", "two")] {
        let channel = ChannelRow {
            channel_id: channel_id.into(),
            nickname: "demo".into(),
            user_key: user_key.into(),
            application_tag: String::new(),
            lifetime_s: 1200,
            created_us: 1,
            expires_us: i64::MAX,
        };
        store.put_channel(&channel, &ChannelMaker::default()).await.expect("stored");
        let subscription = Subscription {
            id: format!("on {channel_id}"),
            channel_id: channel_id.into(),
            api: Api::Recording,
            key_kind: KeyKind::Account,
            key_value: office.account_key.clone(),
            account_key: office.account_key.clone(),
            events: vec!["RECORDING_UPLOADED".into()],
            created_us: 1,
            since_position: 0,
        };
        assert!(store.put_subscriptions(channel_id, &[subscription]).await.expect("stored"));
    }
    let own = store.subscriptions_of_user("one", Api::Recording).await.expect("a query");
    assert_eq!(own.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["on a"]);
    assert_eq!(own[0].api, Api::Recording);
    assert!(store.subscriptions_of_user("one", Api::CallEvents).await.expect("a query").is_empty());
}
