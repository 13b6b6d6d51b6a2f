//! What can be asked of a scenario, and how a request that fits nothing is answered.

use std::collections::BTreeSet;

use engine::{Command, Office, Request, Scenario, ScenarioError, Script, Target, names};
use wire::Party;

use crate::support::{SECRET, office, scenario, script};

fn with(scenario: Scenario, from: Option<&str>, to: Option<&str>) -> Request {
    Request { from: from.map(str::to_owned), to: to.map(str::to_owned), ..Request::new(scenario, 1) }
}

fn refused(request: &Request) -> ScenarioError {
    engine::script(&office(), request).expect_err("the request fits nothing")
}

fn caller(script: &Script) -> Party {
    match &script.steps[0].command {
        Command::StartInbound { caller, .. } => caller.clone(),
        other => panic!("{other:?} is no inbound call"),
    }
}

/// Extensions that ring, or the number that does.
fn rung(script: &Script) -> Vec<String> {
    script
        .steps
        .iter()
        .filter_map(|step| if let Command::Ring { targets } = &step.command { Some(targets) } else { None })
        .flatten()
        .map(|target| match target {
            Target::Line(line) => line.extension_number.clone(),
            Target::Number { callee, .. } => callee.number.clone(),
        })
        .collect()
}

#[test]
fn names_of_scenarios() {
    for (scenario, name) in Scenario::all().iter().zip(names()) {
        assert_eq!((scenario.name(), scenario.to_string().as_str()), (name, name));
    }
    let error = "answerd".parse::<Scenario>().expect_err("no such scenario").to_string();
    assert!(error.starts_with("there is no scenario \"answerd\": choose one of answered, missed, outbound,"));
    assert!(names().all(|name| error.contains(name)), "{error}");
}

#[test]
fn an_inbound_caller_can_be_any_string() {
    for text in ["Anonymous", "", "<b>&\"'", "+4930123456", "Ωμέγα\u{202e}\n"] {
        let request =
            Request { from_name: Some(text.to_owned()), ..with(scenario("missed"), Some(text), None) };
        assert_eq!(caller(&script(&request)), Party::new(text, text));
    }
    let known = &office().customers[1];
    let request = with(scenario("answered"), Some(&known.number), None);
    assert_eq!(caller(&script(&request)).name, known.name, "a customer is known by the number");
}

#[test]
fn callers_are_customers_and_now_and_then_strangers() {
    let customers: BTreeSet<String> = office().customers.into_iter().map(|c| c.number).collect();
    let callers: Vec<Party> =
        (0..600).map(|seed| caller(&script(&Request::new(scenario("answered"), seed)))).collect();
    let strangers = callers.iter().filter(|caller| !customers.contains(&caller.number)).count();
    assert!((25..100).contains(&strangers), "{strangers} strangers in 600 calls");
    assert!(callers.iter().any(|caller| caller.number == "Anonymous"));
    let seen: BTreeSet<&String> = callers.iter().map(|caller| &caller.number).collect();
    assert!(customers.iter().all(|number| seen.contains(number)), "every customer calls");
}

#[test]
fn inbound_targets() {
    let to = |scenario, to| rung(&script(&with(scenario, None, Some(to))));
    assert_eq!(to(scenario("answered"), "1003"), ["1003"]);
    assert_eq!(to(scenario("answered"), "1004"), ["1004", "1004"], "it has two telephones");
    assert_eq!(to(scenario("queue-abandoned"), "3002"), ["1002", "1003", "1005"]);
    assert_eq!(to(scenario("missed"), "1005"), ["1005"]);
    assert_eq!(to(scenario("ring-group"), "2001"), ["1001", "1002", "1003"]);
    assert_eq!(to(scenario("dial-plan"), "3001"), ["1001", "1002", "1003"]);
    for written in ["+13125550101", "(312) 555-0101", "13125550101", "Appointments"] {
        let script = script(&with(scenario("dial-plan"), None, Some(written)));
        let Command::StartInbound { number, .. } = &script.steps[0].command else { panic!("inbound") };
        assert_eq!(number.number, "+13125550101");
    }
}

#[test]
fn outbound_numbers() {
    let dialled = |to| {
        let script = script(&with(scenario("outbound"), Some("1002"), Some(to)));
        let Command::StartOutbound { line, dial_string } = &script.steps[0].command else {
            panic!("outbound")
        };
        assert_eq!(line.extension_number, "1002");
        (dial_string.clone(), rung(&script).remove(0))
    };
    let both = |dial_string: &str, number: &str| (dial_string.to_owned(), number.to_owned());
    assert_eq!(dialled("4155550188"), both("4155550188", "+14155550188"));
    assert_eq!(dialled("1 (415) 555-0188"), both("14155550188", "+14155550188"));
    assert_eq!(dialled("+49 30 5550188"), both("+49305550188", "+49305550188"));
    assert_eq!(dialled("911"), both("911", "911"));
    assert_eq!(
        refused(&with(scenario("outbound"), None, Some("mother"))).to_string(),
        "\"mother\" is no number to dial: it needs digits, such as +14155550188"
    );
}

#[test]
fn internal_calls() {
    let rings = |from, to| rung(&script(&with(scenario("internal"), from, to)));
    assert_eq!(rings(Some("1001"), Some("1002")), ["1002"]);
    assert_eq!(rings(Some("1001"), Some("2001")), ["1002", "1003"], "the caller's own line does not ring");
    assert_eq!(
        refused(&with(scenario("internal"), Some("1001"), Some("1001"))).to_string(),
        "a line cannot call itself: choose another extension than 1001"
    );
    for seed in 0..100 {
        let script = script(&Request::new(scenario("internal"), seed));
        let Command::StartOutbound { line, .. } = &script.steps[0].command else { panic!("internal") };
        assert!(!rung(&script).contains(&line.extension_number));
    }
    let callers: BTreeSet<String> = (0..100)
        .map(|seed| {
            let request = Request { seed, ..with(scenario("internal"), None, Some("1004")) };
            let Command::StartOutbound { line, .. } = &script(&request).steps[0].command else {
                panic!("internal")
            };
            line.extension_number.clone()
        })
        .collect();
    let others = ["1001", "1002", "1003", "1005"].map(str::to_owned);
    assert_eq!(callers, BTreeSet::from(others), "whoever is drawn to call is not the one who is called");
}

#[test]
fn what_fits_nothing_lists_what_would() {
    let message = |request| refused(&request).to_string();
    assert_eq!(
        message(with(scenario("answered"), None, Some("9999"))),
        "nothing to call at \"9999\": choose one of +13125550100, +13125550101, +13125550102, 1001, 1002, 1003, 1004, 1005"
    );
    assert_eq!(
        message(with(scenario("dial-plan"), None, Some("1001"))),
        "nothing to call at \"1001\": choose one of +13125550100, +13125550101, +13125550102, 3001"
    );
    assert_eq!(
        message(with(scenario("outbound"), Some("Anonymous"), None)),
        "no line \"Anonymous\" to call from: choose an extension of 1001, 1002, 1003, 1004, 1005"
    );
    let named = Request { from_name: Some("Me".to_owned()), ..Request::new(scenario("internal"), 1) };
    assert_eq!(refused(&named), ScenarioError::NameNotShown { scenario: "internal".to_owned() });
    let empty = Office { lines: Vec::new(), ..office() };
    let error = engine::script(&empty, &Request::new(scenario("answered"), 1)).expect_err("nobody there");
    assert_eq!(error, ScenarioError::OfficeLacks { missing: "line", scenario: "answered".to_owned() });
}

#[test]
fn an_answered_call_rings_about_four_seconds_and_talks_about_ten() {
    for seed in 0..200 {
        for name in ["answered", "missed", "outbound", "internal", "ring-group", "dial-plan"] {
            let script = script(&Request::new(scenario(name), seed));
            let before = |wanted: fn(&Command) -> bool| {
                script.steps.iter().find(|step| wanted(&step.command)).map(|step| step.after_ms)
            };
            if name != "missed" {
                let ring_ms = before(|command| matches!(command, Command::Answer { .. }));
                assert!((3_200..=4_800).contains(&ring_ms.expect("somebody answers")));
                assert!((12_000..=24_000).contains(&script.duration_ms()), "{} ms", script.duration_ms());
            } else {
                let ring_ms = before(|command| matches!(command, Command::HangUp { .. }));
                assert!((4_800..=7_200).contains(&ring_ms.expect("the caller gives up")));
            }
        }
    }
}

#[test]
fn the_example_office_depends_on_its_secret_alone() {
    assert_eq!(Office::example(SECRET), Office::example(SECRET));
    let (one, other) = (Office::example(1), Office::example(2));
    assert_ne!(one.account_key, other.account_key);
    assert_ne!(one.lines[0].id, other.lines[0].id);
    assert!(one.users[0].admin && one.users[1..].iter().all(|user| !user.admin));
    assert!(one.lines.iter().all(|line| line.user_key.len() == 19 && line.user_id != one.users[0].id));
    assert_eq!((one.lines.len(), one.numbers.len(), one.customers.len()), (5, 3, 12));
    let emails: Vec<&str> = one.users.iter().map(|user| user.email.as_str()).collect();
    assert!(emails.iter().all(|email| email.is_ascii() && email.ends_with("@maplestreet.example")));
}
