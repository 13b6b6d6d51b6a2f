//! Who works there, with which lines and numbers (spec/users-lines-admin.md): users, Admin API, SCIM, Voice Admin.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Person, Platform, Session};

const SCOPES: &str = "users.v1.read users.v1.lines.read identity: identity:scim.me voice-admin.v1.read";

async fn sessions(platform: &Platform) -> (Session, Session) {
    let admin = Person::admin(platform).grant(platform, SCOPES).await.session;
    let member = Person::member(platform).grant(platform, SCOPES).await.session;
    (admin, member)
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

/// The names of an example's members, and no others.
fn check_names(value: &Value, expected: &[&str]) {
    assert_eq!(names(value), expected.iter().copied().collect(), "{value:#}");
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}: {value:#}"))
}

fn items(value: &Value) -> &Vec<Value> {
    value["items"].as_array().unwrap_or_else(|| panic!("no items: {value:#}"))
}

#[tokio::test]
async fn a_person_sees_the_own_account_and_lines() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    let me = member.get("/users/v1/me").await.is(200).json();
    check_names(&me, &["items"]);
    let account = &items(&me)[0];
    let members =
        ["accountKey", "organizationId", "organizationName", "lines", "permissions", "outboundPhoneNumbers"];
    check_names(account, &members);
    assert_eq!(account["accountKey"], platform.account());
    let line = &account["lines"][0];
    check_names(line, &["id", "name", "number", "organization", "accountKey", "primary", "region"]);
    check_names(&line["organization"], &["id", "name"]);
    assert_eq!(line["organization"]["id"], account["organizationId"]);
    assert_eq!((&line["number"], &line["primary"]), (&json!("1001"), &json!(true)));

    let lines = member.get("/users/v1/lines").await.is(200).json();
    assert_eq!(lines, json!({"items": [line]}));
    // The super admin of the example office has no telephone.
    assert_eq!(admin.get("/users/v1/lines").await.is(200).json(), json!({"items": []}));
    assert_eq!(admin.get("/users/v1/me").await.is(200).json()["items"][0]["lines"], json!([]));
}

#[tokio::test]
async fn a_super_admin_sees_all_users_page_by_page_and_anybodys_lines() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    let path = format!("/users/v1/users?accountKey={}", platform.account());
    let all = admin.get(&path).await.is(200).json();
    check_names(&all, &["items"]);
    assert_eq!(items(&all).len(), 6);
    let (mut seen, mut next) = (Vec::new(), format!("{path}&pageSize=4"));
    loop {
        let page = admin.get(&next).await.is(200).json();
        seen.extend(items(&page).clone());
        let Some(marker) = page["nextPageMarker"].as_str() else { break };
        next = format!("{path}&pageSize=4&pageMarker={marker}");
    }
    assert_eq!(seen, *items(&all));
    for user in &seen {
        check_names(user, &["userKey", "userId", "lines"]);
    }
    let person = seen.iter().find(|user| user["lines"][0]["number"] == "1001").unwrap();
    let lines = json!({"items": person["lines"]});
    let by_key = format!("/users/v1/users/{}/lines", text(person, "/userKey"));
    let by_mail = format!("/users/v1/users/{}/lines", platform.setting("CALLFEED_USER_2"));
    for session in [&admin, &member] {
        assert_eq!(session.get(&by_key).await.is(200).json(), lines);
        assert_eq!(session.get(&by_mail).await.is(200).json(), lines);
    }
    let another = format!("/users/v1/users/{}/lines", platform.setting("CALLFEED_USER_3"));
    assert_eq!(admin.get(&another).await.is(200).json()["items"][0]["number"], "1002");
    member.get(&another).await.error(403, "UNAUTHORIZED");
    admin.get("/users/v1/users/12345/lines").await.error(404, "NOT_FOUND");
    member.get("/users/v1/users/12345/lines").await.error(403, "UNAUTHORIZED");
    member.get(&path).await.error(403, "UNAUTHORIZED");
    admin.get("/users/v1/users?accountKey=12345").await.error(403, "UNAUTHORIZED");
    admin.get("/users/v1/users").await.error(400, "BAD_REQUEST");
}

#[tokio::test]
async fn the_admin_api_is_for_administrators() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    let me = admin.get("/admin/rest/v1/me").await.is(200).json();
    check_names(&me, &["key", "email", "firstName", "lastName", "accountKey", "accounts"]);
    assert_eq!(me["email"], platform.setting("CALLFEED_USER"));
    assert_eq!(me["accountKey"], platform.account());
    assert_eq!(me["accounts"], json!([{"key": platform.account(), "name": "Maple Street Dental"}]));

    let path = format!("/admin/rest/v1/accounts/{}/users", platform.account());
    let all = admin.get(&format!("{path}?attributes=key,email")).await.is(200).json();
    check_names(&all, &["results", "fromIndex", "toIndex", "total"]);
    assert_eq!((&all["fromIndex"], &all["toIndex"], &all["total"]), (&json!(0), &json!(5), &json!(6)));
    check_names(&all["results"][0], &["key", "email"]);
    assert_eq!(all["results"][0]["key"], me["key"]);
    let part = admin.get(&format!("{path}?attributes=key&offset=4&pageSize=5")).await.is(200).json();
    assert_eq!((&part["fromIndex"], &part["toIndex"], &part["total"]), (&json!(4), &json!(5), &json!(6)));
    assert_eq!(
        part["results"],
        json!([{"key": all["results"][4]["key"]}, {"key": all["results"][5]["key"]}])
    );
    admin.get(&format!("{path}?offset=-1")).await.error(400, "BAD_REQUEST");
    admin.get("/admin/rest/v1/accounts/12345/users").await.error(403, "UNAUTHORIZED");

    for path in ["/admin/rest/v1/me", &path] {
        member.get(path).await.error(401, "not.authenticated");
    }
    let without = Person::admin(&platform).grant(&platform, "users.v1.read").await.session;
    without.get("/admin/rest/v1/me").await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
}

#[tokio::test]
async fn the_account_key_stands_in_the_scim_record_too() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    let me = admin.get("/identity/v1/Users/me").await.is(200).json();
    let extension = "urn:scim:schemas:extension:getgo:1.0";
    check_names(&me, &["id", "userName", extension]);
    assert_eq!(me["userName"], platform.setting("CALLFEED_USER"));
    let account = json!({"value": platform.account(), "display": "Maple Street Dental",
        "entitlements": ["acctadmin", "gotoconnect", "jive"]});
    assert_eq!(me[extension], json!({"accounts": [account]}));
    let me = member.get("/identity/v1/Users/me").await.is(200).json();
    assert_eq!(me[extension]["accounts"][0]["entitlements"], json!(["gotoconnect", "jive"]));
    let without = Person::member(&platform).grant(&platform, "users.v1.read").await.session;
    without.get("/identity/v1/Users/me").await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
}

#[tokio::test]
async fn voice_admin_lists_what_an_account_has_and_each_thing_by_itself() {
    let platform = Platform::start().await;
    let (admin, _) = sessions(&platform).await;
    let base = "/voice-admin/v1";
    let list = async |path: &str| {
        let joint = if path.contains('?') { '&' } else { '?' };
        let path = format!("{base}{path}{joint}accountKey={}", platform.account());
        let page = admin.get(&path).await.is(200).json();
        assert_eq!(page["pageSize"], 50);
        items(&page).clone()
    };
    for (path, count) in
        [("accounts", 1), ("extensions", 8), ("phone-numbers", 2), ("devices", 5), ("locations", 1)]
    {
        let found = list(&format!("/{path}")).await;
        assert_eq!(found.len(), count, "{path}");
        for item in &found {
            assert_eq!(item["accountKey"], platform.account(), "{path}: {item}");
            if path != "accounts" {
                let one = admin.get(&format!("{base}/{path}/{}", text(item, "/id"))).await.is(200).json();
                assert_eq!(one, *item);
                admin.get(&format!("{base}/{path}/unknown")).await.error(404, "NOT_FOUND");
            }
        }
    }
    let extensions = list("/extensions?type=RING_GROUP,DIAL_PLAN").await;
    let numbers: Vec<&str> = extensions.iter().map(|extension| text(extension, "/number")).collect();
    assert_eq!(numbers, ["2001", "3001"]);
    let members = [
        "id",
        "accountKey",
        "number",
        "name",
        "omitFromDirectories",
        "omitFromAutoAttendants",
        "organizationId",
        "type",
    ];
    check_names(&extensions[0], &members);

    let main = list("/phone-numbers?number=%2B13125550100").await;
    let members =
        ["id", "accountKey", "organizationId", "number", "name", "callerIdName", "routeTo", "status"];
    check_names(&main[0], &members);
    assert_eq!(main[0]["routeTo"], json!({"id": extensions[0]["id"], "type": "EXTENSION"}));
    let target = format!("/phone-numbers?targetExtensionId={}", text(&extensions[0], "/id"));
    assert_eq!(list(&target).await, main);

    let location = text(&list("/locations").await[0], "/id").to_owned();
    assert_eq!(list(&format!("/locations/{location}/users")).await.len(), 6);
    assert_eq!(list(&format!("/locations/{location}/devices")).await, list("/devices").await);
    admin.get(&format!("{base}/locations/unknown/users")).await.error(404, "NOT_FOUND");
    let queues = list("/call-queues").await;
    assert_eq!(queues.len(), 1);
    let queue = format!("/call-queues/{}", text(&queues[0], "/id"));
    assert_eq!(admin.get(&format!("{base}{queue}")).await.is(200).json(), queues[0]);
    assert_eq!(list(&format!("{queue}/users")).await.len(), 3);
    for path in ["/call-queues/unknown", "/call-queues/unknown/users"] {
        admin.get(&format!("{base}{path}")).await.error(404, "NOT_FOUND");
    }
    let page = admin.get(&format!("{base}/extensions?pageSize=5")).await.is(200).json();
    let marker = text(&page, "/nextPageMarker");
    let rest = admin.get(&format!("{base}/extensions?pageSize=5&pageMarker={marker}")).await.is(200).json();
    assert_eq!((items(&page).len(), items(&rest).len(), rest.get("nextPageMarker")), (5, 3, None));
}

#[tokio::test]
async fn voice_admin_is_for_super_admins_of_the_account() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    for path in ["accounts", "extensions", "phone-numbers/x", "devices", "locations/x/users", "call-queues/x"]
    {
        member.get(&format!("/voice-admin/v1/{path}")).await.error(403, "UNAUTHORIZED");
        let foreign = format!("/voice-admin/v1/{path}?accountKey=12345");
        admin.get(&foreign).await.error(403, "UNAUTHORIZED");
    }
    let without = Person::admin(&platform).grant(&platform, "users.v1.read").await.session;
    without.get("/voice-admin/v1/extensions/x").await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
}
