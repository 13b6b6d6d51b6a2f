//! What the store keeps of reports, and of those that are still to be fetched.

use super::*;
use crate::store::revisions::{Revision, revisions};
use crate::store::testing;

fn report(id: &str) -> (Head, String) {
    let raw = format!(
        r#"{{"conversationSpaceId": "{id}", "callCreated": "2026-02-03T17:00:00Z",
            "callEnded": "2026-02-03T17:02:41.35Z", "direction": "INBOUND", "accountKey": "17"}}"#
    );
    (serde_json::from_str(&raw).unwrap(), raw)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[tokio::test]
async fn an_announced_report_waits_until_it_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    announce(&pool, "17", "a", at(10)).await.unwrap();
    announce(&pool, "17", "a", at(11)).await.unwrap();
    postpone(&pool, "17", &testing::asked("a"), at(20)).await.unwrap();
    assert_eq!(due(&pool, "17", at(19), 9).await.unwrap(), []);
    assert_eq!(next_try(&pool, "17", at(19)).await.unwrap(), Some(at(20)));
    hurry(&pool, "17", at(15)).await.unwrap();
    let waiting =
        Pending { conversation_space_id: "a".to_owned(), announced: at(10), attempts: 1, generation: 0 };
    assert_eq!(due(&pool, "17", at(15), 9).await.unwrap(), [waiting]);

    let (typed, raw) = report("a");
    assert_eq!(save(&pool, &typed, &raw, at(21), None).await.unwrap(), Saved::New);
    assert_eq!(save(&pool, &typed, &raw, at(22), None).await.unwrap(), Saved::Known);
    announce(&pool, "17", "a", at(23)).await.unwrap();
    assert_eq!(due(&pool, "17", at(99), 9).await.unwrap(), []);
    assert_eq!(next_try(&pool, "17", at(0)).await.unwrap(), None);
}

#[tokio::test]
async fn an_incomplete_report_is_kept_and_fetched_again_and_what_changed_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    announce(&pool, "17", "a", at(10)).await.unwrap();
    let (typed, raw) = report("a");
    assert_eq!(save(&pool, &typed, &raw, at(11), Some(at(20))).await.unwrap(), Saved::New);
    assert_eq!(waiting(&pool, "17").await.unwrap(), 1);
    assert_eq!(due(&pool, "17", at(20), 9).await.unwrap()[0].attempts, 1);

    let richer = raw.replace("\"INBOUND\"", "\"INBOUND\", \"callReason\": \"order\"");
    let revised = save(&pool, &typed, &richer, at(21), None).await.unwrap();
    assert_eq!(revised, Saved::Revised(vec!["callReason".to_owned()]));
    assert_eq!(waiting(&pool, "17").await.unwrap(), 0);
    let call = CallKey { conversation_space_id: "a".to_owned(), account_key: "17".to_owned() };
    let kept = revisions(&pool, &call).await.unwrap();
    let first = Revision { revision: 1, replaced: at(21), changed: "callReason".to_owned(), raw };
    assert_eq!(kept, [first]);
    assert_eq!(list(&pool, 0, 9).await.unwrap()[0].raw, richer);

    announce_again(&pool, "17", "a", at(30)).await.unwrap();
    assert_eq!(
        due(&pool, "17", at(30), 9).await.unwrap().len(),
        1,
        "a revision is fetched though it is there"
    );
}

#[tokio::test]
async fn after_a_break_stored_reports_are_fetched_again_but_none_of_which_something_was_taken_out() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    for id in ["a", "b", "c", "d"] {
        let (typed, raw) = report(id);
        save(&pool, &typed, &raw, at(1), None).await.unwrap();
    }
    sqlx::query("INSERT INTO reports_redacted (conversation_space_id, account_key, field) VALUES ('b', '17', 'numbers')")
        .execute(&pool)
        .await
        .unwrap();
    let ids = ["a", "b", "unknown", "c", "d"].map(|id| (id, None));
    assert_eq!(announce_stored(&pool, "17", ids.into_iter(), 2, at(10)).await.unwrap(), 2);
    assert_eq!(announce_stored(&pool, "18", ids.into_iter(), 9, at(10)).await.unwrap(), 0);
    let due = due(&pool, "17", at(10), 9).await.unwrap();
    let due: Vec<_> = due.iter().map(|due| due.conversation_space_id.as_str()).collect();
    assert_eq!(due, ["a", "c"], "the first two that are there whole");
    assert_eq!(missing(&pool, Some("17")).await.unwrap(), 0, "a report that is there is not missing");
    for id in due {
        let (typed, raw) = report(id);
        assert_eq!(save(&pool, &typed, &raw, at(11), None).await.unwrap(), Saved::Known);
    }
    assert_eq!(waiting(&pool, "17").await.unwrap(), 0, "once");
}

#[tokio::test]
async fn the_calls_of_this_moment_come_before_those_of_last_month() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    for (id, second) in [("old", 10), ("new", 20)] {
        announce(&pool, "17", id, at(second)).await.unwrap();
    }
    let ids: Vec<String> =
        due(&pool, "17", at(20), 9).await.unwrap().into_iter().map(|due| due.conversation_space_id).collect();
    assert_eq!(ids, ["new", "old"]);
}

#[tokio::test]
async fn what_one_account_waits_for_is_not_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    // Of a version that kept no account: whoever comes first.
    for (account, id, second) in [("17", "a", 10), ("18", "b", 30), ("", "c", 10)] {
        announce(&pool, account, id, at(10)).await.unwrap();
        postpone(&pool, account, &testing::asked(id), at(second)).await.unwrap();
    }
    let ids = async |account| -> Vec<String> {
        let due = due(&pool, account, at(20), 9).await.unwrap();
        due.into_iter().map(|due| due.conversation_space_id).collect()
    };
    assert_eq!(ids("17").await, ["a", "c"]);
    assert_eq!(ids("18").await, ["c"]);
    assert_eq!(next_try(&pool, "17", at(20)).await.unwrap(), None);
    hurry(&pool, "17", at(15)).await.unwrap();
    assert_eq!(next_try(&pool, "18", at(20)).await.unwrap(), Some(at(30)));
    assert_eq!(missing(&pool, Some("18")).await.unwrap(), 2);
    assert_eq!(missing(&pool, None).await.unwrap(), 3);
    let (typed, raw) = report("a");
    save(&pool, &typed, &raw, at(21), None).await.unwrap();
    assert!(last_seen(&pool, "17").await.unwrap().is_some());
    assert_eq!(last_seen(&pool, "18").await.unwrap(), None);
}

/// As when a provider passes a call from one company to another: one id, two calls.
#[tokio::test]
async fn two_accounts_have_each_their_own_call_with_one_id() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    for account in ["17", "18"] {
        assert!(announce(&pool, account, "a", at(10)).await.unwrap(), "{account}");
        assert!(!announce(&pool, account, "a", at(11)).await.unwrap(), "{account}");
    }
    postpone(&pool, "18", &testing::asked("a"), at(50)).await.unwrap();
    assert_eq!(due(&pool, "17", at(10), 9).await.unwrap()[0].attempts, 0);
    let (typed, raw) = report("a");
    assert_eq!(save(&pool, &typed, &raw, at(21), None).await.unwrap(), Saved::New);
    assert_eq!((waiting(&pool, "17").await.unwrap(), waiting(&pool, "18").await.unwrap()), (0, 1));
    assert_eq!(missing(&pool, None).await.unwrap(), 1);

    let other = raw.replace("\"17\"", "\"18\"").replace("INBOUND", "OUTBOUND");
    let save_other = async |raw: &str| {
        let typed = serde_json::from_str(raw).unwrap();
        save(&pool, &typed, raw, at(22), None).await.unwrap()
    };
    assert_eq!(save_other(&other).await, Saved::New);
    assert_eq!(save_other(&other).await, Saved::Known);
    let revised = other.replace("OUTBOUND", "INBOUND");
    assert_eq!(save_other(&revised).await, Saved::Revised(vec!["direction".to_owned()]));
    let texts: Vec<String> = list(&pool, 0, 9).await.unwrap().into_iter().map(|one| one.raw).collect();
    assert_eq!(texts, [raw.clone(), revised.clone()]);
    let given = crate::store::changes::after(&pool, 0, 9).await.unwrap();
    let given: Vec<_> = given.into_iter().map(|one| (one.revision, one.report.raw)).collect();
    assert_eq!(given, [(1, raw), (1, other), (2, revised)], "outputs get each text of each account");

    let call = CallKey { conversation_space_id: "a".to_owned(), account_key: "17".to_owned() };
    crate::store::privacy::erase_calls(&pool, [&call], at(30)).await.unwrap();
    assert_eq!(list(&pool, 0, 9).await.unwrap()[0].account_key, "18");
    assert!(!announce(&pool, "17", "a", at(31)).await.unwrap(), "what is erased stays so");
}

#[tokio::test]
async fn reports_are_listed_in_order_of_storing() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    for id in ["c", "a", "b"] {
        let (typed, raw) = report(id);
        save(&pool, &typed, &raw, at(1), None).await.unwrap();
    }
    let ids = |reports: Vec<StoredReport>| {
        reports.into_iter().map(|report| report.conversation_space_id).collect::<Vec<_>>()
    };
    let first = list(&pool, 0, 2).await.unwrap();
    let after = first.last().unwrap().number;
    assert_eq!(ids(first), ["c", "a"]);
    let rest = list(&pool, after, 9).await.unwrap();
    assert_eq!(rest[0].raw, report("b").1);
    assert_eq!(ids(rest), ["b"]);
}

#[tokio::test]
async fn many_writers_at_once_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..60 {
        let pool = pool.clone();
        writers.spawn(async move {
            let (typed, raw) = report(&format!("call-{number}"));
            announce(&pool, "17", &typed.conversation_space_id, at(1)).await?;
            save(&pool, &typed, &raw, at(2), None).await
        });
    }
    for saved in writers.join_all().await {
        assert_eq!(saved.unwrap(), Saved::New);
    }
    assert_eq!(missing(&pool, None).await.unwrap(), 0);
}

#[tokio::test]
async fn a_page_of_the_list_by_end_is_sought_and_not_counted_from_the_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open_file(folder.path()).await.pool;
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {LIST_BY_END}"));
    let plan = sqlx::query(explain).bind("").bind(0_i64).bind(9_i64).fetch_all(&pool).await.unwrap();
    let steps: Vec<&str> = plan.iter().map(|row| row.try_get("detail").unwrap()).collect();
    assert_eq!(steps, ["SEARCH reports USING INDEX reports_by_end (<expr>>?)"]);
}

/// A backfill stores the newest first, so the order of storing says nothing of when calls were.
#[tokio::test]
async fn a_list_by_the_end_of_calls_begins_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    for (id, ended) in [("c", "17:02:41.35Z"), ("a", "16:00:00Z"), ("b", "17:02:41.5Z"), ("d", "18:00:00.1Z")]
    {
        let raw = report(id).1.replace("17:02:41.35Z", ended);
        save(&pool, &serde_json::from_str(&raw).unwrap(), &raw, at(1), None).await.unwrap();
    }
    let ids = async |since: Option<&str>, last| -> String {
        let since = since.map(|text| text.parse().unwrap());
        let (mut ids, mut after) = (String::new(), end_before(&pool, since, last).await.unwrap());
        loop {
            let (page, end) = list_by_end(&pool, &after, 1).await.unwrap();
            let Some(one) = page.first() else { return ids };
            ids += &one.conversation_space_id;
            after = end;
        }
    };
    assert_eq!(ids(None, None).await, "acbd");
    assert_eq!(ids(Some("2026-02-03T17:02:41Z"), None).await, "cbd");
    assert_eq!(ids(Some("2026-02-03T17:02:42Z"), Some(3)).await, "d");
    assert_eq!(ids(Some("2026-02-03T00:00:00Z"), Some(2)).await, "bd");
    assert_eq!((ids(None, Some(9)).await, ids(None, Some(0)).await), ("acbd".to_owned(), String::new()));
}
