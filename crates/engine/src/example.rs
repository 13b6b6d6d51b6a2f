//! A small invented company, so that calls can be played with no configuration at all.

use uuid::Uuid;

use crate::ids::{derived, derived_key};
use crate::office::{CompanyNumber, Customer, Device, DialPlan, Line, Node, Office, RingGroup, Route, User};

const DOMAIN: &str = "maplestreet.example";

/// Extension and model of a telephone.
type Phone = (&'static str, &'static str);

/// First name, last name, telephone. The admin, who comes first, has none.
const PEOPLE: [(&str, &str, Option<Phone>); 6] = [
    ("Margaret", "Osei", None),
    ("Priya", "Raman", Some(("1001", "yealink.sip.t46s"))),
    ("Tomás", "Herrera", Some(("1002", "goto.clients"))),
    ("Siobhan", "O'Rourke", Some(("1003", "polycom.vvx.411"))),
    ("Daniel", "Kim", Some(("1004", "goto.clients"))),
    ("Amara", "Diallo", Some(("1005", "yealink.sip.t54w"))),
];

/// Names as a caller ID shows them, and numbers from the fictional 555-01xx block.
const CUSTOMERS: [(&str, &str); 12] = [
    ("Eleanor Whitcombe", "+13125550112"),
    ("Zoë Lindqvist", "+17735550126"),
    ("Patrick O'Malley", "+16175550133"),
    ("Mei-Ling Zhao", "+14155550148"),
    ("Ibrahim Haddad", "+13135550151"),
    ("Lucía Fernández", "+15125550164"),
    ("Kwame Mensah", "+14045550119"),
    ("Hana Suzuki", "+12065550172"),
    ("Oluwaseun Adeyemi", "+12125550187"),
    ("Björn Ólafsson", "+16515550195"),
    ("Ananya Krishnan", "+14085550139"),
    ("Grace Littlefeather", "+16055550108"),
];

impl Office {
    /// Maple Street Dental: an admin, five people with lines (extensions 1001 to 1005), the ring group "Front
    /// desk" (2001), the dial plan "Reception" (3001), two numbers and a dozen customers.
    ///
    /// All ids and keys are derived from `secret`: the same secret, the same office.
    #[must_use]
    pub fn example(secret: u128) -> Self {
        let namespace = Uuid::from_u128(secret);
        let id = |label: &str| derived(namespace, label).to_string();
        let users: Vec<User> = PEOPLE
            .iter()
            .map(|(first, last, _)| User {
                id: id(&format!("user {last}")),
                key: derived_key(namespace, &format!("user {last}")),
                first_name: (*first).to_owned(),
                last_name: (*last).to_owned(),
                email: format!("{}@{DOMAIN}", plain(first)),
                admin: *last == PEOPLE[0].1,
            })
            .collect();
        let lines: Vec<Line> = PEOPLE
            .iter()
            .zip(&users)
            .filter_map(|((.., phone), user)| phone.map(|(extension, model)| (user, extension, model)))
            .map(|(user, extension, model)| Line {
                id: id(&format!("line {extension}")),
                extension: extension.to_owned(),
                name: user.name(),
                user_id: user.id.clone(),
                user_key: user.key.clone(),
                devices: vec![Device { id: id(&format!("device {extension}")), model: model.to_owned() }],
            })
            .collect();
        let front_desk = RingGroup {
            id: id("ring group 2001"),
            extension: "2001".to_owned(),
            name: "Front desk".to_owned(),
            line_ids: lines.iter().take(3).map(|line| line.id.clone()).collect(),
        };
        let reception = reception(&id, Route::RingGroup(front_desk.id.clone()));
        let number = |number: &str, name: &str, route: Route| CompanyNumber {
            id: id(&format!("number {number}")),
            number: number.to_owned(),
            name: name.to_owned(),
            route,
        };
        Self {
            account_key: derived_key(namespace, "account"),
            organization_id: id("organization"),
            name: "Maple Street Dental".to_owned(),
            region: "US".to_owned(),
            numbers: vec![
                number("+13125550100", "Main number", Route::RingGroup(front_desk.id.clone())),
                number("+13125550101", "Appointments", Route::DialPlan(reception.id.clone())),
            ],
            users,
            lines,
            ring_groups: vec![front_desk],
            dial_plans: vec![reception],
            customers: CUSTOMERS
                .iter()
                .map(|(name, number)| Customer { name: (*name).to_owned(), number: (*number).to_owned() })
                .collect(),
        }
    }
}

/// Open hours, a greeting, then the front desk rings.
fn reception(id: &dyn Fn(&str) -> String, then: Route) -> DialPlan {
    let node = |kind: &str, result: Option<&str>, connector: &str, after_ms: u64| Node {
        id: id(&format!("node {kind}")),
        kind: kind.to_owned(),
        result: result.map(str::to_owned),
        connector: connector.to_owned(),
        after_ms,
    };
    DialPlan {
        id: id("dial plan 3001"),
        extension: "3001".to_owned(),
        name: "Reception".to_owned(),
        start_node_id: id("node start"),
        nodes: vec![
            node("ScheduleNode", Some("OPEN_SCHEDULE"), "onOpen", 2),
            node("PlaySoundClipNode", None, "nextNode", 3_000),
            node("SimpleDialNode", None, "", 300),
        ],
        then,
    }
}

/// A first name as the local part of an address.
fn plain(name: &str) -> String {
    name.chars()
        .map(|letter| match letter {
            'á' => 'a',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}
