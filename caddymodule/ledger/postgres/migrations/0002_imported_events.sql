-- Version 2: events that came from another ledger keep the id that they had there.
-- Older binaries go on working: they tell of such an event under another id, so
-- copy a ledger only once all of them are over.
-- Whoever records orders needs SELECT, INSERT, UPDATE, DELETE on event_ids, too.
--
--   psql -1 -v ON_ERROR_STOP=1 -c 'SET search_path TO alipay, pg_temp' -f 0002_imported_events.sql

ALTER TABLE events ADD COLUMN public_id text COLLATE "C";

CREATE TABLE event_ids (
    public_id text    PRIMARY KEY COLLATE "C",
    order_id  bigint  NOT NULL,
    sequence  integer NOT NULL
);

INSERT INTO migrations (version, oldest) VALUES (2, 1);
