-- Calls of more than a day (limits::LONG_CALL_US): all others that ended in a span of time began at most a day before it,
-- which bounds the search by creation.
create index long_calls on reports (account_key, call_ended_us, call_created_us)
    where call_ended_us - call_created_us > 86400000000;
