-- Finding finished calls by who was in them, and call history.

-- Whose a report is: the users, lines and company numbers of its summary.
create table report_parties (
    conversation_space_id text not null,
    -- user | line | phone-number
    kind text not null,
    value text not null,
    primary key (conversation_space_id, kind, value)
);
create index reports_by_creation on reports (account_key, call_created_us, conversation_space_id);

-- One row per leg of a user, written with the report of its call.
create table call_history (
    account_key text not null,
    user_key text not null,
    started_us bigint not null,
    leg_id text not null,
    conversation_space_id text not null,
    extension text not null,
    -- wire::call_history::HistoryCall as JSON.
    content text not null,
    primary key (account_key, user_key, started_us, leg_id)
);
create index call_history_of_call on call_history (conversation_space_id);
