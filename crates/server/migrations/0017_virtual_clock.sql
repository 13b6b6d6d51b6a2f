-- One row on a platform with a virtual clock: where it stood last.
create table virtual_clock (
    id bigint primary key,
    now_us bigint not null
);
