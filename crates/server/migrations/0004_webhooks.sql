-- Webhook channels: what a channel needs besides its row in `channels`, and the durable ones' deliveries.

create table webhooks (
    channel_id text primary key,
    user_key text not null,
    nickname text not null,
    -- A secret of its receiver: its path is what tells true notifications from false ones.
    url text not null,
    -- Since when the receiver answers 404 or 410; 0 while it does not.
    unreachable_us bigint not null,
    -- 1: failed notifications are kept and tried again for days.
    durable bigint not null,
    -- Signing keys as JSON, or empty. Unlike other secrets they cannot be hashed: each delivery signs with them.
    signing text not null,
    unique (user_key, nickname, url)
);

-- Notifications of durable webhook channels; their content stays in the log.
create table webhook_deliveries (
    channel_id text not null,
    notification_id text not null,
    account_key text not null,
    position bigint not null,
    conversation_space_id text not null,
    -- pending | delivered | failed
    state text not null,
    -- Since it was last set to pending by hand; the place in the schedule.
    tries bigint not null,
    -- All of them.
    attempts bigint not null,
    -- Not before this.
    next_us bigint not null,
    created_us bigint not null,
    primary key (channel_id, notification_id)
);
create index webhook_deliveries_due on webhook_deliveries (channel_id, state, position);
create index webhook_deliveries_of_call
    on webhook_deliveries (channel_id, conversation_space_id, state, position);
create index webhook_deliveries_by_age on webhook_deliveries (channel_id, created_us);

create table webhook_attempts (
    channel_id text not null,
    notification_id text not null,
    number bigint not null,
    at_us bigint not null,
    duration_ms bigint not null,
    -- 0 when no answer came.
    status bigint not null,
    -- Why no answer came, or empty.
    error text not null,
    primary key (channel_id, notification_id, number)
);
create index webhook_attempts_by_time on webhook_attempts (channel_id, at_us);
