//! Who works in an account, and its phones (spec/users-lines-admin.md).

use serde_json::json;
use wire::directory::{AdminMe, Extension, Line, MyAccount, PhoneNumber, ScimMe, User};
use wire::{Page, scope};

use crate::directory::users::Items;
use crate::directory::{admin, scim, users, voice_admin};
use crate::limits;
use crate::openapi::operation::{Operation, op};
use crate::openapi::parameters::{Parameter, account_key, paging, paging_from};
use crate::openapi::routes::Routes;

pub fn routes() -> Routes {
    people().merge(administration()).merge(phones()).merge(places())
}

fn people() -> Routes {
    let lines = "users-lines-response.json";
    Routes::new("Users and lines", "/users/v1")
        .get(
            "/me",
            users::me,
            op("readMe", "Read the caller's accounts with the caller's lines")
                .scope(scope::USERS_READ)
                .answers::<Items<MyAccount>>(200, "One item an account.", "users-me-response.json"),
        )
        .get(
            "/users",
            users::users,
            op("listUsers", "List the users of an account with their lines")
                .scope(scope::USERS_READ)
                .query([Parameter::text("accountKey", "Account key.").required()])
                .query(paging())
                .answers::<Page<User>>(200, "One page.", "users-list-response.json"),
        )
        .get(
            "/users/{key}/lines",
            users::lines_of_user,
            op("listLinesOfUser", "List a user's lines")
                .about("Other people's lines ask for a super admin.")
                .scope(scope::LINES_READ)
                .answers::<Items<Line>>(200, "All of them.", lines),
        )
        .get(
            "/lines",
            users::lines,
            op("listLines", "List the caller's lines").scope(scope::LINES_READ).answers::<Items<Line>>(
                200,
                "All of them.",
                lines,
            ),
        )
}

fn administration() -> Routes {
    Routes::new("Administration", "")
        .get(
            "/admin/rest/v1/me",
            admin::me,
            op("readAdmin", "Read the administrator who signed in")
                .scope(scope::IDENTITY)
                .answers::<AdminMe>(200, "The administrator.", "admin-me-response.json"),
        )
        .get(
            "/admin/rest/v1/accounts/{account_key}/users",
            admin::users,
            op("listAdminUsers", "List the users of an account")
                .scope(scope::IDENTITY)
                .query([
                    Parameter::text("attributes", "Comma list; `key,email` unless given."),
                    Parameter::integer("offset", "Users to leave out at the beginning.", 0, i64::MAX),
                    Parameter::integer(
                        "pageSize",
                        format!("At most {0}, which it is unless given.", limits::ADMIN_PAGE_SIZE),
                        1,
                        i64::MAX,
                    ),
                ])
                .answers::<admin::People>(200, "One page.", "admin-account-users-response.json"),
        )
        .get(
            "/identity/v1/Users/me",
            scim::me,
            op("readScimMe", "Read one's own record, with the account keys")
                .scope(scope::SCIM_ME)
                .answers::<ScimMe>(200, "The record.", "scim-me-response.json"),
        )
}

fn list(id: &'static str, summary: &'static str) -> Operation {
    op(id, summary)
        .scope(scope::VOICE_ADMIN_READ)
        .query([account_key()])
        .query(paging_from(limits::VOICE_ADMIN_PAGE_SIZE))
}

fn item(id: &'static str, summary: &'static str) -> Operation {
    op(id, summary).scope(scope::VOICE_ADMIN_READ).query([account_key()])
}

fn phones() -> Routes {
    let kinds = json!({"type": "array", "items": {"type": "string"}});
    Routes::new("Voice admin", "/voice-admin/v1")
        .get(
            "/accounts",
            voice_admin::accounts,
            list("listAccounts", "List accounts").answers::<Page<voice_admin::Account>>(200, "One page.", ""),
        )
        .get(
            "/extensions",
            voice_admin::extensions,
            list("listExtensions", "List extensions")
                .query([Parameter::new("type", "Of these types; a comma list works too.", kinds)])
                .answers::<Page<Extension>>(200, "One page.", "voice-admin-extensions-response.json"),
        )
        .get(
            "/extensions/{id}",
            voice_admin::extension,
            item("readExtension", "Read an extension").answers::<Extension>(200, "The extension.", ""),
        )
        .get(
            "/phone-numbers",
            voice_admin::phone_numbers,
            list("listPhoneNumbers", "List phone numbers")
                .query([
                    Parameter::repeated("targetExtensionId", "That ring at these extensions."),
                    Parameter::repeated("number", "These numbers, E.164."),
                ])
                .answers::<Page<PhoneNumber>>(200, "One page.", "voice-admin-phone-numbers-response.json"),
        )
        .get(
            "/phone-numbers/{id}",
            voice_admin::phone_number,
            item("readPhoneNumber", "Read a phone number").answers::<PhoneNumber>(200, "The number.", ""),
        )
        .get(
            "/devices",
            voice_admin::devices,
            list("listDevices", "List devices").answers::<Page<voice_admin::Device>>(200, "One page.", ""),
        )
        .get(
            "/devices/{id}",
            voice_admin::device,
            item("readDevice", "Read a device").answers::<voice_admin::Device>(200, "The device.", ""),
        )
}

fn places() -> Routes {
    Routes::new("Voice admin", "/voice-admin/v1")
        .get(
            "/locations",
            voice_admin::locations,
            list("listLocations", "List locations").answers::<Page<voice_admin::Location>>(
                200,
                "One page.",
                "",
            ),
        )
        .get(
            "/locations/{id}",
            voice_admin::location,
            item("readLocation", "Read a location").answers::<voice_admin::Location>(
                200,
                "The location.",
                "",
            ),
        )
        .get(
            "/locations/{id}/users",
            voice_admin::location_users,
            list("listUsersOfLocation", "List the users of a location").answers::<Page<User>>(
                200,
                "One page.",
                "",
            ),
        )
        .get(
            "/locations/{id}/devices",
            voice_admin::location_devices,
            list("listDevicesOfLocation", "List the devices of a location")
                .answers::<Page<voice_admin::Device>>(200, "One page.", ""),
        )
        .get(
            "/call-queues",
            voice_admin::call_queues,
            list("listCallQueues", "List call queues").answers::<Page<voice_admin::CallQueue>>(
                200,
                "One page.",
                "",
            ),
        )
        .get(
            "/call-queues/{id}",
            voice_admin::call_queue,
            item("readCallQueue", "Read a call queue").answers::<voice_admin::CallQueue>(
                200,
                "The queue.",
                "",
            ),
        )
        .get(
            "/call-queues/{id}/users",
            voice_admin::call_queue_users,
            list("listUsersOfCallQueue", "List the users of a call queue").answers::<Page<User>>(
                200,
                "One page.",
                "",
            ),
        )
}
