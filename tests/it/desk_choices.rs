//! What people keep and choose at the page, in a browser: contacts of their own, settings, links of the wallboard.

use fantoccini::Locator;
use serde_json::json;

use crate::desk_life::{ENTER, TAB, click, keys, read};
use crate::desks::Team;
use crate::harness::calls::play;
use crate::harness::{Browser, SOON};

#[tokio::test]
async fn a_contact_that_was_kept_on_a_card_is_amended_there_and_by_an_admin_without_a_mouse() {
    let team = Team::start().await;
    let browser = Browser::start().await;
    browser.sign_in_at_desk(&team.page, &team.person(1)).await;
    play(&team.platform, "missed", &["--from", "+13125550162", "--to", "1001", "--speed", "50"]).await;
    browser.until("nobody knows the caller", "document.querySelector('.new-contact')").await;
    click(&browser, ".new-contact summary").await;
    browser.type_into(".new-contact [name=name]", "   ").await;
    click(&browser, ".new-contact button").await;
    let refused = "document.querySelector('.new-contact [name=name]').matches(':invalid:focus')";
    assert_eq!(read(&browser, refused).await, true, "the browser tells that a name is missing");
    browser.type_into(".new-contact [name=name]", "Dee Unknwon").await;
    click(&browser, ".new-contact button").await;
    browser.sees(&["Amend Dee Unknwon"]).await;
    // Whoever kept it mends it on the card.
    click(&browser, ".new-contact summary").await;
    browser.type_into(".new-contact [name=company]", "Example Bakery").await;
    click(&browser, ".new-contact button").await;
    browser.sees(&["Dee Unknwon", "Example Bakery"]).await;

    browser.open(&format!("{}/contacts", team.page)).await;
    browser.press("See and amend").await;
    browser.sees(&["Example Bakery · (312) 555-0162"]).await;
    // Back, the field, Search; then the contact.
    for _ in 0..4 {
        keys(&browser, TAB).await;
    }
    keys(&browser, ENTER).await;
    keys(&browser, TAB).await;
    assert_eq!(read(&browser, "document.activeElement.value").await, "Dee Unknwon");
    read(&browser, "void document.activeElement.select()").await;
    keys(&browser, "Dee Known").await;
    keys(&browser, ENTER).await;
    browser.sees(&["The contact is kept.", "Dee Known"]).await;
    take_away(&browser, "Dee Known", false).await;
    browser.sees(&["Dee Known"]).await;
    take_away(&browser, "Dee Known", true).await;
    browser.sees(&["The contact is taken away.", "No contacts kept yet"]).await;
    browser.open(&team.page).await;
    browser.sees(&["New contact for (312) 555-0162"]).await;
    browser.close().await;
    team.app.stop().await;
}

/// Presses the button, and answers what is asked then.
async fn take_away(browser: &Browser, what: &str, is_sure: bool) {
    browser.press("Take away").await;
    let page = &browser.page;
    let words = page.get_alert_text().await.expect("it is asked first");
    assert!(words.contains(&format!("Take away {what}?")), "{words}");
    if is_sure { page.accept_alert().await } else { page.dismiss_alert().await }.expect("it can be answered");
}

#[tokio::test]
async fn a_contact_that_is_being_written_stays_whoever_keeps_the_caller_meanwhile() {
    let team = Team::start().await;
    let (mine, theirs) = (Browser::start().await, Browser::start().await);
    for browser in [&mine, &theirs] {
        browser.sign_in_at_desk(&team.page, &team.person(1)).await;
    }
    play(&team.platform, "missed", &["--from", "+13125550163", "--to", "1001", "--speed", "50"]).await;
    for browser in [&mine, &theirs] {
        browser.until("nobody knows the caller", "document.querySelector('.new-contact')").await;
        click(browser, ".new-contact summary").await;
    }
    mine.type_into(".new-contact [name=name]", "Max").await;
    mine.type_into(".new-contact [name=company]", "Example Bakery").await;
    theirs.type_into(".new-contact [name=name]", "Theo Other").await;
    click(&theirs, ".new-contact button").await;
    mine.until("the card tells the name", "document.querySelector('.who').innerText === 'Theo Other'").await;
    // Letters go on into the field, and are no commands.
    keys(&mine, "xpx").await;
    let field = "document.querySelector('.new-contact [name=company]')";
    mine.until("what is written stays", &format!("{field}.value === 'Example Bakeryxpx'")).await;
    let closed = "document.querySelectorAll('[data-closed], [data-pinned]').length";
    assert_eq!(read(&mine, closed).await, 0);
    // Sent, it is as the app has it.
    click(&mine, ".new-contact button").await;
    mine.sees(&["Max", "Example Bakeryxpx", "Amend Max"]).await;
    assert_eq!(read(&mine, "document.querySelectorAll('.new-contact').length").await, 1);
    mine.close().await;
    theirs.close().await;
    team.app.stop().await;
}

#[tokio::test]
async fn what_the_app_does_not_take_is_put_back_and_hours_say_what_they_mean() {
    let team = Team::start().await;
    let browser = Browser::start().await;
    browser.sign_in_at_desk(&team.page, &team.person(2)).await;
    click(&browser, ".desk-settings summary").await;
    read(
        &browser,
        "void (window.ask = window.fetch, window.fetch = async () => { throw new TypeError('away'); })",
    )
    .await;
    click(&browser, "[name=sound]").await;
    browser.sees(&["This was not kept. Try again."]).await;
    let set =
        "[document.querySelector('[name=sound]').checked, document.querySelector('.board').dataset.sound]";
    assert_eq!(read(&browser, set).await, json!([false, null]));
    read(&browser, "void (window.fetch = window.ask)").await;
    click(&browser, "[name=sound]").await;
    let person = team.person(2);
    person.sign_in_at_desk(&team.page).await;
    let page = async || person.read(&team.page).await.is(200).text;
    let is_kept = async |words: &str| {
        crate::harness::eventually("it is kept", SOON, async || page().await.contains(words).then_some(()))
            .await;
    };
    is_kept("name=\"sound\" checked").await;

    let choose = async |from: &str, to: &str, says: &str| {
        let script = format!(
            "void (() => {{
                const {{ from, to, hours }} = document.getElementById('settings').elements;
                [from.value, to.value, hours.checked] = ['{from}', '{to}', true];
                hours.dispatchEvent(new Event('change', {{ bubbles: true }}));
            }})()"
        );
        read(&browser, &script).await;
        let said = format!("document.getElementById('hours-say').textContent.includes('{says}')");
        browser.until(says, &said).await;
    };
    choose("08:30", "08:30", "Both times are the same").await;
    is_kept("name=\"to\" value=\"08:30\"").await;
    choose("22:00", "", "until then the last ones hold").await;
    click(&browser, "[name=do_not_disturb]").await;
    is_kept("name=\"do_not_disturb\" checked").await;
    assert!(page().await.contains("name=\"from\" value=\"08:30\""), "as they were");
    let written = "[settings.elements.from.value, settings.elements.to.value]";
    assert_eq!(read(&browser, written).await, json!(["22:00", ""]), "and what is being written stays");
    choose("22:00", "06:00", "end on the next day").await;
    is_kept("name=\"to\" value=\"06:00\"").await;
    for day in browser.page.find_all(Locator::Css("[name=day]:checked")).await.expect("days") {
        day.click().await.expect("a day can be taken out");
    }
    browser.sees(&["No day is ticked"]).await;
    browser.close().await;
    team.app.stop().await;
}

#[tokio::test]
async fn a_reload_makes_no_second_link_of_the_wallboard_and_none_goes_unasked() {
    let team = Team::start().await;
    let browser = Browser::start().await;
    browser.sign_in_at_desk(&team.page, &team.person(1)).await;
    browser.open(&format!("{}/wallboard", team.page)).await;
    click(&browser, ".wall-links summary").await;
    browser.type_into("#link-name", "Kitchen TV").await;
    browser.press("Make a read-only link").await;
    browser.sees(&["A new read-only link", "Kitchen TV", "Made "]).await;
    browser.page.refresh().await.expect("the page can be loaded anew");
    browser.until("the page is there", "document.querySelector('.wall-links')").await;
    assert_eq!(
        read(
            &browser,
            "[document.querySelectorAll('.wall-row').length, document.querySelector('.wall-link')]"
        )
        .await,
        json!([1, null])
    );
    click(&browser, ".wall-links summary").await;
    take_away(&browser, "Kitchen TV", false).await;
    browser.sees(&["Kitchen TV"]).await;
    take_away(&browser, "Kitchen TV", true).await;
    browser.until("the link is gone", "!document.querySelector('.wall-row')").await;
    browser.close().await;
    team.app.stop().await;
}
