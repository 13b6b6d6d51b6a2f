-- Recordings of finished calls, and the tokens by which their content is fetched.

create table recordings (
    recording_id text primary key,
    account_key text not null,
    conversation_space_id text not null,
    -- Milliseconds from the start of the recording until its leg left.
    duration_ms bigint not null
);
create index recordings_of_call on recordings (conversation_space_id);

create table recording_tokens (
    token_hash text primary key,
    recording_id text not null,
    expires_us bigint not null
);
create index recording_tokens_expiry on recording_tokens (expires_us);
