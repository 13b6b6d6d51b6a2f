//! Accounts from files: people come, change, go and return; passwords.

use super::tests::{Fresh, fresh};
use super::*;

fn person(key: &str, admin: bool) -> User {
    User {
        user_key: key.to_owned(),
        user_id: format!("id of {key}"),
        account_key: "practice".to_owned(),
        email: format!("{key}@practice.example"),
        name: key.to_owned(),
        password_hash: String::new(),
        super_admin: admin,
    }
}

fn practice() -> Account {
    let mut office = engine::Office::example(9);
    office.account_key = "practice".to_owned();
    Account {
        account_key: "practice".to_owned(),
        organization_id: "organization".to_owned(),
        name: "Practice".to_owned(),
        office,
    }
}

async fn hash_of(store: &Store, key: &str) -> String {
    store.user(key).await.expect("a query").expect("a person").password_hash
}

async fn has_channel(store: &Store, key: &str) -> bool {
    store.all_channels().await.expect("a query").iter().any(|(channel, _)| channel.user_key == key)
}

async fn channel_and_tokens(store: &Store, key: &str) {
    let channel = ChannelRow {
        channel_id: format!("channel of {key}"),
        nickname: "n".into(),
        user_key: key.to_owned(),
        application_tag: String::new(),
        lifetime_s: 60,
        created_us: 1,
        expires_us: i64::MAX,
    };
    store.put_channel(&channel, &ChannelMaker::default()).await.expect("a channel");
    store.put_portal_session(&format!("session of {key}"), key, i64::MAX).await.expect("a session");
}

#[tokio::test]
async fn people_come_change_go_and_return() {
    let Fresh { store, _folder, .. } = fresh().await;
    let (ada, ben) = (person("ada", true), person("ben", true));
    let first = store.put_office(&practice(), &[ada.clone(), ben.clone()]).await.expect("made");
    assert_eq!(first, OfficeChanges { added: 2, without_password: 2, ..OfficeChanges::default() });
    assert_eq!(store.set_password("ben@practice.example", "phc").await.expect("set"), PasswordChange::Done);
    let same = store.put_office(&practice(), &[ada.clone(), ben.clone()]).await.expect("the same");
    assert_eq!(same, OfficeChanges { without_password: 1, ..OfficeChanges::default() });

    let renamed = User { name: "Ada Byron".into(), ..ada.clone() };
    channel_and_tokens(&store, "ben").await;
    let gone = store.put_office(&practice(), std::slice::from_ref(&renamed)).await.expect("without ben");
    assert_eq!((gone.changed, gone.removed), (1, 1));
    assert_eq!(store.user("ada").await.expect("a query").expect("ada").name, "Ada Byron");
    assert_eq!(hash_of(&store, "ben").await, "!phc");
    assert!(!has_channel(&store, "ben").await);
    assert_eq!(store.portal_session("session of ben", 0).await.expect("a query"), None);
    assert_eq!(
        store.set_password("ben@practice.example", "new").await.expect("asked"),
        PasswordChange::Removed
    );
    let still = store.put_office(&practice(), std::slice::from_ref(&renamed)).await.expect("still without");
    assert_eq!((still.removed, still.changed), (0, 0));

    let back = store.put_office(&practice(), &[renamed.clone(), ben.clone()]).await.expect("ben again");
    assert_eq!((back.returned, back.without_password), (1, 1));
    assert_eq!(hash_of(&store, "ben").await, "phc");
    channel_and_tokens(&store, "ben").await;
    let member = User { super_admin: false, ..ben };
    store.put_office(&practice(), &[renamed, member]).await.expect("ben is no admin");
    assert!(!has_channel(&store, "ben").await, "opened as an admin");
}

#[tokio::test]
async fn a_password_ends_open_logins_and_needs_a_person() {
    let Fresh { store, _folder, .. } = fresh().await;
    store.put_office(&practice(), &[person("ada", true)]).await.expect("made");
    channel_and_tokens(&store, "ada").await;
    assert_eq!(store.set_password("ada@practice.example", "phc").await.expect("set"), PasswordChange::Done);
    assert_eq!(hash_of(&store, "ada").await, "phc");
    assert_eq!(store.portal_session("session of ada", 0).await.expect("a query"), None);
    assert!(has_channel(&store, "ada").await, "programs go on");
    let nobody = store.set_password("nobody@practice.example", "phc").await.expect("asked");
    assert_eq!(nobody, PasswordChange::Unknown);
}
