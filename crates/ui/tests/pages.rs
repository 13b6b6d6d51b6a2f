//! What a browser is handed: headers, escaping, assets.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use axum::{
    body::{Body, to_bytes},
    http::{Request, Response, StatusCode},
};
use tower::ServiceExt;

async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn fetch(path: &str, if_none_match: Option<&str>) -> Response<Body> {
    let mut request = Request::get(path);
    if let Some(tag) = if_none_match {
        request = request.header("if-none-match", tag);
    }
    ui::assets::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn login_is_a_plain_form_with_escaped_text() {
    let login = ui::Login {
        service: "https://a.example/?x=1&y=\"2\"".into(),
        email: "ada@example.com".into(),
        error: Some("Wrong <password>.".into()),
        app_name: Some("Reports".into()),
    };
    let response = ui::page(StatusCode::OK, &login, &["http://localhost:5000/app/redirect"]);
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self' http://localhost:5000"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["referrer-policy"], "no-referrer");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let html = text(response).await;
    assert!(html.contains(r#"<form method="post" action="/login">"#), "{html}");
    assert!(!html.contains("<password>") && !html.contains("y=\"2\""), "{html}");
    assert!(!html.contains("<script") && !html.contains("style="), "{html}");
}

#[tokio::test]
async fn consent_has_both_decisions_and_its_hidden_fields() {
    let consent = ui::Consent {
        app_name: "Reports".into(),
        user_email: "ada@example.com".into(),
        scopes: vec![ui::ScopeGroup { product: "Calls".into(), texts: vec!["See live calls".into()] }],
        hidden: vec![("state".into(), "a\"b".into())],
        redirect_host: Some("localhost:5000".into()),
    };
    let html = text(ui::page(StatusCode::OK, &consent, &[])).await;
    assert!(html.contains(r#"action="/OAuth/approve""#), "{html}");
    assert!(html.contains(r#"name="decision" value="allow""#), "{html}");
    assert!(html.contains(r#"name="decision" value="deny""#), "{html}");
    assert!(html.contains(r#"name="state" value="a&#34;b""#), "{html}");
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_their_hash_only() {
    let hashed = ui::asset("callfeed.css");
    let response = fetch(&hashed, None).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/css; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();

    let plain = fetch("/assets/callfeed.css", Some(&tag)).await;
    assert_eq!(plain.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(plain.headers()["cache-control"], "no-cache");

    assert_eq!(
        fetch("/assets/screen_pop.js", None).await.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
    assert_eq!(fetch("/assets/../Cargo.toml", None).await.status(), StatusCode::NOT_FOUND);
}
