-- Version 2: events that came from another ledger keep the id that they had there.
-- Older binaries go on working until the first such event comes: they would tell of
-- it under another id, so "oldest" is 2 from then on.
-- Whoever records orders needs SELECT, INSERT, UPDATE, DELETE on aliases, too.
--
--   psql -1 -v ON_ERROR_STOP=1 -c 'SET search_path TO alipay, pg_temp' -f 0002_imported_events.sql

ALTER TABLE events ADD COLUMN public_id text COLLATE "C";

CREATE TABLE aliases (
    public_id text    PRIMARY KEY COLLATE "C",
    order_id  bigint  NOT NULL,
    sequence  integer NOT NULL
);

INSERT INTO migrations (version, oldest) VALUES (2, 1);
