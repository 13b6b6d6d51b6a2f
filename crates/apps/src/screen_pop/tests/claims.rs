//! Who takes a missed call when two want it at once, and for whom nobody needs to be called any more.

use axum::http::StatusCode;
use jiff::Timestamp;

use super::{
    at,
    doors::{FRONT_DESK, act, answer, front, get},
    ending,
    pages::{App, text},
    ring,
};
use crate::{
    screen_pop::{
        call::Outcome,
        elsewhere::Dialled,
        sight::{Directory, Person},
    },
    store::{claims, screen_pop, write},
};

const CREATED: &str = "2026-02-03T17:00:00Z";
const NUMBER: &str = "+13125550147";

fn admin() -> Person {
    Person { id: "admin@example.com".into(), admin: true, member: true, ..Person::default() }
}

async fn miss(app: &App, id: &str, number: &str) {
    app.desk.take(&ring(id, CREATED, "Ada", number)).await;
    app.desk.take(&ending(id, CREATED, 2)).await;
}

#[tokio::test]
async fn of_two_who_take_a_caller_at_once_one_does_and_the_other_is_told_who() {
    let app = App::closed(&[front(), admin()]).await;
    let line = serde_json::json!({"id": FRONT_DESK, "name": "Front Desk", "number": "101", "accountKey": "1",
        "organization": {"id": "o", "name": "Example"}});
    let user = serde_json::json!({"userKey": "1", "userId": "1", "lines": [line]});
    app.hub.set_directory(Directory::new(&[serde_json::from_value(user).unwrap()]));
    assert_eq!(act(&app, "/settings", "team=on", &front()).await, StatusCode::NO_CONTENT);
    get(&app, "/", &admin()).await;
    for round in 0..10 {
        let id = format!("call {round}");
        // A caller each, whom nobody has taken yet.
        miss(&app, &id, &format!("+131255501{round:02}")).await;
        let path = format!("/calls/call%20{round}/claim");
        let (people, form) = ([front(), admin()], "claim=true");
        let (first, second) =
            tokio::join!(answer(&app, &path, form, &people[0]), answer(&app, &path, form, &people[1]));
        let taker = usize::from(first.status() != StatusCode::NO_CONTENT);
        let (took, refused) = if taker == 0 { (first, second) } else { (second, first) };
        assert_eq!((took.status(), refused.status()), (StatusCode::NO_CONTENT, StatusCode::CONFLICT));
        let name = ["Front Desk", "admin@example.com"][taker];
        assert_eq!(text(refused).await, format!("{name} takes this\n"));
        let stored = claims::all(&app.store.pool, at(CREATED)).await.unwrap();
        let holder = stored.iter().find(|(call, _)| *call == id).map(|(_, person)| person.as_str());
        assert_eq!(holder, Some(people[taker].id.as_str()), "the store says it, too");
        let path = format!("/calls/call%20{round}");
        let mine = text(get(&app, &path, &people[taker]).await).await;
        let theirs = text(get(&app, &path, &people[1 - taker]).await).await;
        assert!(mine.contains("You take this") && theirs.contains(&format!("{name} takes this")), "{theirs}");
    }
}

#[tokio::test]
async fn a_caller_who_was_talked_with_is_not_missed_again_after_a_restart() {
    let app = App::closed(&[admin()]).await;
    let other = "+13125550148";
    miss(&app, "settled", NUMBER).await;
    miss(&app, "missed", other).await;
    // Calls that are no cards, as the store has them: after what was missed, and before.
    let mut transaction = write(&app.store.pool).await.unwrap();
    for (id, number, created) in
        [("after", NUMBER, "2026-02-03T18:00:00Z"), ("before", other, "2026-02-03T16:00:00Z")]
    {
        let created: Timestamp = at(created);
        let dialled = Dialled {
            id: id.to_owned(),
            created,
            number: number.to_owned(),
            line: None,
            answered_at: Some(created),
            ended_at: Some(created),
            outcome: Some(Outcome::Answered),
        };
        screen_pop::save_dialled(&mut transaction, &dialled).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let app = app.restart_closed().await;
    for (id, tab) in [("settled", "recent"), ("missed", "missed")] {
        let card = text(get(&app, &format!("/calls/{id}"), &admin()).await).await;
        assert!(card.contains(&format!("data-tab=\"{tab}\"")), "{id}: {card}");
    }
    assert_eq!(app.hub.board(|board| board.missed_numbers()).into_iter().collect::<Vec<_>>(), [other]);
}
