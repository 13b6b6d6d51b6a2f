-- The platform's tables, on SQLite and PostgreSQL alike: text, bigint; booleans 0/1; instants in microseconds
-- since 1970 (`_us`); documents as JSON text; secrets as SHA-256 only.

create table accounts (
    account_key text primary key,
    organization_id text not null,
    name text not null,
    -- Position of the newest entry of this account's log.
    log_head bigint not null,
    -- engine::Office as JSON.
    office text not null
);

create table users (
    user_key text primary key,
    user_id text not null,
    account_key text not null,
    email text not null unique,
    name text not null,
    -- Argon2id, PHC string.
    password_hash text not null,
    super_admin bigint not null
);

create table clients (
    client_id text primary key,
    owner_user_key text not null,
    name text not null,
    secret_hash text not null,
    redirect_uris text not null,
    scopes text not null
);

create table consents (
    user_key text not null,
    client_id text not null,
    scopes text not null,
    primary key (user_key, client_id)
);

create table sign_ins (
    sign_in_hash text primary key,
    user_key text not null,
    expires_us bigint not null
);

create table codes (
    code_hash text primary key,
    client_id text not null,
    user_key text not null,
    -- Empty when the authorization request did not name one.
    redirect_uri text not null,
    scopes text not null,
    -- PKCE S256, or empty.
    challenge text not null,
    expires_us bigint not null
);

create table tokens (
    token_hash text primary key,
    -- access | refresh
    kind text not null,
    client_id text not null,
    user_key text not null,
    scopes text not null,
    created_us bigint not null,
    expires_us bigint not null
);
create index tokens_expiry on tokens (expires_us);

create table channels (
    channel_id text primary key,
    nickname text not null,
    user_key text not null,
    application_tag text not null,
    lifetime_s bigint not null,
    created_us bigint not null,
    expires_us bigint not null
);
create index channels_of_user on channels (user_key, created_us);

create table subscriptions (
    id text primary key,
    channel_id text not null,
    -- call-events | call-events-report
    api text not null,
    -- account | user | line | phone-number
    key_kind text not null,
    key_value text not null,
    account_key text not null,
    -- Space-delimited event names.
    events text not null,
    created_us bigint not null,
    unique (channel_id, api, key_kind, key_value)
);

-- How far a channel's reader has confirmed an account's log.
create table cursors (
    channel_id text not null,
    account_key text not null,
    position bigint not null,
    primary key (channel_id, account_key)
);

-- The event log: what happened, in the order in which it became durable.
create table log (
    account_key text not null,
    -- 1, 2, 3 … per account, without holes.
    position bigint not null,
    conversation_space_id text not null,
    -- state | report
    kind text not null,
    sequence_number bigint not null,
    notification_id text not null,
    at_us bigint not null,
    -- Content of the notification as JSON.
    content text not null,
    primary key (account_key, position)
);
create unique index log_of_call on log (conversation_space_id, kind, sequence_number);

create table calls (
    conversation_space_id text primary key,
    account_key text not null,
    created_us bigint not null,
    -- 0 while under way.
    ended_us bigint not null
);
create index calls_under_way on calls (ended_us, account_key, created_us);

create table reports (
    conversation_space_id text primary key,
    account_key text not null,
    call_created_us bigint not null,
    call_ended_us bigint not null,
    outcome text not null,
    summary text not null,
    report text not null
);
create index reports_of_account on reports (account_key, call_ended_us);
