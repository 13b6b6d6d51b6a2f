//! Voice Admin, reading (spec/users-lines-admin.md, Voice Admin): numbers, extensions, devices, the location and
//! the queues of an account, for its super admin. Members that the spec does not tell are [inferred].

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use engine::{CompanyNumber, Office, Route};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;
use wire::directory::{Extension, PhoneNumber, RouteTo, User};
use wire::{Extra, Page, scope};

use super::{lists, users};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Params, Path};
use crate::limits;

const DIRECT_EXTENSION: &str = "DIRECT_EXTENSION";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    account_key: String,
    organization_id: String,
    name: String,
}

/// A telephone; `extensionId` names the line's extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    id: String,
    account_key: String,
    organization_id: String,
    name: String,
    model: String,
    status: &'static str,
    extension_id: String,
    location_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    id: String,
    account_key: String,
    organization_id: String,
    name: String,
    region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
}

/// [inferred] The members are those of an extension; `id` is the `queueId` of call events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallQueue {
    pub id: String,
    pub account_key: String,
    pub organization_id: String,
    pub number: String,
    pub name: String,
}

type List<T> = ApiResult<Json<Page<T>>>;

/// `GET /accounts`.
pub async fn accounts(State(app): State<Arc<App>>, caller: Caller, params: Params) -> List<Account> {
    let office = office(&app, &caller, &params)?;
    let account = Account {
        account_key: office.account_key.clone(),
        organization_id: office.organization_id.clone(),
        name: office.name.clone(),
    };
    list(vec![account], &params)
}

/// `GET /extensions`, filter `type` (comma list, also repeated).
pub async fn extensions(State(app): State<Arc<App>>, caller: Caller, params: Params) -> List<Extension> {
    let office = office(&app, &caller, &params)?;
    let kinds: Vec<&str> = params.all("type").into_iter().flat_map(|kinds| kinds.split(',')).collect();
    let mut found = all_extensions(&office);
    found.retain(|extension| kinds.is_empty() || kinds.iter().any(|kind| kind.trim() == extension.kind));
    list(found, &params)
}

pub async fn extension(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<Extension>> {
    let office = office(&app, &caller, &params)?;
    item(all_extensions(&office), |extension| extension.id == id)
}

/// `GET /phone-numbers`, filters `targetExtensionId` and `number`.
pub async fn phone_numbers(State(app): State<Arc<App>>, caller: Caller, params: Params) -> List<PhoneNumber> {
    let office = office(&app, &caller, &params)?;
    let targets = params.all("targetExtensionId");
    // A plus sign that was not encoded arrives as a space.
    let digits = |number: &str| number.trim().trim_start_matches('+').to_owned();
    let numbers: Vec<String> = params.all("number").into_iter().map(digits).collect();
    let mut found = all_numbers(&office);
    found.retain(|number| {
        let target = number.route_to.as_ref().map(|route| route.id.as_str());
        (targets.is_empty() || target.is_some_and(|id| targets.contains(&id)))
            && (numbers.is_empty() || numbers.contains(&digits(&number.number)))
    });
    list(found, &params)
}

pub async fn phone_number(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<PhoneNumber>> {
    let office = office(&app, &caller, &params)?;
    item(all_numbers(&office), |number| number.id == id)
}

/// `GET /devices`.
pub async fn devices(State(app): State<Arc<App>>, caller: Caller, params: Params) -> List<Device> {
    let office = office(&app, &caller, &params)?;
    list(all_devices(&office), &params)
}

pub async fn device(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<Device>> {
    let office = office(&app, &caller, &params)?;
    item(all_devices(&office), |device| device.id == id)
}

/// `GET /locations`: an office is one place.
pub async fn locations(State(app): State<Arc<App>>, caller: Caller, params: Params) -> List<Location> {
    let office = office(&app, &caller, &params)?;
    list(vec![the_location(&office)], &params)
}

pub async fn location(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<Location>> {
    let office = office(&app, &caller, &params)?;
    item(vec![the_location(&office)], |location| location.id == id)
}

pub async fn location_users(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> List<User> {
    let office = located(&app, &caller, &id, &params)?;
    list(office.users.iter().map(|person| users::user(&office, person)).collect(), &params)
}

pub async fn location_devices(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> List<Device> {
    let office = located(&app, &caller, &id, &params)?;
    list(all_devices(&office), &params)
}

pub async fn call_queues(State(app): State<Arc<App>>, caller: Caller, params: Params) -> List<CallQueue> {
    let office = office(&app, &caller, &params)?;
    list(all_queues(&office), &params)
}

pub async fn call_queue(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<CallQueue>> {
    let office = office(&app, &caller, &params)?;
    item(all_queues(&office), |queue| queue.id == id)
}

/// The agents of a queue.
pub async fn call_queue_users(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> List<User> {
    let office = office(&app, &caller, &params)?;
    let queue = office.queues.iter().find(|queue| queue.id == id).ok_or_else(ApiError::not_found)?;
    let lines = queue.line_ids.iter().filter_map(|id| office.line(id));
    let people = lines.filter_map(|line| office.users.iter().find(|person| person.id == line.user_id));
    list(people.map(|person| users::user(&office, person)).collect(), &params)
}

/// Scope, then super admin of the account that `accountKey` names; without it the caller's own.
fn office(app: &App, caller: &Caller, params: &Params) -> ApiResult<Arc<Office>> {
    caller.require(scope::VOICE_ADMIN_READ)?;
    lists::administered(app, caller, params.one("accountKey").unwrap_or(&caller.user.account_key))
}

fn located(app: &App, caller: &Caller, id: &str, params: &Params) -> ApiResult<Arc<Office>> {
    let office = office(app, caller, params)?;
    if the_location(&office).id == id { Ok(office) } else { Err(ApiError::not_found()) }
}

fn list<T>(items: Vec<T>, params: &Params) -> List<T> {
    Ok(Json(lists::page(items, params, limits::VOICE_ADMIN_PAGE_SIZE)?))
}

fn item<T>(items: Vec<T>, wanted: impl Fn(&T) -> bool) -> ApiResult<Json<T>> {
    items.into_iter().find(|item| wanted(item)).map(Json).ok_or_else(ApiError::not_found)
}

/// Lines, ring groups and dial plans; each extension has the id of what it reaches.
fn all_extensions(office: &Office) -> Vec<Extension> {
    let extension = |id: &str, number: &str, name: &str, kind: &str| Extension {
        id: id.to_owned(),
        account_key: office.account_key.clone(),
        organization_id: office.organization_id.clone(),
        number: number.to_owned(),
        name: name.to_owned(),
        // People stand in the directory; what distributes calls does not.
        omit_from_directories: kind != DIRECT_EXTENSION,
        omit_from_auto_attendants: kind != DIRECT_EXTENSION,
        kind: kind.to_owned(),
        extra: Extra::new(),
    };
    let lines = office.lines.iter().map(|l| extension(&l.id, &l.extension, &l.name, DIRECT_EXTENSION));
    let groups = office.ring_groups.iter().map(|g| extension(&g.id, &g.extension, &g.name, "RING_GROUP"));
    let plans = office.dial_plans.iter().map(|p| extension(&p.id, &p.extension, &p.name, "DIAL_PLAN"));
    let queues = office.queues.iter().map(|q| extension(&q.id, &q.extension, &q.name, "CALL_QUEUE"));
    lines.chain(groups).chain(plans).chain(queues).collect()
}

fn all_queues(office: &Office) -> Vec<CallQueue> {
    let queues = office.queues.iter();
    queues
        .map(|queue| CallQueue {
            id: queue.id.clone(),
            account_key: office.account_key.clone(),
            organization_id: office.organization_id.clone(),
            number: queue.extension.clone(),
            name: queue.name.clone(),
        })
        .collect()
}

fn all_numbers(office: &Office) -> Vec<PhoneNumber> {
    let number = |number: &CompanyNumber| {
        let (Route::Line(target) | Route::RingGroup(target) | Route::DialPlan(target) | Route::Queue(target)) =
            &number.route;
        PhoneNumber {
            id: number.id.clone(),
            account_key: office.account_key.clone(),
            organization_id: office.organization_id.clone(),
            number: number.number.clone(),
            name: number.name.clone(),
            caller_id_name: Some(office.name.to_uppercase()),
            route_to: Some(RouteTo { id: target.clone(), kind: "EXTENSION".to_owned(), extra: Extra::new() }),
            status: "ACTIVE".to_owned(),
            extra: Extra::new(),
        }
    };
    office.numbers.iter().map(number).collect()
}

fn all_devices(office: &Office) -> Vec<Device> {
    let location = the_location(office).id;
    let devices = office.lines.iter().flat_map(|line| line.devices.iter().map(move |device| (line, device)));
    devices
        .map(|(line, device)| Device {
            id: device.id.clone(),
            account_key: office.account_key.clone(),
            organization_id: office.organization_id.clone(),
            name: line.name.clone(),
            model: device.model.clone(),
            status: "READY",
            extension_id: line.id.clone(),
            location_id: location.clone(),
        })
        .collect()
}

/// Derived, so that its id stays the same.
fn the_location(office: &Office) -> Location {
    let label = format!("location of {}", office.organization_id);
    Location {
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, label.as_bytes()).to_string(),
        account_key: office.account_key.clone(),
        organization_id: office.organization_id.clone(),
        name: office.name.clone(),
        region: office.region.clone(),
        time_zone: Some(office.time_zone.clone()).filter(|zone| !zone.is_empty()),
    }
}
