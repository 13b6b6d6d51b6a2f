//! The office file: a company's people and phones as its administrator writes them, in TOML (docs/operations.md).
//! The example office is such a file too, so there is one way to make an office.

use std::collections::HashMap;

use serde::Deserialize;
use toml::Spanned;
use uuid::{Builder, Uuid};

use crate::ids::{derived, derived_key};
use crate::office::{
    CallQueue, CompanyNumber, Customer, Device, DialPlan, Line, Node, Office, RingGroup, Route, User,
};
use crate::words::line_at;
use crate::{limits, words};

/// The example office, as `callfeed serve --example` makes it.
const EXAMPLE: &str = include_str!("../example-office.toml");

/// Why an office file cannot be used: every problem with its line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("; "))]
pub struct OfficeFileError {
    /// Such as `line 12: extension 1001 is taken by the line in line 9`.
    pub problems: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    region: Spanned<String>,
    #[serde(default)]
    time_zone: String,
    people: Vec<Person>,
    #[serde(default)]
    lines: Vec<LineOf>,
    #[serde(default)]
    ring_groups: Vec<Group>,
    #[serde(default)]
    call_queues: Vec<Queue>,
    #[serde(default)]
    dial_plans: Vec<Plan>,
    #[serde(default)]
    numbers: Vec<Number>,
    #[serde(default)]
    customers: Vec<Caller>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Person {
    first_name: String,
    last_name: String,
    email: Spanned<String>,
    #[serde(default)]
    roles: Vec<Role>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Role {
    SuperAdmin,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct LineOf {
    extension: Spanned<String>,
    person: Spanned<String>,
    /// The person's name if not given.
    #[serde(default)]
    name: Option<String>,
    devices: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Group {
    extension: Spanned<String>,
    name: String,
    lines: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Queue {
    extension: Spanned<String>,
    name: String,
    #[serde(default)]
    wrap_up_s: u64,
    lines: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Plan {
    extension: Spanned<String>,
    name: String,
    then: Spanned<String>,
    nodes: Vec<PlanNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PlanNode {
    kind: Spanned<String>,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    connector: String,
    #[serde(default)]
    after_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Number {
    number: Spanned<String>,
    name: String,
    to: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Caller {
    name: String,
    number: Spanned<String>,
}

impl Office {
    /// The office that a file describes. All ids and keys are derived from `secret` and from what names a thing in
    /// the file (e-mail address, extension, number), so they stay when anything else about it changes. The
    /// `secret` of an office that was made before is its `organization_id` as a number.
    ///
    /// # Errors
    /// Every problem of the file with its line; when it is no TOML or lacks a member, those up to there.
    pub fn from_file(text: &str, secret: u128) -> Result<Self, OfficeFileError> {
        if text.len() > limits::OFFICE_BYTES_MAX {
            let problem = format!("the file is larger than {} bytes", limits::OFFICE_BYTES_MAX);
            return Err(OfficeFileError { problems: vec![problem] });
        }
        let (file, mended, misspelt) = words::read::<File>(text);
        let Some(file) = file else { return Err(OfficeFileError { problems: misspelt }) };
        let mut reader = Reader::new(&mended, secret);
        reader.problems = misspelt;
        let office = reader.office(&file);
        if reader.problems.is_empty() {
            Ok(office)
        } else {
            Err(OfficeFileError { problems: reader.problems })
        }
    }

    /// Maple Street Dental: an admin, five people with lines (extensions 1001 to 1005), the ring group "Front
    /// desk" (2001), the dial plan "Reception" (3001), the call queue "Patient support" (4001), two numbers and a
    /// dozen customers.
    ///
    /// All ids and keys are derived from `secret`: the same secret, the same office.
    #[must_use]
    pub fn example(secret: u128) -> Self {
        Self::from_file(EXAMPLE, secret).expect("the example office is read by this crate's tests")
    }
}

/// Makes the office and collects what is wrong with the file.
struct Reader<'a> {
    text: &'a str,
    namespace: Uuid,
    problems: Vec<String>,
    /// What an extension reaches, and the line of the file that says so.
    extensions: HashMap<String, (Route, usize)>,
    /// Telephones of each line, by extension.
    devices: HashMap<String, usize>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, secret: u128) -> Self {
        let namespace = Builder::from_random_bytes(secret.to_be_bytes()).into_uuid();
        Self { text, namespace, problems: Vec::new(), extensions: HashMap::new(), devices: HashMap::new() }
    }

    fn id(&self, label: &str) -> String {
        derived(self.namespace, label).to_string()
    }

    fn line<T>(&self, value: &Spanned<T>) -> usize {
        line_at(self.text, value.span().start)
    }

    fn problem<T>(&mut self, at: &Spanned<T>, what: &str) {
        self.problems.push(format!("line {}: {what}", self.line(at)));
    }

    fn office(&mut self, file: &File) -> Office {
        if file.name.get_ref().trim().is_empty() {
            self.problem(&file.name, "name is empty: write the company's name");
        }
        let region = file.region.get_ref();
        if region.len() != 2 || !region.bytes().all(|byte| byte.is_ascii_uppercase()) {
            self.problem(&file.region, "region must be two capital letters, such as US (ISO 3166)");
        }
        let users = self.users(&file.people);
        let lines = self.lines(&file.lines, &users);
        let ring_groups = self.ring_groups(&file.ring_groups);
        let queues = self.queues(&file.call_queues);
        let dial_plans = self.dial_plans(&file.dial_plans);
        Office {
            account_key: derived_key(self.namespace, "account"),
            organization_id: self.namespace.to_string(),
            name: file.name.get_ref().clone(),
            region: region.clone(),
            time_zone: file.time_zone.clone(),
            from_file: true,
            numbers: self.numbers(&file.numbers),
            customers: self.customers(&file.customers),
            users,
            lines,
            ring_groups,
            dial_plans,
            queues,
        }
    }

    fn users(&mut self, people: &[Person]) -> Vec<User> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut users = Vec::new();
        for person in people {
            let email = person.email.get_ref().to_lowercase();
            if !is_email(&email) {
                self.problem(&person.email, &format!("{email} is no e-mail address"));
            }
            if let Some(line) = seen.insert(email.clone(), self.line(&person.email)) {
                self.problem(
                    &person.email,
                    &format!("email {email} is that of the person in line {line} too"),
                );
            }
            if person.first_name.trim().is_empty() && person.last_name.trim().is_empty() {
                self.problem(&person.email, &format!("{email} has no name: write first-name and last-name"));
            }
            users.push(User {
                id: self.id(&format!("user {email}")),
                key: derived_key(self.namespace, &format!("user {email}")),
                first_name: person.first_name.clone(),
                last_name: person.last_name.clone(),
                admin: person.roles.contains(&Role::SuperAdmin),
                email,
            });
        }
        if !users.iter().any(|user| user.admin) {
            let what = "people: nobody is a super admin: give one person roles = [\"super-admin\"]";
            self.problems.push(what.to_owned());
        }
        users
    }

    /// Takes an extension; a second thing with the same one is a problem.
    fn take(&mut self, extension: &Spanned<String>, route: Route) {
        let text = extension.get_ref();
        if !limits::EXTENSION_DIGITS.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit())
        {
            let (min, max) = (limits::EXTENSION_DIGITS.start(), limits::EXTENSION_DIGITS.end());
            self.problem(extension, &format!("extension {text:?} must be {min} to {max} digits"));
        }
        if let Some((_, line)) = self.extensions.get(text) {
            let what = format!("extension {text} is taken already in line {line}");
            return self.problem(extension, &what);
        }
        let line = self.line(extension);
        self.extensions.insert(text.clone(), (route, line));
    }

    fn lines(&mut self, lines: &[LineOf], users: &[User]) -> Vec<Line> {
        let mut made = Vec::new();
        for line in lines {
            let extension = line.extension.get_ref();
            let id = self.id(&format!("line {extension}"));
            self.take(&line.extension, Route::Line(id.clone()));
            let email = line.person.get_ref().to_lowercase();
            let Some(user) = users.iter().find(|user| user.email == email) else {
                self.problem(&line.person, &format!("person {email} is not among people"));
                continue;
            };
            if line.devices.is_empty() || line.devices.iter().any(|model| model.trim().is_empty()) {
                self.problem(&line.extension, &format!("line {extension} needs a telephone in devices"));
            }
            self.devices.insert(extension.clone(), line.devices.len());
            let devices = line.devices.iter().enumerate().map(|(place, model)| Device {
                id: self.id(&format!("device {extension} {}", place + 1)),
                model: model.clone(),
            });
            made.push(Line {
                devices: devices.collect(),
                id,
                extension: extension.clone(),
                name: line.name.clone().unwrap_or_else(|| user.name()),
                user_id: user.id.clone(),
                user_key: user.key.clone(),
            });
        }
        made
    }

    /// Ids of the lines that ring together, whose telephones must be few enough for one call.
    fn members(&mut self, of: &Spanned<String>, lines: &[Spanned<String>]) -> Vec<String> {
        if lines.is_empty() {
            self.problem(of, &format!("{} has no lines, so nobody would ring", of.get_ref()));
        }
        let telephones: usize =
            lines.iter().map(|line| self.devices.get(line.get_ref()).copied().unwrap_or(0)).sum();
        // One leg is the caller's.
        if telephones >= limits::LEGS_MAX {
            let max = limits::LEGS_MAX - 1;
            self.problem(of, &format!("{} rings {telephones} telephones; {max} are the most", of.get_ref()));
        }
        let mut ids: Vec<String> = Vec::new();
        for line in lines {
            match self.extensions.get(line.get_ref()) {
                Some((Route::Line(id), _)) if ids.contains(id) => {
                    self.problem(line, &format!("line {} stands here twice", line.get_ref()));
                }
                Some((Route::Line(id), _)) => ids.push(id.clone()),
                _ => self.problem(line, &format!("{} is the extension of no line", line.get_ref())),
            }
        }
        ids
    }

    fn ring_groups(&mut self, groups: &[Group]) -> Vec<RingGroup> {
        let mut made = Vec::new();
        for group in groups {
            let extension = group.extension.get_ref();
            let id = self.id(&format!("ring group {extension}"));
            self.take(&group.extension, Route::RingGroup(id.clone()));
            made.push(RingGroup {
                id,
                extension: extension.clone(),
                name: group.name.clone(),
                line_ids: self.members(&group.extension, &group.lines),
            });
        }
        made
    }

    fn queues(&mut self, queues: &[Queue]) -> Vec<CallQueue> {
        let mut made = Vec::new();
        for queue in queues {
            let extension = queue.extension.get_ref();
            let id = self.id(&format!("queue {extension}"));
            self.take(&queue.extension, Route::Queue(id.clone()));
            made.push(CallQueue {
                id,
                extension: extension.clone(),
                name: queue.name.clone(),
                kind: "BASIC".to_owned(),
                wrap_up_s: queue.wrap_up_s,
                line_ids: self.members(&queue.extension, &queue.lines),
            });
        }
        made
    }

    fn dial_plans(&mut self, plans: &[Plan]) -> Vec<DialPlan> {
        // Their extensions first: numbers may name them, plans may not.
        let mut made = Vec::new();
        for plan in plans {
            let extension = plan.extension.get_ref();
            let id = self.id(&format!("dial plan {extension}"));
            let then = self.reached(&plan.then);
            self.take(&plan.extension, Route::DialPlan(id.clone()));
            match plan.nodes.last() {
                None => self.problem(&plan.extension, &format!("dial plan {extension} has no nodes")),
                Some(last) if matches!(then, Some(Route::Queue(_))) && last.kind.get_ref() != QUEUE_NODE => {
                    let what = format!("the last node before a call queue must be a {QUEUE_NODE}");
                    self.problem(&last.kind, &what);
                }
                Some(_) => {}
            }
            if matches!(then, Some(Route::DialPlan(_))) {
                self.problem(&plan.then, "a dial plan cannot lead to a dial plan: nobody would ring");
            }
            let Some(then) = then else { continue };
            let nodes = plan.nodes.iter().enumerate().map(|(place, node)| Node {
                id: self.id(&format!("node {extension} {}", place + 1)),
                kind: node.kind.get_ref().clone(),
                result: node.result.clone(),
                connector: node.connector.clone(),
                after_ms: node.after_ms,
            });
            made.push(DialPlan {
                nodes: nodes.collect(),
                start_node_id: self.id(&format!("node {extension} start")),
                id,
                extension: extension.clone(),
                name: plan.name.clone(),
                then,
            });
        }
        made
    }

    fn reached(&mut self, extension: &Spanned<String>) -> Option<Route> {
        let found = self.extensions.get(extension.get_ref()).map(|(route, _)| route.clone());
        if found.is_none() {
            self.problem(
                extension,
                &format!("extension {} reaches nothing in this file", extension.get_ref()),
            );
        }
        found
    }

    fn numbers(&mut self, numbers: &[Number]) -> Vec<CompanyNumber> {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut made = Vec::new();
        for number in numbers {
            let digits = number.number.get_ref();
            self.check_number(&number.number);
            if let Some(line) = seen.insert(digits, self.line(&number.number)) {
                self.problem(&number.number, &format!("number {digits} stands in line {line} too"));
            }
            let Some(route) = self.reached(&number.to) else { continue };
            if matches!(route, Route::Queue(_)) {
                let what = format!("a number reaches a call queue through a dial plan with a {QUEUE_NODE}");
                self.problem(&number.to, &what);
            }
            made.push(CompanyNumber {
                id: self.id(&format!("number {digits}")),
                number: digits.clone(),
                name: number.name.clone(),
                route,
            });
        }
        made
    }

    fn customers(&mut self, customers: &[Caller]) -> Vec<Customer> {
        for customer in customers {
            self.check_number(&customer.number);
        }
        let all = customers.iter();
        all.map(|c| Customer { name: c.name.clone(), number: c.number.get_ref().clone() }).collect()
    }

    fn check_number(&mut self, number: &Spanned<String>) {
        let text = number.get_ref();
        let digits = text.strip_prefix('+').unwrap_or_default();
        let fits = (8..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        // The North American plan has one length (NANP: country code 1, then ten digits).
        if fits && digits.starts_with('1') && digits.len() != 11 {
            let behind = digits.len() - 1;
            self.problem(
                number,
                &format!("number {text:?} has {behind} digits behind +1, where there are 10"),
            );
        } else if !fits {
            let what =
                format!("number {text:?} must be a plus sign, the country code and the rest in digits");
            self.problem(number, &what);
        }
    }
}

/// Kind of the node that hands a caller over to a queue (spec/call-events.md).
const QUEUE_NODE: &str = "CallQueueNode";

fn is_email(text: &str) -> bool {
    let plain = text.len() <= limits::OFFICE_EMAIL_BYTES_MAX && !text.contains(char::is_whitespace);
    plain
        && text.split_once('@').is_some_and(|(to, at)| !to.is_empty() && !at.is_empty() && !at.contains('@'))
}
