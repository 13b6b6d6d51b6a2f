//! The OpenAPI document against the running platform: what it names is answered, and nothing else is.

use std::collections::BTreeSet;

use reqwest::Method;

use crate::harness::{Answer, Platform, http};

#[tokio::test]
async fn the_document_begins_with_the_public_url_and_needs_no_token() {
    let platform = Platform::start_with(&["--public-url", "https://calls.example.com"]).await;
    let document = platform.with_token("").get("/openapi.json").await.is(200);
    assert_eq!(document.header("content-type"), "application/json");
    let document = document.json();
    assert_eq!(
        (&document["openapi"], &document["servers"][0]["url"]),
        (&"3.1.0".into(), &"https://calls.example.com".into())
    );
    let flow = &document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"];
    assert_eq!(flow["tokenUrl"], "https://calls.example.com/oauth/token");
}

#[tokio::test]
async fn each_path_takes_the_methods_of_the_document_and_no_others() {
    let platform = Platform::start().await;
    let document = platform.with_token("").get("/openapi.json").await.is(200).json();
    for (path, item) in document["paths"].as_object().unwrap() {
        let mut expected: BTreeSet<String> =
            item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        if expected.contains("GET") {
            expected.insert("HEAD".into());
        }
        let url = format!("{}{}", platform.base, path.replace(['{', '}'], ""));
        let answer = Answer::of(path, http().request(Method::PATCH, url)).await.is(405);
        let allowed = answer.header("allow").split(',').map(|method| method.trim().to_owned()).collect();
        assert_eq!(expected, allowed, "{path}");
    }
}
