//! What the outputs rely on: order, each text as it was, a place of one's own, nothing forgotten.

use super::*;
use crate::store::{reports as table, testing};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

async fn save(pool: &AnyPool, id: &str, reason: &str) {
    let raw = format!(
        r#"{{"conversationSpaceId": "{id}", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "17",
            "callEnded": "2026-02-03T17:02:41.35Z", "direction": "INBOUND", "callReason": "{reason}"}}"#
    );
    table::save(pool, &serde_json::from_str(&raw).unwrap(), &raw, at(1), None).await.unwrap();
}

fn told(changes: &[Change]) -> Vec<(&str, i64, bool)> {
    let told = |change: &'_ Change| change.report.raw.contains("order");
    changes.iter().map(|c| (c.report.conversation_space_id.as_str(), c.revision, told(c))).collect()
}

#[tokio::test]
async fn each_text_comes_once_in_order_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    for (id, reason) in [("b", ""), ("a", ""), ("b", "order"), ("b", "order")] {
        save(&pool, id, reason).await;
    }
    let all = after(&pool, 0, 9).await.unwrap();
    assert_eq!(told(&all), [("b", 1, false), ("a", 1, false), ("b", 2, true)]);
    assert_eq!(all[2].changed, "callReason");
    assert_eq!(told(&after(&pool, all[1].number, 9).await.unwrap()), [("b", 2, true)]);

    let place_of = async |name: &str, now| place(&pool, name, now).await.unwrap();
    assert_eq!(place_of("files", false).await, Place::default());
    assert_eq!(place_of("webhook", true).await.cursor, all[2].number);
    let further = Place { cursor: all[0].number, position: "x:1".to_owned() };
    took(&pool, "files", &further, 1).await.unwrap();
    assert_eq!(place_of("files", true).await, further, "a place that is known stays");
}

#[tokio::test]
async fn what_is_refused_is_put_aside_and_can_be_had_again() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    save(&pool, "a", "").await;
    save(&pool, "b", "").await;
    place(&pool, "webhook", false).await.unwrap();
    let first = after(&pool, 0, 1).await.unwrap().remove(0);
    fails(&pool, "webhook", "no answer", at(5)).await.unwrap();
    fails(&pool, "webhook", "status 503", at(9)).await.unwrap();
    let standing = standings(&pool).await.unwrap().remove(0);
    assert_eq!((standing.failing_since, standing.failure.as_str()), (Some(at(5)), "status 503"));
    put_aside(&pool, "webhook", first.number, 6, "status 400", at(10)).await.unwrap();
    let standing = standings(&pool).await.unwrap().remove(0);
    assert_eq!((standing.waiting, standing.dead, standing.delivered), (1, 1, 0));

    assert_eq!(replays(&pool, "webhook", 9).await.unwrap(), []);
    assert_eq!(replay(&pool, "webhook", Some("b")).await.unwrap(), 0);
    assert_eq!(replay(&pool, "webhook", Some("a")).await.unwrap(), 1);
    assert_eq!(replays(&pool, "webhook", 9).await.unwrap(), std::slice::from_ref(&first));
    assert!(dead_letters(&pool, None, ("", 0), 9).await.unwrap()[0].replay);
    replayed(&pool, "webhook", first.number).await.unwrap();
    assert_eq!(dead_letters(&pool, Some("webhook"), ("", 0), 9).await.unwrap(), []);
    assert!(forget(&pool, "webhook").await.unwrap());
    assert!(!forget(&pool, "webhook").await.unwrap());
}
