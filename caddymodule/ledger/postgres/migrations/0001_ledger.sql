-- The ledger, version 1. By hand, as the schema's owner:
--
--   psql -1 -v ON_ERROR_STOP=1 -c 'CREATE SCHEMA alipay; SET search_path TO alipay, pg_temp' -f 0001_ledger.sql
--
-- Whoever records orders needs USAGE on the schema and on its sequence, and
-- SELECT, INSERT, UPDATE, DELETE on its tables.
--
-- Times are timestamptz, amounts are fen. Names that other people give (order
-- and trade numbers, above all) are text; one that is no valid UTF-8, or begins
-- with \x, is kept as \x and its bytes in hexadecimal.

-- The steps that have been run. A binary that knows fewer than the greatest
-- "oldest" is too old.
CREATE TABLE migrations (
    version    integer     PRIMARY KEY,
    oldest     integer     NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO migrations (version, oldest) VALUES (1, 1);

-- One row, locked for the last instants of a transaction that gives positions:
-- so positions grow in the order of commits, and a reader that has seen one will
-- never find a smaller one later. A position is the time in microseconds, or one
-- more than the last if that is greater.
CREATE TABLE clock (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    last bigint  NOT NULL DEFAULT 0,
    salt bytea   NOT NULL DEFAULT substring(decode(replace(gen_random_uuid()::text, '-', ''), 'hex') FROM 1 FOR 4)
) WITH (fillfactor = 10);
INSERT INTO clock DEFAULT VALUES;

-- The id of an order is the millisecond of its creation, shifted by 20 bits, with
-- the lowest bits of this sequence: so an order's id tells the month in which
-- everything about it is kept.
CREATE SEQUENCE order_numbers;

CREATE TABLE orders (
    id            bigint PRIMARY KEY,
    position      bigint      NOT NULL,
    app_id        text        NOT NULL COLLATE "C" CHECK (app_id <> ''),
    out_trade_no  text        NOT NULL COLLATE "C" CHECK (out_trade_no <> ''),
    trade_no      text        COLLATE "C" CHECK (trade_no <> ''),
    status        text        NOT NULL COLLATE "C",
    total         bigint      NOT NULL CHECK (total > 0),
    refunded      bigint      NOT NULL CHECK (refunded BETWEEN 0 AND total),
    sequence      integer     NOT NULL,
    accepted      integer     NOT NULL CHECK (accepted BETWEEN 0 AND sequence),
    paid_sequence integer     NOT NULL CHECK (paid_sequence BETWEEN 0 AND sequence),
    evidences     integer     NOT NULL CHECK (evidences >= 0),
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    body          jsonb       NOT NULL,
    agenda        jsonb       NOT NULL,
    tellings      jsonb
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX orders_number   ON orders (app_id, out_trade_no);
CREATE UNIQUE INDEX orders_trade_no ON orders (app_id, trade_no) WHERE trade_no IS NOT NULL;
CREATE UNIQUE INDEX orders_position ON orders (position);
CREATE INDEX        orders_status   ON orders (app_id, status, position);

-- What is to be done about an order, and when; also the mark of orders with
-- events that no shop has accepted (due_at is then null if they may not be told).
CREATE TABLE agenda (
    task     text   NOT NULL COLLATE "C",
    order_id bigint NOT NULL,
    subject  text   NOT NULL COLLATE "C",
    app_id   text   NOT NULL COLLATE "C",
    due_at   timestamptz,
    PRIMARY KEY (task, order_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX agenda_due ON agenda (task, subject, app_id, due_at, order_id);

CREATE TABLE leases (
    task     text        NOT NULL COLLATE "C",
    order_id bigint      NOT NULL,
    owner    text        NOT NULL,
    until    timestamptz NOT NULL,
    PRIMARY KEY (task, order_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- The journal: what Alipay has stated, as received, and what that has caused.
-- Both are in parts by the month in which the order was created.
CREATE TABLE evidence (
    order_id     bigint      NOT NULL,
    number       integer     NOT NULL CHECK (number > 0),
    facts        jsonb       NOT NULL,
    raw          bytea,
    content_type text,
    PRIMARY KEY (order_id, number)
) PARTITION BY RANGE (order_id);

CREATE TABLE events (
    order_id bigint      NOT NULL,
    sequence integer     NOT NULL CHECK (sequence > 0),
    position bigint      NOT NULL,
    type     text        NOT NULL,
    status   text        NOT NULL,
    refunded bigint      NOT NULL CHECK (refunded >= 0),
    source   text        NOT NULL,
    at       timestamptz NOT NULL,
    direct   boolean     NOT NULL,
    evidence integer     NOT NULL CHECK (evidence >= 0),
    PRIMARY KEY (order_id, sequence)
) PARTITION BY RANGE (order_id);
CREATE INDEX events_position ON events (position);

CREATE TABLE held (
    digest       text    PRIMARY KEY COLLATE "C",
    position     bigint  NOT NULL,
    app_id       text    NOT NULL COLLATE "C",
    out_trade_no text    NOT NULL COLLATE "C",
    trade_no     text    NOT NULL COLLATE "C",
    reason       text    NOT NULL,
    at           timestamptz NOT NULL,
    contradicts  boolean NOT NULL,
    waits        boolean NOT NULL,
    pays         bigint  NOT NULL CHECK (pays >= 0),
    facts        jsonb   NOT NULL,
    raw          bytea,
    content_type text,
    decision     jsonb
);
CREATE UNIQUE INDEX held_position ON held (position);
CREATE INDEX        held_waiting  ON held (app_id, position) WHERE waits;
CREATE INDEX        held_number   ON held (app_id, out_trade_no, position);

CREATE TABLE settings (
    name  text  PRIMARY KEY COLLATE "C",
    value bytea NOT NULL CHECK (octet_length(value) <= 65536)
);

-- Sums by app, kept with each commit. Each writer has a row of its own.
CREATE TABLE totals (
    app_id        text    NOT NULL COLLATE "C",
    writer        integer NOT NULL,
    paid          bigint  NOT NULL,
    refunded      bigint  NOT NULL,
    refunded_told bigint  NOT NULL,
    accepted      bigint  NOT NULL,
    PRIMARY KEY (app_id, writer)
) WITH (fillfactor = 10);

-- first_of is the smallest id of an order that was created at t.
CREATE FUNCTION first_of(t timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT (floor(extract(epoch FROM t) * 1000))::bigint << 20 $$;

-- month makes the parts of the journal for the orders of one month, if they are
-- not there. It runs with the rights of the schema's owner, so that whoever
-- records orders needs none to create tables.
CREATE FUNCTION month(t timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
DECLARE
    first timestamptz := date_trunc('month', t AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    after timestamptz := (date_trunc('month', t AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    part  text;
    base  text;
    made  boolean := false;
BEGIN
    FOREACH base IN ARRAY ARRAY['evidence', 'events'] LOOP
        part := base || to_char(first AT TIME ZONE 'UTC', '_YYYY_MM');
        PERFORM pg_advisory_xact_lock(hashtextextended(current_schema(), 24182));
        -- not by to_regclass, which may remember that there was none
        CONTINUE WHEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = current_schema() AND c.relname = part);
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, base);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            base, part, first_of(first), first_of(after));
        made := true;
    END LOOP;
    RETURN made;
END $$;
