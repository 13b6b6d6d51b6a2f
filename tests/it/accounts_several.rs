//! One collector, several accounts: one store and one set of outputs, each with its own login and its own failures.

use crate::accounts::{settings, signed_in};
use crate::harness::calls::play;
use crate::harness::{App, LATER, Person, Platform, SOON, apps, eventually};

#[tokio::test]
async fn an_account_that_fails_stops_no_other() {
    let (one, mut other) = (Platform::start().await, Platform::start().await);
    assert_ne!(one.account(), other.account());
    let state = one.folder("state");
    let folder = state.to_string_lossy().into_owned();
    // The third is an account that nobody who signs in may see.
    let nobodys = settings(&one, "nobodys", &[("ACCOUNT_KEY", Some("17"))]);
    let envs = [one.env_file(), other.env_file(), nobodys].map(|file| file.to_string_lossy().into_owned());
    for (platform, env, key) in
        [(&one, &envs[0], one.account()), (&other, &envs[1], other.account()), (&one, &envs[2], "17")]
    {
        let own = state.join("accounts").join(key).to_string_lossy().into_owned();
        let admin = Person::admin(platform);
        let mut app = signed_in(platform, &admin, "login", &["--env", env, "--state", &own]).await;
        assert_eq!(app.exit(SOON).await, Some(0));
    }
    let arguments = [
        &["reports", "--state", &folder, "--no-browser", "--json"][..],
        &["--env", &envs[0], "--env", &envs[1], "--env", &envs[2]],
    ]
    .concat();
    let app = App::start(&arguments, &one.folder("apps"));
    let mut spaces = Vec::new();
    for platform in [&one, &other] {
        let space = play(platform, "missed", &["--speed", "50"]).await;
        apps::printed(&app, &space).await;
        spaces.push(space);
    }
    app.stderr.line_with("account 17: ", LATER).await;
    app.stderr.line_with("tried again in", LATER).await;

    // A platform that is away is a gap of its account, and the other's reports go on.
    other.kill9().await;
    let gaps = async || App::run(&["gaps", "--state", &folder], &one.folder("apps")).await.stdout.join("\n");
    let wanted = format!("account {}: connection from", other.account());
    eventually("the gap is told", LATER, async || gaps().await.contains(&wanted).then_some(())).await;
    let space = play(&one, "missed", &["--speed", "50"]).await;
    apps::printed(&app, &space).await;
    spaces.push(space);
    assert!(!gaps().await.contains(&format!("account {}: connection from", one.account())));
    app.stop().await;

    // A start without it leaves it: its gaps are told apart, and go when somebody says that it has ended.
    let arguments =
        [&["reports", "--state", &folder, "--no-browser"][..], &["--env", &envs[0], "--env", &envs[2]]]
            .concat();
    let app = App::start(&arguments, &one.folder("apps"));
    let left = format!("account {}: not collected since", other.account());
    eventually("the account is left", LATER, async || gaps().await.contains(&left).then_some(())).await;
    assert!(!gaps().await.contains(&wanted));
    let end = async |key: &str| {
        App::run(&["accounts", "--end", key, "--state", &folder], &one.folder("apps")).await
    };
    let refused = end(one.account()).await;
    assert!(refused.code == Some(1) && refused.errors().contains("collects account"), "{refused:?}");
    assert_eq!(end(other.account()).await.code, Some(0));
    assert!(!gaps().await.contains(other.account()), "{}", gaps().await);
    app.stop().await;
    let mut stored = apps::spaces_of(&apps::stored(&one, &state).await);
    stored.sort_unstable();
    spaces.sort_unstable();
    assert_eq!(stored, spaces, "one store, each report once");
}
