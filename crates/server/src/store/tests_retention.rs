//! Forgetting finished calls, on the database that CALLFEED_TEST_DATABASE names.

use engine::{Call, Command, Nonce, Office, Request};
use jiff::Timestamp;

use super::tests::{Fresh, fresh, history_of, scenario};
use super::*;

const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// A whole call on a day, all its steps at once.
fn on_day(office: &Office, nonce: u128, day: i64) -> Append {
    let script = engine::script(office, &Request::new(scenario("answered"), 1)).expect("a script");
    let mut call = Call::new(Nonce(nonce), office.account_key.clone());
    let at = Timestamp::from_microsecond(day * DAY_US).expect("an instant");
    let mut events = Vec::new();
    for step in script.steps {
        events.extend(call.apply(at, &step.command).expect("the script fits"));
    }
    let (report, summary) = engine::fold(&events, false, office).expect("it has ended");
    Append { history: history_of(&events, office), events, ending: Some(Ending { report, summary }) }
}

/// A call of the first day that has not ended.
fn under_way(office: &Office, nonce: u128) -> Append {
    let mut call = Call::new(Nonce(nonce), office.account_key.clone());
    let caller = wire::Party::new("", "+13125550101");
    let start = Command::StartInbound { number: office.numbers[0].clone(), caller };
    let at = Timestamp::from_microsecond(DAY_US).expect("an instant");
    Append { events: call.apply(at, &start).expect("it starts"), history: Vec::new(), ending: None }
}

fn id_of(append: &Append) -> String {
    append.events[0].metadata.conversation_space_id.clone()
}

async fn rows(store: &Store, table: &str) -> i64 {
    let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(count).fetch_one(&store.read).await.expect("a count")
}

#[tokio::test]
async fn old_finished_calls_go_in_batches_with_all_that_is_theirs_and_others_stay() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    let open = under_way(&office, 100);
    let open_id = id_of(&open);
    log.append(open).await.expect("appended");
    for day in 1..=7 {
        log.append(on_day(&office, day, i64::try_from(day).expect("small"))).await.expect("appended");
    }
    let last = on_day(&office, 50, 50);
    let last_id = id_of(&last);
    log.append(last).await.expect("appended");
    let all = store.log_after(&office.account_key, 0, 1_000).await.expect("entries");
    let head = all.last().expect("entries").position;
    let mut batches = Vec::new();
    loop {
        let forgotten = store.forget_calls(8 * DAY_US, 3).await.expect("forgotten");
        batches.push(forgotten);
        if forgotten < 3 {
            break;
        }
    }
    assert_eq!(batches, [3, 3, 1]);
    assert_eq!(store.forget_calls(8 * DAY_US, 3).await.expect("nothing left"), 0);
    assert_eq!(rows(&store, "reports").await, 1);
    assert_eq!(rows(&store, "calls").await, 2);
    for table in ["call_history", "report_parties"] {
        let left = sqlx::AssertSqlSafe(format!(
            "select count(*) from {table} where conversation_space_id not in
                (select conversation_space_id from calls)"
        ));
        let left: i64 = sqlx::query_scalar(left).fetch_one(&store.read).await.expect("a count");
        assert_eq!(left, 0, "{table} holds nothing of a forgotten call");
    }
    assert!(store.report(&last_id).await.expect("a query").is_some());
    assert_eq!(store.states(&open_id, 1, 10, 10).await.expect("states").len(), 1, "a call under way stays");
    let left = store.log_after(&office.account_key, 0, 1_000).await.expect("entries");
    let kept: Vec<i64> = all
        .iter()
        .filter(|entry| [&open_id, &last_id].contains(&&entry.conversation_space_id))
        .map(|entry| entry.position)
        .collect();
    assert_eq!(left.iter().map(|entry| entry.position).collect::<Vec<_>>(), kept, "positions stay");
    // The log goes on where it was: a cursor anywhere finds what comes next.
    log.append(on_day(&office, 60, 60)).await.expect("appended");
    let next = store.log_after(&office.account_key, head, 1_000).await.expect("entries");
    assert_eq!(next.first().map(|entry| entry.position), Some(head + 1));
}

#[tokio::test]
async fn calls_that_begin_while_old_ones_go_are_written_all_the_same() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    for nonce in 0..60 {
        log.append(on_day(&office, nonce, 1)).await.expect("appended");
    }
    let forgetting = {
        let store = store.clone();
        tokio::spawn(async move { while store.forget_calls(2 * DAY_US, 5).await.expect("forgotten") > 0 {} })
    };
    for nonce in 100..130 {
        log.append(on_day(&office, nonce, 9)).await.expect("appended");
    }
    forgetting.await.expect("no panic");
    assert_eq!((rows(&store, "calls").await, rows(&store, "reports").await), (30, 30));
}
