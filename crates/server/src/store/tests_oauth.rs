//! Clients with their secrets, personal access tokens, sessions, and tokens by what they came from.

use super::tests::{Fresh, fresh};
use super::*;

fn client(id: &str, created_us: i64) -> ClientRow {
    ClientRow {
        client_id: id.into(),
        owner_user_key: "ada".into(),
        name: format!("Program {id}"),
        description: "It does things".into(),
        secret_hash: format!("first of {id}"),
        redirect_uris: vec!["https://example.com/callback".into()],
        scopes: vec!["cr.v1.read".into()],
        grants: vec!["authorization_code".into(), "refresh_token".into()],
        created_us,
    }
}

#[tokio::test]
async fn a_person_s_clients_come_newest_first_and_change() {
    let Fresh { store, _folder, .. } = fresh().await;
    for (id, created_us) in [("one", 1), ("two", 2), ("three", 3)] {
        assert!(store.add_client(&client(id, created_us)).await.expect("added"));
    }
    assert!(!store.add_client(&client("one", 9)).await.expect("a query"), "there is one of this id");
    let ids = async |owner: &str, limit| -> Vec<String> {
        let clients = store.clients_of(owner, limit).await.expect("a query");
        clients.into_iter().map(|client| client.client_id).collect()
    };
    assert_eq!(ids("ada", 2).await, ["three", "two"]);
    assert!(ids("grace", 9).await.is_empty());
    let changed = ClientRow {
        name: "Another name".into(),
        description: String::new(),
        redirect_uris: vec![],
        scopes: vec!["a".into(), "b".into()],
        grants: vec!["implicit".into()],
        ..client("one", 1)
    };
    store.change_client(&changed).await.expect("changed");
    let back = store.client("one").await.expect("a query").expect("the client");
    assert_eq!((back.name, back.description, back.redirect_uris), (changed.name, String::new(), vec![]));
    assert_eq!((back.scopes, &back.grants), (changed.scopes, &changed.grants));
    assert_eq!((back.secret_hash.as_str(), back.created_us), ("first of one", 1));
}

#[tokio::test]
async fn a_replaced_secret_lasts_until_its_end() {
    let Fresh { store, _folder, .. } = fresh().await;
    store.add_client(&client("one", 1)).await.expect("added");
    assert!(store.rotate_secret("one", "first of one", "second", 100).await.expect("rotated"));
    assert!(
        !store.rotate_secret("one", "first of one", "third", 100).await.expect("a query"),
        "it is not present"
    );
    assert_eq!(store.client("one").await.expect("a query").expect("the client").secret_hash, "second");
    assert!(store.rotate_secret("one", "second", "third", 200).await.expect("rotated"));
    let old = |now_us| store.old_secrets("one", now_us);
    assert_eq!(
        old(99).await.expect("a query"),
        [("first of one".to_owned(), 100), ("second".to_owned(), 200)]
    );
    assert_eq!(old(100).await.expect("a query"), [("second".to_owned(), 200)]);
    store.sweep_oauth(150, 0).await.expect("swept");
    assert_eq!(old(0).await.expect("a query"), [("second".to_owned(), 200)]);
    store.end_old_secrets("one").await.expect("ended");
    assert!(old(0).await.expect("a query").is_empty());
}

fn token(client_id: &str, grant_id: &str) -> TokenRow {
    TokenRow {
        client_id: client_id.into(),
        user_key: "ada".into(),
        scopes: vec!["a".into()],
        created_us: 1,
        expires_us: 1000,
        grant_id: grant_id.into(),
        grant_type: "personal_access_token".into(),
    }
}

#[tokio::test]
async fn tokens_end_alone_with_their_grant_or_with_their_client() {
    let Fresh { store, _folder, .. } = fresh().await;
    store.add_client(&client("one", 1)).await.expect("added");
    let tokens =
        [("a", "one", "x"), ("b", "one", "x"), ("c", "one", "y"), ("d", "one", "z"), ("e", "two", "x")];
    let rows = tokens.map(|(hash, client, grant)| (TokenKind::Access, hash.to_owned(), token(client, grant)));
    store.put_tokens(&rows).await.expect("stored");
    store.put_tokens(&[(TokenKind::Refresh, "r".into(), token("one", "y"))]).await.expect("stored");
    store.put_consent("ada", "one", &["a".into()]).await.expect("stored");
    let there = async || -> String {
        let mut there = String::new();
        for hash in ["a", "b", "c", "d", "e", "r"] {
            if store.token_of_any_kind(hash).await.expect("a query").is_some() {
                there.push_str(hash);
            }
        }
        there
    };
    let (kind, row) = store.token_of_any_kind("r").await.expect("a query").expect("the token");
    assert_eq!(
        (kind, row.grant_id.as_str(), row.grant_type.as_str()),
        (TokenKind::Refresh, "y", "personal_access_token")
    );
    let (_, single) = store.token_of_any_kind("d").await.expect("a query").expect("the token");
    store.delete_token("d", &single).await.expect("deleted");
    assert_eq!(there().await, "abcer");
    store.delete_grant("one", "x").await.expect("deleted");
    assert_eq!(there().await, "cer");
    store.delete_client("one").await.expect("deleted");
    assert_eq!(there().await, "e");
    assert!(store.client("one").await.expect("a query").is_none());
    assert!(store.consent("ada", "one").await.expect("a query").is_empty());
}

#[tokio::test]
async fn a_personal_token_is_used_listed_and_revoked_with_what_came_from_it() {
    let Fresh { store, _folder, .. } = fresh().await;
    let row = |id: &str, created_us| PersonalToken {
        pat_id: id.into(),
        user_key: "ada".into(),
        name: "Nightly".into(),
        scopes: vec!["a".into(), "b".into()],
        created_us,
        used_us: 0,
    };
    assert!(store.add_personal_token("hash one", &row("one", 1)).await.expect("added"));
    assert!(!store.add_personal_token("another hash", &row("one", 1)).await.expect("a query"));
    assert!(store.add_personal_token("hash two", &row("two", 2)).await.expect("added"));
    assert!(store.use_personal_token("another hash", 5).await.expect("a query").is_none());
    let used = store.use_personal_token("hash one", 5).await.expect("a query").expect("the token");
    assert_eq!(used, PersonalToken { used_us: 5, ..row("one", 1) });
    let list = store.personal_tokens_of("ada", 9).await.expect("a query");
    assert_eq!(list, [row("two", 2), PersonalToken { used_us: 5, ..row("one", 1) }]);
    assert_eq!(store.personal_tokens_of("ada", 1).await.expect("a query").len(), 1);

    store.put_tokens(&[(TokenKind::Access, "t".into(), token("client", "one"))]).await.expect("stored");
    assert_eq!(store.revoke_personal_token("grace", "one").await.expect("a query"), None, "it is not hers");
    assert!(store.token(TokenKind::Access, "t").await.expect("a query").is_some());
    assert!(store.revoke_personal_token("ada", "one").await.expect("revoked").is_some());
    assert!(store.token(TokenKind::Access, "t").await.expect("a query").is_none());
    assert!(store.use_personal_token("hash one", 6).await.expect("a query").is_none());
}

#[tokio::test]
async fn a_portal_session_lasts_until_its_end_or_the_sign_out() {
    let Fresh { store, _folder, .. } = fresh().await;
    for (hash, expires_us) in [("one", 100), ("two", 200)] {
        store.put_portal_session(hash, "ada", expires_us).await.expect("stored");
    }
    assert_eq!(store.portal_session("one", 99).await.expect("a query").as_deref(), Some("ada"));
    assert_eq!(store.portal_session("one", 100).await.expect("a query"), None);
    store.sweep_oauth(150, 0).await.expect("swept");
    assert_eq!(store.portal_session("one", 0).await.expect("a query"), None);
    store.delete_portal_session("two").await.expect("deleted");
    assert_eq!(store.portal_session("two", 0).await.expect("a query"), None);
}

#[tokio::test]
async fn a_token_that_was_taken_away_is_known_no_more() {
    let Fresh { store, office, _folder } = fresh().await;
    let user = office.users.first().expect("the example office has people");
    let token = |grant_id: &str| TokenRow {
        client_id: "one".into(),
        user_key: user.key.clone(),
        scopes: vec!["a".into()],
        created_us: 1,
        expires_us: i64::MAX,
        grant_id: grant_id.into(),
        grant_type: "authorization_code".into(),
    };
    let known = async |hash: &str| store.session(hash).await.expect("a query").is_some();
    let put = async |hash: &str, grant_id: &str| {
        store.put_tokens(&[(TokenKind::Access, hash.into(), token(grant_id))]).await.expect("stored");
        assert!(known(hash).await && known(hash).await, "once from the database, once from memory");
    };
    put("by itself", "a").await;
    let session = store.session("by itself").await.expect("a query").expect("known");
    assert_eq!(session.token.client_id, "one");
    store.delete_token("by itself", &session.token).await.expect("deleted");
    assert!(!known("by itself").await);
    put("with its grant", "b").await;
    store.delete_grant("one", "b").await.expect("deleted");
    assert!(!known("with its grant").await);
    put("with its client", "c").await;
    store.delete_client("one").await.expect("deleted");
    assert!(!known("with its client").await);
    put("swept", "d").await;
    store.sweep_oauth(0, i64::MAX).await.expect("swept");
    assert!(known("swept").await, "it expires later than that");
}

#[tokio::test]
async fn a_grant_that_was_taken_away_gives_no_more_tokens() {
    let Fresh { store, _folder, .. } = fresh().await;
    store.add_client(&client("one", 1)).await.expect("added");
    let issue = async |basis, hash: &str, grant_id: &str| -> bool {
        let rows = [(TokenKind::Refresh, hash.to_owned(), token("one", grant_id))];
        let issued = store.issue_tokens(basis, &rows).await.expect("a query");
        let there = store.token(TokenKind::Refresh, hash).await.expect("a query").is_some();
        assert_eq!(issued, there, "{hash}");
        issued
    };
    assert!(issue(Basis::Client, "first", "x").await);
    assert!(issue(Basis::RefreshToken("first"), "second", "x").await);
    store.delete_grant("one", "x").await.expect("deleted");
    assert!(!issue(Basis::RefreshToken("second"), "third", "x").await);

    let personal = PersonalToken {
        pat_id: "p".into(),
        user_key: "ada".into(),
        name: "Nightly".into(),
        scopes: vec!["a".into()],
        created_us: 1,
        used_us: 0,
    };
    assert!(store.add_personal_token("hash", &personal).await.expect("added"));
    assert!(issue(Basis::PersonalToken("p"), "by p", "p").await);
    store.revoke_personal_token("ada", "p").await.expect("revoked");
    assert!(!issue(Basis::PersonalToken("p"), "after p", "p").await);

    assert!(issue(Basis::Client, "fourth", "y").await);
    store.delete_client("one").await.expect("deleted");
    assert!(!issue(Basis::Client, "fifth", "z").await);
    assert!(!issue(Basis::RefreshToken("fourth"), "sixth", "y").await);
}
