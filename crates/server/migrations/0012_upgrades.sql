-- Steps of an upgrade that SQL alone cannot take, once they are done.
create table upgrade_steps (
    step text primary key,
    done_us bigint not null
);
