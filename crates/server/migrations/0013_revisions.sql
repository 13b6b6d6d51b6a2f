-- A transcript can come later than its recording; those of before came with it.
alter table recordings add column transcript_ready bigint not null default 1;
