-- Where in its account's log a subscription begins: what lies before is none of its business.
alter table subscriptions add column since_position bigint not null default 0;
