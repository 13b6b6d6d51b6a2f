//! In which order what waits is fetched, and what a fetch that was overtaken may not undo.

use super::*;
use crate::store::head::Head;
use crate::store::ledger::{self, GapKind};
use crate::store::reports::{self, Saved};
use crate::store::{causes, retention, testing};

fn report(id: &str, reason: &str) -> (Head, String) {
    let raw = format!(
        r#"{{"conversationSpaceId": "{id}", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "17",
            "callEnded": "2026-02-03T17:02:41.35Z", "direction": "INBOUND", "callReason": "{reason}"}}"#
    );
    (serde_json::from_str(&raw).unwrap(), raw)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[tokio::test]
async fn calls_that_cannot_be_had_do_not_keep_back_older_ones_for_ever() {
    let (folder, day) = (tempfile::tempdir().unwrap(), 86_400);
    let pool = testing::open(folder.path()).await.pool;
    let calls = [("new", Some(at(9 * day))), ("older", Some(at(8 * day))), ("oldest", Some(at(2 * day)))];
    announce_all(&pool, "17", calls.into_iter(), at(9 * day)).await.unwrap();
    let order = async || -> Vec<String> {
        let due = due(&pool, "17", at(9 * day), 9).await.unwrap();
        due.into_iter().map(|due| due.conversation_space_id).collect()
    };
    let mut places = Vec::new();
    for tries in 0..=15 {
        let order = order().await;
        let place = order.iter().position(|id| id == "new").unwrap();
        places.push(place);
        let due = due(&pool, "17", at(9 * day), 9).await.unwrap();
        postpone(&pool, "17", &due[place], at(tries)).await.unwrap();
    }
    // A day is 24 hours: older than the next one behind the fifth try, older than one of a week ago behind the 13th.
    assert_eq!(places, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2]);
}

#[tokio::test]
async fn the_calls_that_ended_last_are_fetched_first() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    announce(&pool, "17", "live", at(900)).await.unwrap();
    let list = [("b", Some(at(20))), ("c", Some(at(30))), ("a", Some(at(10)))];
    assert_eq!(announce_all(&pool, "17", list.into_iter(), at(950)).await.unwrap(), 3);
    let (head, raw) = report("s", "");
    reports::save(&pool, &head, &raw, at(951), None).await.unwrap();
    let stored = [("s", Some(at(25)))];
    assert_eq!(announce_stored(&pool, "17", stored.into_iter(), 9, at(952)).await.unwrap(), 1);
    announce_again(&pool, "17", "changed", at(953)).await.unwrap();
    let due = due(&pool, "17", at(960), 9).await.unwrap();
    let ids: Vec<_> = due.iter().map(|due| due.conversation_space_id.as_str()).collect();
    assert_eq!(ids, ["changed", "live", "c", "s", "b", "a"]);
}

/// The answer may be of before the change that was announced.
#[tokio::test]
async fn a_report_that_changes_while_it_is_fetched_is_fetched_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    announce(&pool, "17", "a", at(10)).await.unwrap();
    let mut reason = 0;
    // The answer is whole, or it is to be had again later.
    for again in [None, Some(at(99))] {
        let first = due(&pool, "17", at(20), 9).await.unwrap().remove(0);
        announce_again(&pool, "17", "a", at(20)).await.unwrap();
        reason += 1;
        let (head, raw) = report("a", &reason.to_string());
        reports::save_fetched(&pool, "17", &first, &head, &raw, at(20), again).await.unwrap();
        let second = due(&pool, "17", at(20), 9).await.unwrap();
        assert_eq!(second.len(), 1, "{again:?}");
        assert_eq!(second[0].generation, first.generation + 1);
    }
    let last = due(&pool, "17", at(20), 9).await.unwrap().remove(0);
    let (head, raw) = report("a", "last");
    let saved = reports::save_fetched(&pool, "17", &last, &head, &raw, at(21), None).await.unwrap();
    assert_eq!(saved, Saved::Revised(vec!["callReason".to_owned()]));
    assert_eq!(waiting(&pool, "17").await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_there_and_cannot_be_had_again_is_left_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    let (head, raw) = report("a", "");
    reports::save(&pool, &head, &raw, at(1), None).await.unwrap();
    assert!(is_stored(&pool, "17", "a").await.unwrap() && !is_stored(&pool, "18", "a").await.unwrap());
    announce_again(&pool, "17", "a", at(10)).await.unwrap();
    // As an earlier version opened it.
    ledger::open_gap(&pool, "17", GapKind::Report, "a", "status 404", at(10)).await.unwrap();
    let first = due(&pool, "17", at(20), 9).await.unwrap().remove(0);
    leave(&pool, "17", &first, at(20)).await.unwrap();
    assert_eq!(waiting(&pool, "17").await.unwrap(), 0);
    assert_eq!(ledger::gaps(&pool, false, 0, 9).await.unwrap(), []);
    assert_eq!(reports::list(&pool, 0, 9).await.unwrap()[0].raw, raw);
}

/// What was announced while it was asked for in vain is asked for at once.
#[tokio::test]
async fn a_try_that_fails_puts_off_no_later_announcement() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    announce(&pool, "17", "a", at(10)).await.unwrap();
    let first = due(&pool, "17", at(20), 9).await.unwrap().remove(0);
    announce_again(&pool, "17", "a", at(20)).await.unwrap();
    postpone(&pool, "17", &first, at(300)).await.unwrap();
    causes::give_up(&pool, "17", &first, at(20)).await.unwrap();
    let second = due(&pool, "17", at(20), 9).await.unwrap().remove(0);
    assert_eq!(second.generation, first.generation + 1);
    postpone(&pool, "17", &second, at(300)).await.unwrap();
    assert_eq!(due(&pool, "17", at(299), 9).await.unwrap(), []);
    causes::give_up(&pool, "17", &second, at(20)).await.unwrap();
    assert_eq!(waiting(&pool, "17").await.unwrap(), 0);
}

/// Of the one that was asked for nothing is known yet.
#[tokio::test]
async fn a_report_that_answers_for_another_call_is_kept_and_the_one_asked_for_goes_on_being_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    let (head, raw) = report("b", "");
    for erased in [false, true] {
        announce(&pool, "17", "a", at(10)).await.unwrap();
        announce_again(&pool, "17", "b", at(10)).await.unwrap();
        let due = due(&pool, "17", at(10), 9).await.unwrap();
        let asked = due.iter().find(|due| due.conversation_space_id == "a").unwrap();
        if erased {
            let call = CallKey { conversation_space_id: "b".to_owned(), account_key: "17".to_owned() };
            crate::store::privacy::erase_calls(&pool, [&call], at(11)).await.unwrap();
        }
        reports::save_fetched(&pool, "17", asked, &head, &raw, at(20), Some(at(99))).await.unwrap();
        assert_eq!(is_stored(&pool, "17", "b").await.unwrap(), !erased);
        assert!(is_pending(&pool, "17", "a").await.unwrap(), "erased: {erased}");
    }
}

/// A notification of a change would bring back what `--keep-numbers` has taken out.
#[tokio::test]
async fn a_change_of_a_report_of_which_something_was_taken_out_is_not_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    let (head, raw) = report("a", "+13125550147");
    reports::save(&pool, &head, &raw, at(1), None).await.unwrap();
    let now = "2026-03-01T00:00:00Z".parse().unwrap();
    let old = retention::with_field(&pool, "numbers", now, 9).await.unwrap().remove(0);
    let without = retention::Old { raw: raw.replace("+13125550147", ""), ..old.clone() };
    retention::redact(&pool, "numbers", &[(old, without.clone())]).await.unwrap();
    announce_again(&pool, "17", "a", now).await.unwrap();
    assert_eq!(waiting(&pool, "17").await.unwrap(), 0);
    assert_eq!(reports::list(&pool, 0, 9).await.unwrap()[0].raw, without.raw);
}
