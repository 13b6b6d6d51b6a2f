//! The endpoint tables of the spec as data: one row, one [`Row`].
//!
//! `{names}` stand for what the story has prepared: `{account}`, `{user}`, `{member}` (user keys), `{channel}` (with a
//! subscription of each API), `{bare}` (with none), `{webhook}`, `{space}` (a finished, recorded call), `{recording}`,
//! `{history}` and `{recordings}` (ids of subscriptions), `{extension}`, `{number}`, `{device}`, `{location}`.

/// A request that fails in a documented way: path, body, status, error code.
pub type Failure = (&'static str, &'static str, u16, &'static str);

pub struct Row {
    pub method: &'static str,
    pub path: &'static str,
    /// Empty: none is sent.
    pub body: &'static str,
    /// Empty: any valid token will do.
    pub scope: &'static str,
    pub status: u16,
    pub failures: &'static [Failure],
}

const fn row(
    (method, path): (&'static str, &'static str),
    body: &'static str,
    scope: &'static str,
    status: u16,
    failures: &'static [Failure],
) -> Row {
    Row { method, path, body, scope, status, failures }
}

const MANAGE: &str = "call-events.v1.notifications.manage";
const EVENTS: &str = "call-events.v1.events.read";
const REPORTS: &str = "cr.v1.read";
const HISTORY: &str = "call-history.v1.notifications.manage";
const RECORDING: &str = "recording.v1.read";
const RECORDINGS: &str = "recording.v1.notifications.manage";
const USERS: &str = "users.v1.read";
const LINES: &str = "users.v1.lines.read";
const ADMIN: &str = "identity:";
const SCIM: &str = "identity:scim.me";
const VOICE: &str = "voice-admin.v1.read";

const NO_CHANNEL: &str = "RTC-NOTIFICATION-CHANNEL-NOT-FOUND";
const CHANNELS: &str = "/notification-channel/v1/channels";
const SOCKET: &str = r#"{"channelType": "WebSocket"}"#;
const EVENTS_BODY: &str =
    r#"{"channelId": "{bare}", "accountKeys": [{"id": "{account}", "events": ["STARTING"]}]}"#;
const REPORTS_BODY: &str = r#"{"channelId": "{bare}", "accountKeys": ["{account}"]}"#;
const KEYS_BODY: &str = r#"{"accountKey": "{account}", "channelId": "{bare}"}"#;

/// spec/notification-channel.md, Endpoints.
#[rustfmt::skip]
pub const NOTIFICATION_CHANNEL: &[Row] = &[
    row(("POST", "/notification-channel/v1/channels/demo"), SOCKET, "", 201, &[
        ("/notification-channel/v1/channels/demo", "{", 400, "MALFORMED_REQUEST"),
        ("/notification-channel/v1/channels/demo", "{}", 400, "BAD_REQUEST"),
        ("/notification-channel/v1/channels/demo", r#"{"channelType": "Pigeon"}"#, 400, "BAD_REQUEST"),
        ("/notification-channel/v1/channels/demo", r#"{"channelType": "WebSocket", "channelLifetime": 1}"#, 400, "BAD_REQUEST"),
        ("/notification-channel/v1/channels/demo", r#"{"channelType": "Webhook"}"#, 400, "BAD_REQUEST"),
    ]),
    row(("POST", CHANNELS), SOCKET, "", 201, &[(CHANNELS, "[]", 400, "MALFORMED_REQUEST")]),
    row(("PUT", "/notification-channel/v1/channels/demo/{channel}"), SOCKET, "", 200, &[
        ("/notification-channel/v1/channels/demo/0none", SOCKET, 404, NO_CHANNEL),
        ("/notification-channel/v1/channels/other/{channel}", SOCKET, 404, NO_CHANNEL),
        ("/notification-channel/v1/channels/demo/{channel}", r#"{"channelType": 5}"#, 400, "MALFORMED_REQUEST"),
    ]),
    row(("GET", "/notification-channel/v1/channels/demo/{channel}"), "", "", 200, &[
        ("/notification-channel/v1/channels/demo/0none", "", 404, NO_CHANNEL),
    ]),
    row(("GET", "/notification-channel/v1/channels?pageSize=2"), "", "", 200, &[
        ("/notification-channel/v1/channels?pageSize=0", "", 400, "BAD_REQUEST"),
        ("/notification-channel/v1/channels?pageMarker=x", "", 400, "BAD_REQUEST"),
    ]),
    row(("GET", "/notification-channel/v1/channels/demo"), "", "", 200, &[
        ("/notification-channel/v1/channels/nobody", "", 404, NO_CHANNEL),
    ]),
    row(("DELETE", "/notification-channel/v1/channels/demo/{channel}"), "", "", 204, &[
        ("/notification-channel/v1/channels/demo/{channel}", "", 404, NO_CHANNEL),
    ]),
    row(("GET", "/notification-channel/v1/channels/demo/{channel}/channel-lifetime"), "", "", 200, &[
        ("/notification-channel/v1/channels/demo/0none/channel-lifetime", "", 404, NO_CHANNEL),
    ]),
    row(("PUT", "/notification-channel/v1/channels/demo/{channel}/channel-lifetime"), r#"{"channelLifetime": 600}"#, "", 200, &[
        ("/notification-channel/v1/channels/demo/{channel}/channel-lifetime", r#"{"channelLifetime": 1}"#, 400, "BAD_REQUEST"),
        ("/notification-channel/v1/channels/demo/{channel}/channel-lifetime", "{}", 400, "MALFORMED_REQUEST"),
        ("/notification-channel/v1/channels/demo/0none/channel-lifetime", r#"{"channelLifetime": 600}"#, 404, NO_CHANNEL),
    ]),
];

/// spec/call-events.md, Endpoints.
#[rustfmt::skip]
pub const CALL_EVENTS: &[Row] = &[
    row(("POST", "/call-events/v1/subscriptions"), EVENTS_BODY, MANAGE, 207, &[
        ("/call-events/v1/subscriptions", r#"{"channelId": "{bare}", "accountKeys": [{"id": "1", "events": ["REPORT_SUMMARY"]}]}"#, 400, "BAD_REQUEST"),
        ("/call-events/v1/subscriptions", REPORTS_BODY, 400, "MALFORMED_REQUEST"),
        ("/call-events/v1/subscriptions", r#"{"accountKeys": [{"id": "{account}"}]}"#, 400, "BAD_REQUEST"),
        ("/call-events/v1/subscriptions", r#"{"channelId": "0none", "accountKeys": [{"id": "{account}"}]}"#, 404, NO_CHANNEL),
    ]),
    row(("GET", "/call-events/v1/subscriptions?channelId={channel}"), "", MANAGE, 200, &[
        ("/call-events/v1/subscriptions", "", 400, "BAD_REQUEST"),
        ("/call-events/v1/subscriptions?channelId=0none", "", 404, NO_CHANNEL),
    ]),
    row(("DELETE", "/call-events/v1/subscriptions?channelId={channel}&accountKey={account}"), "", MANAGE, 204, &[
        ("/call-events/v1/subscriptions?channelId={bare}", "", 404, "NOT_FOUND"),
        ("/call-events/v1/subscriptions", "", 400, "BAD_REQUEST"),
    ]),
    row(("GET", "/call-events/v1/conversation-spaces?accountKey={account}"), "", EVENTS, 200, &[
        ("/call-events/v1/conversation-spaces", "", 400, "BAD_REQUEST"),
        ("/call-events/v1/conversation-spaces?accountKey=1", "", 403, "UNAUTHORIZED"),
    ]),
    row(("GET", "/call-events/v1/conversation-spaces/{space}/events?sequenceFrom=2&sequenceTo=3"), "", EVENTS, 200, &[
        ("/call-events/v1/conversation-spaces/{space}/events?sequenceFrom=x", "", 400, "BAD_REQUEST"),
        ("/call-events/v1/conversation-spaces/none/events", "", 404, "NOT_FOUND"),
    ]),
];

/// spec/call-events.md, Recordings and transcripts.
#[rustfmt::skip]
pub const RECORDING_API: &[Row] = &[
    row(("POST", "/recording/v1/subscriptions"), KEYS_BODY, RECORDINGS, 201, &[
        ("/recording/v1/subscriptions", r#"{"accountKey": "{account}", "channelId": "{channel}"}"#, 409, "CONFLICT"),
        ("/recording/v1/subscriptions", r#"{"channelId": "{bare}"}"#, 400, "BAD_REQUEST"),
        ("/recording/v1/subscriptions", r#"{"accountKey": "1", "channelId": "{bare}"}"#, 403, "UNAUTHORIZED"),
        ("/recording/v1/subscriptions", r#"{"accountKey": "{account}", "channelId": "0none"}"#, 404, NO_CHANNEL),
    ]),
    row(("GET", "/recording/v1/subscriptions?pageSize=10"), "", RECORDINGS, 200, &[
        ("/recording/v1/subscriptions?pageSize=101", "", 400, "BAD_REQUEST"),
    ]),
    row(("DELETE", "/recording/v1/subscriptions/{recordings}"), "", RECORDINGS, 204, &[
        ("/recording/v1/subscriptions/none", "", 404, "NOT_FOUND"),
    ]),
    row(("GET", "/recording/v1/recordings/{recording}"), "", RECORDING, 200, &[
        ("/recording/v1/recordings/none", "", 404, "NOT_FOUND"),
    ]),
    row(("GET", "/recording/v1/recordings/{recording}/content"), "", RECORDING, 200, &[
        ("/recording/v1/recordings/none/content", "", 404, "NOT_FOUND"),
    ]),
    row(("GET", "/recording/v1/transcriptions/{recording}"), "", RECORDING, 302, &[
        ("/recording/v1/transcriptions/none", "", 404, "NOT_FOUND"),
    ]),
];

/// spec/call-events-report.md, Endpoints.
#[rustfmt::skip]
pub const REPORT_API: &[Row] = &[
    row(("POST", "/call-events-report/v1/subscriptions"), REPORTS_BODY, MANAGE, 201, &[
        ("/call-events-report/v1/subscriptions", r#"{"channelId": "{bare}"}"#, 400, "BAD_REQUEST"),
        ("/call-events-report/v1/subscriptions", EVENTS_BODY, 400, "MALFORMED_REQUEST"),
        ("/call-events-report/v1/subscriptions", r#"{"channelId": "0none", "accountKeys": ["{account}"]}"#, 404, NO_CHANNEL),
    ]),
    row(("GET", "/call-events-report/v1/subscriptions?channelId={channel}&eventType=REPORT_SUMMARY"), "", MANAGE, 200, &[
        ("/call-events-report/v1/subscriptions", "", 400, "BAD_REQUEST"),
        ("/call-events-report/v1/subscriptions?channelId=0none", "", 404, NO_CHANNEL),
    ]),
    row(("DELETE", "/call-events-report/v1/subscriptions?channelId={channel}&accountKey={account}"), "", MANAGE, 204, &[
        ("/call-events-report/v1/subscriptions?channelId={bare}", "", 404, "NOT_FOUND"),
        ("/call-events-report/v1/subscriptions", "", 400, "BAD_REQUEST"),
    ]),
    row(("GET", "/call-events-report/v1/report-summaries?accountKey={account}&startTime=2020-01-01T00:00:00Z&endTime=2020-01-31T00:00:00Z"), "", REPORTS, 200, &[
        ("/call-events-report/v1/report-summaries?accountKey={account}", "", 400, "BAD_REQUEST"),
        ("/call-events-report/v1/report-summaries?accountKey={account}&startTime=2020-01-01T00:00:00Z&endTime=2020-03-01T00:00:00Z", "", 400, "BAD_REQUEST"),
        ("/call-events-report/v1/report-summaries?accountKey=1&startTime=2020-01-01T00:00:00Z&endTime=2020-01-31T00:00:00Z", "", 403, "UNAUTHORIZED"),
    ]),
    row(("GET", "/call-events-report/v1/reports/{space}"), "", REPORTS, 200, &[
        ("/call-events-report/v1/reports/none", "", 404, "NOT_FOUND"),
    ]),
];

/// spec/call-history.md.
#[rustfmt::skip]
pub const HISTORY_API: &[Row] = &[
    row(("GET", "/call-history/v1/calls?accountKey={account}&userKey={member}"), "", REPORTS, 200, &[
        ("/call-history/v1/calls", "", 400, "BAD_REQUEST"),
        ("/call-history/v1/calls?accountKey=1", "", 403, "UNAUTHORIZED"),
        ("/call-history/v1/calls?accountKey={account}&extension=1&extension=1", "", 400, "BAD_REQUEST"),
    ]),
    row(("POST", "/call-history/v1/subscriptions"), KEYS_BODY, HISTORY, 201, &[
        ("/call-history/v1/subscriptions", r#"{"channelId": "{bare}"}"#, 400, "BAD_REQUEST"),
        ("/call-history/v1/subscriptions", r#"{"accountKey": "1", "channelId": "{bare}"}"#, 403, "UNAUTHORIZED"),
        ("/call-history/v1/subscriptions", r#"{"accountKey": "{account}", "channelId": "0none"}"#, 404, NO_CHANNEL),
    ]),
    row(("PUT", "/call-history/v1/subscriptions/{history}"), KEYS_BODY, HISTORY, 200, &[
        ("/call-history/v1/subscriptions/none", KEYS_BODY, 404, "NOT_FOUND"),
        ("/call-history/v1/subscriptions/{history}", "{}", 400, "BAD_REQUEST"),
    ]),
    row(("DELETE", "/call-history/v1/subscriptions/{history}"), "", HISTORY, 204, &[
        ("/call-history/v1/subscriptions/none", "", 404, "NOT_FOUND"),
    ]),
];

/// spec/users-lines-admin.md, Users and lines; Admin API. spec/oauth.md, Where account keys come from.
#[rustfmt::skip]
pub const DIRECTORY: &[Row] = &[
    row(("GET", "/users/v1/users?accountKey={account}"), "", USERS, 200, &[
        ("/users/v1/users", "", 400, "BAD_REQUEST"),
        ("/users/v1/users?accountKey=1", "", 403, "UNAUTHORIZED"),
    ]),
    row(("GET", "/users/v1/lines"), "", LINES, 200, &[]),
    row(("GET", "/users/v1/users/{member}/lines"), "", LINES, 200, &[("/users/v1/users/1/lines", "", 404, "NOT_FOUND")]),
    row(("GET", "/users/v1/me"), "", USERS, 200, &[]),
    row(("GET", "/admin/rest/v1/me"), "", ADMIN, 200, &[]),
    row(("GET", "/admin/rest/v1/accounts/{account}/users?attributes=key,email&offset=0&pageSize=3"), "", ADMIN, 200, &[
        ("/admin/rest/v1/accounts/1/users", "", 403, "UNAUTHORIZED"),
        ("/admin/rest/v1/accounts/{account}/users?offset=-1", "", 400, "BAD_REQUEST"),
    ]),
    row(("GET", "/identity/v1/Users/me"), "", SCIM, 200, &[]),
];

/// spec/users-lines-admin.md, Voice Admin, reading. Items of queues stand in the story: an office may have none.
#[rustfmt::skip]
pub const VOICE_ADMIN: &[Row] = &[
    row(("GET", "/voice-admin/v1/accounts"), "", VOICE, 200, &[]),
    row(("GET", "/voice-admin/v1/extensions?accountKey={account}&type=DIRECT_EXTENSION,RING_GROUP"), "", VOICE, 200, &[
        ("/voice-admin/v1/extensions?accountKey=1", "", 403, "UNAUTHORIZED"),
        ("/voice-admin/v1/extensions?pageSize=x", "", 400, "BAD_REQUEST"),
    ]),
    row(("GET", "/voice-admin/v1/extensions/{extension}"), "", VOICE, 200, &[("/voice-admin/v1/extensions/none", "", 404, "NOT_FOUND")]),
    row(("GET", "/voice-admin/v1/phone-numbers?accountKey={account}"), "", VOICE, 200, &[]),
    row(("GET", "/voice-admin/v1/phone-numbers/{number}"), "", VOICE, 200, &[("/voice-admin/v1/phone-numbers/none", "", 404, "NOT_FOUND")]),
    row(("GET", "/voice-admin/v1/devices"), "", VOICE, 200, &[]),
    row(("GET", "/voice-admin/v1/devices/{device}"), "", VOICE, 200, &[("/voice-admin/v1/devices/none", "", 404, "NOT_FOUND")]),
    row(("GET", "/voice-admin/v1/locations"), "", VOICE, 200, &[]),
    row(("GET", "/voice-admin/v1/locations/{location}"), "", VOICE, 200, &[("/voice-admin/v1/locations/none", "", 404, "NOT_FOUND")]),
    row(("GET", "/voice-admin/v1/locations/{location}/users"), "", VOICE, 200, &[("/voice-admin/v1/locations/none/users", "", 404, "NOT_FOUND")]),
    row(("GET", "/voice-admin/v1/locations/{location}/devices"), "", VOICE, 200, &[("/voice-admin/v1/locations/none/devices", "", 404, "NOT_FOUND")]),
    row(("GET", "/voice-admin/v1/call-queues"), "", VOICE, 200, &[
        ("/voice-admin/v1/call-queues/none", "", 404, "NOT_FOUND"),
        ("/voice-admin/v1/call-queues/none/users", "", 404, "NOT_FOUND"),
    ]),
];

/// Rows that the spec lists and Callfeed does not serve: changes of the telephone system, and APIs beside call events.
#[rustfmt::skip]
pub const NOT_SERVED: &[(&str, &str)] = &[
    ("POST", "/voice-admin/v1/extensions"), ("PATCH", "/voice-admin/v1/extensions/{extension}"),
    ("DELETE", "/voice-admin/v1/extensions/{extension}"),
    ("GET", "/voice-admin/v1/extensions/{extension}/find-me-follow-me"),
    ("GET", "/voice-admin/v1/extensions/{extension}/voicemail"),
    ("POST", "/voice-admin/v1/phone-numbers"), ("PATCH", "/voice-admin/v1/phone-numbers/{number}"),
    ("GET", "/voice-admin/v1/phone-number-orders"), ("GET", "/voice-admin/v1/phone-number-orders/1"),
    ("POST", "/voice-admin/v1/devices"), ("PATCH", "/voice-admin/v1/devices/{device}"),
    ("POST", "/voice-admin/v1/devices/{device}/reboot"), ("POST", "/voice-admin/v1/devices/{device}/resync"),
    ("GET", "/voice-admin/v1/devices/{device}/buttons-configuration"),
    ("GET", "/voice-admin/v1/device-models"), ("GET", "/voice-admin/v1/billing-groups"),
    ("POST", "/voice-admin/v1/locations"), ("PATCH", "/voice-admin/v1/locations/{location}"),
    ("DELETE", "/voice-admin/v1/locations/{location}"),
    ("GET", "/voice-admin/v1/shared-voicemails"), ("GET", "/voice-admin/v1/virtual-fax-machines"),
    ("GET", "/voice-admin/v1/sms-registrations"),
    ("GET", "/call-reports/v1/reports/user-activity"), ("GET", "/call-reports/v1/reports/phone-number-activity"),
    ("GET", "/call-reports/v1/reports/caller-activity"), ("GET", "/call-parking/v1/parked-calls"),
    ("POST", "/messaging/v1/subscriptions"),
];
