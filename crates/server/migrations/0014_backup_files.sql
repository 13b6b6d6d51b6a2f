-- Files of the data folder that a backup carries with it, until a start puts them back. Empty in a database in use.
create table backup_files (
    name text primary key,
    content text not null
);
