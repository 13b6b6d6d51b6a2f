//! The scenarios that come with Callfeed, each a file.

/// Name and text, in the order in which they are listed for people.
const LIBRARY: [(&str, &str); 30] = [
    ("answered", include_str!("../../scenarios/answered.toml")),
    ("missed", include_str!("../../scenarios/missed.toml")),
    ("outbound", include_str!("../../scenarios/outbound.toml")),
    ("outbound-unanswered", include_str!("../../scenarios/outbound-unanswered.toml")),
    ("internal", include_str!("../../scenarios/internal.toml")),
    ("anonymous", include_str!("../../scenarios/anonymous.toml")),
    ("two-devices", include_str!("../../scenarios/two-devices.toml")),
    ("ring-group", include_str!("../../scenarios/ring-group.toml")),
    ("hunt-overflow", include_str!("../../scenarios/hunt-overflow.toml")),
    ("dial-plan", include_str!("../../scenarios/dial-plan.toml")),
    ("menu-hangup", include_str!("../../scenarios/menu-hangup.toml")),
    ("queue-abandoned", include_str!("../../scenarios/queue-abandoned.toml")),
    ("queue-retry", include_str!("../../scenarios/queue-retry.toml")),
    ("voicemail", include_str!("../../scenarios/voicemail.toml")),
    ("voicemail-failed", include_str!("../../scenarios/voicemail-failed.toml")),
    ("answered-then-voicemail", include_str!("../../scenarios/answered-then-voicemail.toml")),
    ("blind-transfer", include_str!("../../scenarios/blind-transfer.toml")),
    ("attended-transfer", include_str!("../../scenarios/attended-transfer.toml")),
    ("cancelled-transfer", include_str!("../../scenarios/cancelled-transfer.toml")),
    ("hold", include_str!("../../scenarios/hold.toml")),
    ("park-and-pickup", include_str!("../../scenarios/park-and-pickup.toml")),
    ("conference", include_str!("../../scenarios/conference.toml")),
    ("recording-revision", include_str!("../../scenarios/recording-revision.toml")),
    ("late-transcript", include_str!("../../scenarios/late-transcript.toml")),
    ("five-seconds", include_str!("../../scenarios/five-seconds.toml")),
    ("three-hours", include_str!("../../scenarios/three-hours.toml")),
    ("over-midnight", include_str!("../../scenarios/over-midnight.toml")),
    ("dst-switch", include_str!("../../scenarios/dst-switch.toml")),
    ("back-to-back", include_str!("../../scenarios/back-to-back.toml")),
    ("burst", include_str!("../../scenarios/burst.toml")),
];

/// Names of the library's scenarios.
pub fn names() -> impl Iterator<Item = &'static str> {
    LIBRARY.iter().map(|(name, _)| *name)
}

/// The file of a scenario of the library.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
