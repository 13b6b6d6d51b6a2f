-- What clients may do and how their secrets change; personal access tokens; sessions of the client portal.

-- Space-delimited: authorization_code, refresh_token, personal_access_token, implicit.
alter table clients add column grants text not null default 'authorization_code refresh_token';
alter table clients add column description text not null default '';
alter table clients add column created_us bigint not null default 0;
create index clients_of_owner on clients (owner_user_key, created_us);

-- Secrets that were replaced and still work for a while.
create table client_secrets (
    secret_hash text primary key,
    client_id text not null,
    until_us bigint not null
);
create index client_secrets_of_client on client_secrets (client_id);

-- What a token came from: the hash of the code, or the id of the personal access token; a refresh inherits it.
alter table tokens add column grant_id text not null default '';
-- Grant type that the first token of this grant was issued for.
alter table tokens add column grant_type text not null default 'authorization_code';
create index tokens_of_grant on tokens (grant_id);
create index tokens_of_client on tokens (client_id);

create table personal_access_tokens (
    pat_id text primary key,
    pat_hash text not null unique,
    user_key text not null,
    name text not null,
    scopes text not null,
    created_us bigint not null,
    -- 0 if never.
    used_us bigint not null
);
create index personal_access_tokens_of_user on personal_access_tokens (user_key, created_us);

create table portal_sessions (
    session_hash text primary key,
    user_key text not null,
    expires_us bigint not null
);
create index portal_sessions_expiry on portal_sessions (expires_us);
