//! Scopes as the client form offers them, with their purposes (spec/oauth.md, Scopes).

pub const CALL_EVENTS_MANAGE: &str = "call-events.v1.notifications.manage";
pub const CALL_EVENTS_READ: &str = "call-events.v1.events.read";
pub const REPORTS_READ: &str = "cr.v1.read";
pub const USERS_READ: &str = "users.v1.read";
pub const LINES_READ: &str = "users.v1.lines.read";
pub const IDENTITY: &str = "identity:";
pub const SCIM_ME: &str = "identity:scim.me";
pub const VOICE_ADMIN_READ: &str = "voice-admin.v1.read";
pub const RECORDING_READ: &str = "recording.v1.read";
pub const RECORDING_MANAGE: &str = "recording.v1.notifications.manage";
pub const CALL_HISTORY_MANAGE: &str = "call-history.v1.notifications.manage";

/// What the two tutorials ask for.
pub const TUTORIALS: [&str; 3] = [CALL_EVENTS_MANAGE, CALL_EVENTS_READ, REPORTS_READ];

/// Every scope of the table, grouped by product, each with what it allows in words for the consent page.
pub const ALL: &[(&str, &str)] = &[
    (CALL_EVENTS_MANAGE, "Be notified of calls and of call reports"),
    (CALL_EVENTS_READ, "See calls under way"),
    (REPORTS_READ, "Read call history and call reports"),
    (CALL_HISTORY_MANAGE, "Be notified of call history"),
    (RECORDING_READ, "Read recordings and transcripts"),
    (RECORDING_MANAGE, "Be notified of recordings"),
    (USERS_READ, "See users"),
    (LINES_READ, "See lines"),
    (VOICE_ADMIN_READ, "See numbers, extensions, queues, devices and locations"),
    ("voice-admin.v1.write", "Change numbers, extensions, queues, devices and locations"),
    ("call-control.v1.calls.control", "Control calls"),
    ("calls.v2.initiate", "Start calls"),
    ("call-parking.v1.read", "See parked calls"),
    ("call-parking.v1.notifications.manage", "Be notified of parked calls"),
    ("presence.v1.read", "See presence"),
    ("presence.v1.write", "Change presence"),
    ("presence.v1.notifications.manage", "Be notified of presence"),
    ("voicemail.v1.voicemails.read", "Read voicemail"),
    ("voicemail.v1.voicemails.write", "Change voicemail"),
    ("voicemail.v1.notifications.manage", "Be notified of voicemail"),
    ("messaging.v1.read", "Read messages"),
    ("messaging.v1.write", "Change messages"),
    ("messaging.v1.send", "Send messages"),
    ("messaging.v1.notifications.manage", "Be notified of messages"),
    ("fax.v1.read", "Read faxes"),
    ("fax.v1.write", "Change faxes"),
    ("fax.v1.notifications.manage", "Be notified of faxes"),
    ("contacts.v1.read", "Read contacts"),
    ("contacts.v1.write", "Change contacts"),
    ("webrtc.v1.read", "See WebRTC devices and calls"),
    ("webrtc.v1.write", "Use WebRTC devices and calls"),
    ("queue-caller.v1.read", "See callers in queues"),
    ("cc-analytics.v1.agent-status.read", "See the status of agents"),
    ("asset.v1.notifications.manage", "Be notified of contact center changes"),
    (IDENTITY, "See the users of the account"),
    (SCIM_ME, "See your own user record"),
    ("identity:scim.org", "See the users of the organization"),
    ("collab:", "Use collaboration products"),
    ("support:", "Use support products"),
];
