//! A small invented company, so that calls can be played with no configuration at all.

use uuid::Uuid;

use crate::ids::{derived, derived_key};
use crate::office::{
    CallQueue, CompanyNumber, Customer, Device, DialPlan, Line, Node, Office, RingGroup, Route, User,
};

const DOMAIN: &str = "maplestreet.example";

/// Extension and models of a person's telephones.
type Phone = (&'static str, &'static [&'static str]);

/// First name, last name, telephone. The admin, who comes first, has none.
const PEOPLE: [(&str, &str, Option<Phone>); 6] = [
    ("Margaret", "Osei", None),
    ("Priya", "Raman", Some(("1001", &["yealink.sip.t46s"]))),
    ("Tomás", "Herrera", Some(("1002", &["goto.clients"]))),
    ("Siobhan", "O'Rourke", Some(("1003", &["polycom.vvx.411"]))),
    ("Daniel", "Kim", Some(("1004", &["goto.clients", "polycom.vvx.250"]))),
    ("Amara", "Diallo", Some(("1005", &["yealink.sip.t54w"]))),
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
    /// desk" (2001), the dial plans "Reception" (3001) and "Support menu" (3002), the call queue "Patient support"
    /// (4001), three numbers and a dozen customers. Line 1004 rings on two telephones.
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
            .filter_map(|((.., phone), user)| phone.map(|(extension, models)| (user, extension, models)))
            .map(|(user, extension, models)| Line {
                id: id(&format!("line {extension}")),
                extension: extension.to_owned(),
                name: user.name(),
                user_id: user.id.clone(),
                user_key: user.key.clone(),
                devices: devices(&id, extension, models),
            })
            .collect();
        let front_desk = RingGroup {
            id: id("ring group 2001"),
            extension: "2001".to_owned(),
            name: "Front desk".to_owned(),
            line_ids: lines.iter().take(3).map(|line| line.id.clone()).collect(),
        };
        let support = CallQueue {
            id: id("queue 4001"),
            extension: "4001".to_owned(),
            name: "Patient support".to_owned(),
            kind: "BASIC".to_owned(),
            wrap_up_s: 15,
            line_ids: lines.iter().skip(1).take(2).chain(lines.last()).map(|line| line.id.clone()).collect(),
        };
        let reception = reception(&id, Route::RingGroup(front_desk.id.clone()));
        let menu = support_menu(&id, Route::Queue(support.id.clone()));
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
                number("+13125550102", "Support", Route::DialPlan(menu.id.clone())),
            ],
            users,
            lines,
            ring_groups: vec![front_desk],
            dial_plans: vec![reception, menu],
            queues: vec![support],
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

/// Open hours, a greeting, a menu, then the queue.
fn support_menu(id: &dyn Fn(&str) -> String, then: Route) -> DialPlan {
    let node = |kind: &str, result: Option<&str>, connector: &str, after_ms: u64| Node {
        id: id(&format!("menu node {kind}")),
        kind: kind.to_owned(),
        result: result.map(str::to_owned),
        connector: connector.to_owned(),
        after_ms,
    };
    DialPlan {
        id: id("dial plan 3002"),
        extension: "3002".to_owned(),
        name: "Support menu".to_owned(),
        start_node_id: id("menu node start"),
        nodes: vec![
            node("ScheduleNode", Some("OPEN_SCHEDULE"), "onOpen", 2),
            node("PlaySoundClipNode", None, "nextNode", 2_000),
            node("AttendantPromptNode", Some("CONTINUE"), "nextNode", 4_000),
            node("CallQueueNode", None, "", 0),
        ],
        then,
    }
}

fn devices(id: &dyn Fn(&str) -> String, extension: &str, models: &[&str]) -> Vec<Device> {
    let label = |place: usize| match place {
        0 => format!("device {extension}"),
        _ => format!("device {extension} {}", place + 1),
    };
    let all = models.iter().enumerate();
    all.map(|(place, model)| Device { id: id(&label(place)), model: (*model).to_owned() }).collect()
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
