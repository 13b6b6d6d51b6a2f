//! The phones of a company, as plain data: who can be rung, and under which numbers.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wire::call_events::{CallQueue as WireQueue, Device as WireDevice, DeviceUser, LineParty};

use crate::ids::derived;

/// A company with its numbers, people and lines: one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Office {
    /// 19 digits.
    pub account_key: String,
    /// UUID.
    pub organization_id: String,
    pub name: String,
    /// ISO 3166 code of the country by whose rules numbers are shown, such as `US`.
    pub region: String,
    /// IANA name such as `America/Chicago`, or empty.
    #[serde(default)]
    pub time_zone: String,
    /// Made from an office file, with ids derived from the organization's ([`Office::from_file`]).
    #[serde(default)]
    pub from_file: bool,
    /// People who can sign in.
    pub users: Vec<User>,
    pub numbers: Vec<CompanyNumber>,
    pub lines: Vec<Line>,
    pub ring_groups: Vec<RingGroup>,
    pub dial_plans: Vec<DialPlan>,
    /// Offices stored before there were queues have none.
    #[serde(default)]
    pub queues: Vec<CallQueue>,
    /// Outside parties that call, or are called.
    pub customers: Vec<Customer>,
}

/// A person who works there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// UUID; `device.user.id` of live states.
    pub id: String,
    /// 19 digits; `userKey` of reports.
    pub key: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub admin: bool,
}

/// A number under which the company can be called, and where such calls go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyNumber {
    /// UUID.
    pub id: String,
    /// E.164.
    pub number: String,
    /// Label for people.
    pub name: String,
    pub route: Route,
}

/// Where a call goes, by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Route {
    Line(String),
    RingGroup(String),
    DialPlan(String),
    Queue(String),
}

/// A person's line; it rings on all its devices at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// UUID.
    pub id: String,
    /// Digits.
    pub extension: String,
    pub name: String,
    pub user_id: String,
    pub user_key: String,
    pub devices: Vec<Device>,
}

/// A telephone, real or software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// UUID.
    pub id: String,
    /// Such as `yealink.sip.t46s` or `goto.clients`.
    pub model: String,
}

/// Lines that ring together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingGroup {
    pub id: String,
    pub extension: String,
    pub name: String,
    pub line_ids: Vec<String>,
}

/// Callers wait for one of the lines, whose people are its agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallQueue {
    /// UUID.
    pub id: String,
    pub extension: String,
    pub name: String,
    /// `BASIC`; other values are unknown (spec/call-events.md, `CALL_QUEUE`).
    pub kind: String,
    /// How long an agent has for notes after a call, in seconds.
    pub wrap_up_s: u64,
    pub line_ids: Vec<String>,
}

/// An auto attendant: nodes that the caller passes one after the other, then where the call goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialPlan {
    pub id: String,
    pub extension: String,
    pub name: String,
    /// Id that the first node names as its previous one.
    pub start_node_id: String,
    pub nodes: Vec<Node>,
    /// Whom the last node rings.
    pub then: Route,
}

/// One node of a dial plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub id: String,
    /// `ScheduleNode`, `PlaySoundClipNode`, `SimpleDialNode`, …
    pub kind: String,
    /// Shown in a state of its own when the node is done; some nodes show none.
    pub result: Option<String>,
    /// Exit through which the next node is reached; empty for the last one.
    pub connector: String,
    /// How long the node takes, in milliseconds at speed 1.
    pub after_ms: u64,
}

/// An outside party that the office knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    pub name: String,
    /// E.164.
    pub number: String,
}

impl Office {
    /// The line with this id or extension.
    #[must_use]
    pub fn line(&self, id_or_extension: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id_or_extension || line.extension == id_or_extension)
    }

    /// The ring group with this id or extension.
    #[must_use]
    pub fn ring_group(&self, id_or_extension: &str) -> Option<&RingGroup> {
        self.ring_groups
            .iter()
            .find(|group| group.id == id_or_extension || group.extension == id_or_extension)
    }

    /// The dial plan with this id or extension.
    #[must_use]
    pub fn dial_plan(&self, id_or_extension: &str) -> Option<&DialPlan> {
        self.dial_plans.iter().find(|plan| plan.id == id_or_extension || plan.extension == id_or_extension)
    }

    /// The call queue with this id or extension.
    #[must_use]
    pub fn queue(&self, id_or_extension: &str) -> Option<&CallQueue> {
        self.queues.iter().find(|queue| queue.id == id_or_extension || queue.extension == id_or_extension)
    }

    /// Key of the person with this user id, as [`crate::fold`] asks for it.
    #[must_use]
    pub fn user_key(&self, user_id: &str) -> Option<String> {
        self.users.iter().find(|user| user.id == user_id).map(|user| user.key.clone())
    }

    /// Every device that rings when a call goes there. A dial plan rings where its last node leads; plans that
    /// lead to plans ring nobody.
    #[must_use]
    pub fn ringing(&self, route: &Route) -> Vec<LineParty> {
        let lines = |ids: &[String]| ids.iter().filter_map(|id| self.line(id)).flat_map(Line::legs).collect();
        match route {
            Route::Line(id) => lines(std::slice::from_ref(id)),
            Route::RingGroup(id) => {
                self.ring_group(id).map(|group| lines(&group.line_ids)).unwrap_or_default()
            }
            Route::DialPlan(id) => match self.dial_plan(id).map(|plan| &plan.then) {
                Some(then @ (Route::Line(_) | Route::RingGroup(_) | Route::Queue(_))) => self.ringing(then),
                _ => Vec::new(),
            },
            Route::Queue(id) => self.queue(id).map(|queue| lines(&queue.line_ids)).unwrap_or_default(),
        }
    }
}

impl Line {
    /// The line on each of its devices, as participants show it.
    #[must_use]
    pub fn legs(&self) -> Vec<LineParty> {
        self.devices
            .iter()
            .map(|device| LineParty {
                line_id: self.id.clone(),
                device_id: device.id.clone(),
                extension_number: self.extension.clone(),
                name: self.name.clone(),
                device: Some(WireDevice {
                    id: device.id.clone(),
                    model: Some(device.model.clone()),
                    user: Some(DeviceUser { id: self.user_id.clone(), ..DeviceUser::default() }),
                    ..WireDevice::default()
                }),
                ..LineParty::default()
            })
            .collect()
    }

    /// Id of the line's voicemail box.
    #[must_use]
    pub fn voicemail_box_id(&self) -> String {
        derived(Uuid::new_v5(&Uuid::NAMESPACE_OID, self.id.as_bytes()), "voicemail box").to_string()
    }
}

impl CallQueue {
    /// The queue as live states show it.
    #[must_use]
    pub fn as_wire(&self) -> WireQueue {
        WireQueue {
            queue_id: self.id.clone(),
            queue_name: self.name.clone(),
            queue_type: self.kind.clone(),
            configured_wrap_up_duration: Some(self.wrap_up_s),
            ..WireQueue::default()
        }
    }
}

impl User {
    /// First and last name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}
