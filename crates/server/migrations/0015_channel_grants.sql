-- Which client made a channel, by which grant: with them the channel ends. Empty for channels of before.
alter table channels add column client_id text not null default '';
alter table channels add column grant_id text not null default '';
create index channels_of_client on channels (client_id, grant_id);
-- How many notifications of durable webhooks wait is counted whenever the numbers are read.
create index webhook_deliveries_pending on webhook_deliveries (channel_id) where state = 'pending';
