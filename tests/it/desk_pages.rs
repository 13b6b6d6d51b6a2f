//! Calls that move from desk to desk, as the people see it: a browser each, all at once.

use serde_json::json;

use crate::desks::{CALLER, Team};
use crate::harness::calls::{first_space, play};
use crate::harness::{Browser, LATER};

/// Somebody's browser at the screen pop.
async fn sit_down(team: &Team, number: usize) -> Browser {
    let browser = Browser::start().await;
    browser.sign_in_at_desk(&team.page, &team.person(number)).await;
    browser
}

fn card(space: &str) -> String {
    format!("document.querySelector(\"[data-call='{space}']\")")
}

async fn shows(browser: &Browser, space: &str, phase: &str) {
    let expression = format!("{}?.dataset.phase === '{phase}'", card(space));
    browser.until(&format!("the card is {phase}"), &expression).await;
}

async fn says(browser: &Browser, space: &str, words: &str) {
    let expression = format!("{}?.querySelector('.word').textContent.includes('{words}')", card(space));
    browser.until(&format!("the card says {words:?}"), &expression).await;
}

#[tokio::test]
async fn answered_elsewhere() {
    let team = Team::start().await;
    let (first, second) = (sit_down(&team, 2).await, sit_down(&team, 3).await);
    let mut call = team.platform.call("ring-group", &[&CALLER[..], &["--speed", "2"]].concat());
    let space = first_space(&call).await;
    shows(&first, &space, "ringing").await;
    shows(&second, &space, "ringing").await;
    // One of three answers, so at least one of two does not.
    let taken = |browser: &Browser| {
        let (page, word) = (browser.page.clone(), format!("return {}?.innerText ?? ''", card(&space)));
        async move {
            let text = page.execute(&word, Vec::new()).await.expect("the page can be read");
            text.as_str().is_some_and(|text| text.contains("Taken by"))
        }
    };
    shows(&first, &space, "ended").await;
    shows(&second, &space, "ended").await;
    assert_eq!(call.exit(LATER).await, Some(0));
    let told = [taken(&first).await, taken(&second).await];
    assert!(told.contains(&true), "nobody is told who took it");
    for browser in [&first, &second] {
        let title = browser.page.title().await.unwrap();
        assert!(!title.contains("is calling"), "it rings no more: {title}");
    }
    first.close().await;
    second.close().await;
    team.app.stop().await;
}

/// A call that line 1001 hands on: her colleague's page gets it, and hers says where it went.
async fn handed_on(scenario: &str, between: Option<&str>) {
    let team = Team::start().await;
    let hers = sit_down(&team, 2).await;
    // A seed plays the same call each time: the first tells who the colleague is.
    let flags = [&CALLER[..], &["--to", "1001", "--seed", "7", "--speed"]].concat();
    let rehearsal = play(&team.platform, scenario, &[&flags[..], &["20"]].concat()).await;
    says(&hers, &rehearsal, "Passed on to").await;
    let mut colleague = None;
    for number in 3..=6 {
        let person = team.person(number);
        person.sign_in_at_desk(&team.page).await;
        let found = person.read(&format!("{}/calls/{rehearsal}", team.page)).await.status == 200;
        colleague = colleague.or(found.then_some(number));
    }
    let theirs = sit_down(&team, colleague.expect("a colleague has the call")).await;
    let mut call = team.platform.call(scenario, &[&flags[..], &["3"]].concat());
    let space = first_space(&call).await;
    shows(&hers, &space, "ringing").await;
    shows(&hers, &space, "answered").await;
    if let Some(words) = between {
        says(&hers, &space, words).await;
    }
    shows(&theirs, &space, "answered").await;
    says(&hers, &space, "Passed on to").await;
    shows(&theirs, &space, "ended").await;
    assert_eq!(call.exit(LATER).await, Some(0));
    hers.close().await;
    theirs.close().await;
    team.app.stop().await;
}

#[tokio::test]
async fn transferred() {
    handed_on("blind-transfer", None).await;
}

#[tokio::test]
async fn parked() {
    handed_on("park-and-pickup", Some("Parked")).await;
}

#[tokio::test]
async fn a_frozen_tab_comes_back_to_the_truth_and_does_not_ring_late() {
    let team = Team::start().await;
    let browser = Browser::start().await;
    browser.may_notify().await;
    browser.sign_in_at_desk(&team.page, &team.person(2)).await;
    let awake = team.desk(2).await;
    let before =
        play(&team.platform, "missed", &[&CALLER[..], &["--to", "1001", "--speed", "20"]].concat()).await;
    shows(&browser, &before, "missed").await;
    browser.devtools("Page.setWebLifecycleState", json!({"state": "frozen"})).await;
    let space = play(&team.platform, "missed", &["--to", "1001", "--speed", "20"]).await;
    assert_eq!(awake.card(&space, "Ringing").await["alert"], true, "other pages go on");
    awake.card(&space, "Missed").await;
    browser.devtools("Page.setWebLifecycleState", json!({"state": "active"})).await;
    shows(&browser, &space, "missed").await;
    let rang = format!("return document.querySelector('.board').dataset.rang === '{space}'");
    assert_eq!(browser.page.execute(&rang, Vec::new()).await.unwrap(), false, "it rang after the call");
    let title = browser.page.title().await.unwrap();
    assert!(!title.contains("is calling"), "{title}");
    // Closed while the page was away: it is so there, too.
    browser.devtools("Page.setWebLifecycleState", json!({"state": "frozen"})).await;
    awake.dismiss(&space).await;
    browser.devtools("Page.setWebLifecycleState", json!({"state": "active"})).await;
    browser.until("the card is closed", &format!("{}.matches('[data-closed]')", card(&space))).await;
    browser.close().await;
    team.app.stop().await;
}

#[tokio::test]
async fn a_reload_in_the_middle_of_a_call_shows_how_it_stands() {
    let team = Team::start().await;
    let browser = sit_down(&team, 2).await;
    let mut call = team.platform.call("answered", &[&CALLER[..], &["--to", "1001"]].concat());
    let space = first_space(&call).await;
    shows(&browser, &space, "ringing").await;
    browser.page.refresh().await.unwrap();
    shows(&browser, &space, "answered").await;
    browser.page.refresh().await.unwrap();
    shows(&browser, &space, "ended").await;
    assert_eq!(call.exit(LATER).await, Some(0));
    assert_eq!(browser.complaints(&[&team.page, &team.platform.base]).await, Vec::<String>::new());
    browser.close().await;
    team.app.stop().await;
}
