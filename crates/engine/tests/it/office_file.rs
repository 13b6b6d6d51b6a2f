//! The office file: what it gives, and that each mistake is named with its line.

use engine::{Office, Route};

const GOOD: &str = r#"name = "Practice"
region = "US"

[[people]]
first-name = "Ada"
last-name = "Byron"
email = "ada@practice.example"
roles = ["super-admin"]

[[lines]]
extension = "101"
person = "Ada@practice.example"
devices = ["yealink.sip.t46s", "goto.clients"]

[[ring-groups]]
extension = "201"
name = "Desk"
lines = ["101"]

[[call-queues]]
extension = "401"
name = "Waiting"
lines = ["101"]

[[dial-plans]]
extension = "301"
name = "Menu"
then = "401"
nodes = [{ kind = "CallQueueNode" }]

[[numbers]]
number = "+13125550100"
name = "Main"
to = "301"
"#;

#[test]
fn a_file_gives_an_office_whose_ids_stay_when_names_change() {
    let office = Office::from_file(GOOD, 7).expect("a good file");
    assert_eq!((office.name.as_str(), office.lines[0].name.as_str()), ("Practice", "Ada Byron"));
    assert!(office.users[0].admin && office.from_file);
    assert_eq!(office.ringing(&office.numbers[0].route).len(), 2, "through the plan and the queue");
    assert!(matches!(&office.dial_plans[0].then, Route::Queue(id) if *id == office.queues[0].id));
    let changed = GOOD.replace("Byron", "Lovelace").replace("Practice\"", "Other\"");
    let again = Office::from_file(&changed, 7).expect("a good file");
    let ids = |office: &Office| {
        let user = &office.users[0];
        (office.account_key.clone(), user.key.clone(), user.id.clone(), office.lines[0].id.clone())
    };
    assert_eq!(ids(&office), ids(&again));
    assert_eq!(again.users[0].last_name, "Lovelace");
    let secret = u128::from_str_radix(&office.organization_id.replace('-', ""), 16).expect("a UUID");
    assert_eq!(Office::from_file(GOOD, secret).expect("a good file"), office);
    assert_ne!(ids(&Office::from_file(GOOD, 8).expect("a good file")), ids(&office));
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let plan = "nodes = [{ kind = \"CallQueueNode\" }]";
    for (from, to, expected) in [
        ("region = \"US\"", "region = \"usa\"", "line 2: region must be"),
        ("ada@practice", "ada practice", "line 7: ada practice.example is no e-mail address"),
        ("roles = [\"super-admin\"]", "", "people: nobody is a super admin"),
        ("roles = [\"super-admin\"]", "roles = [\"boss\"]", "line 8: unknown variant `boss`"),
        ("extension = \"201\"", "extension = \"101\"", "line 16: extension 101 is taken already in line 11"),
        ("extension = \"201\"", "extension = \"2-1\"", "line 16: extension \"2-1\" must be"),
        ("person = \"Ada@", "person = \"bob@", "line 12: person bob@practice.example is not among people"),
        ("[\"yealink.sip.t46s\", \"goto.clients\"]", "[]", "line 11: line 101 needs a telephone"),
        ("name = \"Desk\"\nlines = [\"101\"]", "name = \"Desk\"\nlines = []", "line 16: 201 has no lines"),
        (
            "name = \"Desk\"\nlines = [\"101\"]",
            "name = \"Desk\"\nlines = [\"9\"]",
            "line 18: 9 is the extension of no line",
        ),
        ("then = \"401\"", "then = \"402\"", "line 28: extension 402 reaches nothing"),
        (plan, "nodes = [{ kind = \"SimpleDialNode\" }]", "line 29: the last node before a call queue"),
        (plan, "nodes = []", "line 26: dial plan 301 has no nodes"),
        ("+13125550100", "312-555-0100", "line 32: number \"312-555-0100\" must be a plus sign"),
        ("to = \"301\"", "to = \"401\"", "line 34: a number reaches a call queue through a dial plan"),
        ("to = \"301\"", "too = \"301\"", "line 34: unknown field `too`"),
        ("name = \"Practice\"", "name = ", "line 1: "),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let error = Office::from_file(&GOOD.replacen(from, to, 1), 7).expect_err(expected);
        assert!(error.problems.iter().any(|problem| problem.starts_with(expected)), "{expected}: {error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let bad = GOOD.replace("\"US\"", "\"us\"").replace("+1312", "1312");
    assert_eq!(Office::from_file(&bad, 7).expect_err("two mistakes").problems.len(), 2);
    // Misspelt words hide nothing: with one that is meant, with a strange one, with one that is there already.
    let bad = GOOD.replace("first-name", "frist-name").replace("+1312555", "+131255");
    let bad = bad.replace("name = \"Desk\"", "name = \"Desk\"\nname2 = 1\ncolour = \"red\"");
    let problems = Office::from_file(&bad, 7).expect_err("four mistakes").problems;
    let begins = [
        "line 5: unknown field `frist-name`",
        "line 18: unknown field `name2`",
        "line 19: unknown field `colour`",
        "line 34: number \"+1312550100\" has 9 digits behind +1",
    ];
    assert_eq!(problems.len(), begins.len(), "{problems:#?}");
    for begin in begins {
        assert!(problems.iter().any(|problem| problem.starts_with(begin)), "{begin}: {problems:#?}");
    }
    let meant = problems.iter().any(|problem| problem.ends_with("did you mean `first-name`?"));
    assert!(meant, "{problems:#?}");
}
