-- The ledger's first shape, in what MySQL, MariaDB and SQLite have in common. Times are milliseconds since 1970 UTC.
-- The database's own collation is a binary one without padding; 'key', 'Key' and 'key ' are three keys.

-- There is no way down: no tool may drop the only truth.

-- +goose Up

-- The one row is the publication number. A publication locks it first, so that numbers become visible in order.
CREATE TABLE counters (
    name VARCHAR(32) NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (name)
);
INSERT INTO counters (name, value) VALUES ('publication', 0);

-- Who published, suspended, resumed or withdrew what, and when. runs has one run id a line.
CREATE TABLE publications (
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    who VARCHAR(128) NOT NULL,
    what VARCHAR(32) NOT NULL,
    reason VARCHAR(1000) NOT NULL,
    runs LONGBLOB NOT NULL,
    PRIMARY KEY (number)
);

-- feed is the feed that the station belongs to, empty where a person published it.
CREATE TABLE stations (
    code VARCHAR(64) NOT NULL,
    document LONGBLOB NOT NULL,
    publication BIGINT NOT NULL,
    feed VARCHAR(64) DEFAULT '' NOT NULL,
    PRIMARY KEY (code)
);

-- Formations and trains are named by a digest of their content; their rows are never changed.
CREATE TABLE formations (
    id VARCHAR(64) NOT NULL,
    document LONGBLOB NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE trains (
    id VARCHAR(64) NOT NULL,
    formation_id VARCHAR(64) NOT NULL,
    document LONGBLOB NOT NULL,
    PRIMARY KEY (id)
);

-- A run's version moves on with everything that decides whether or what may be sold, and never restarts. feed is the
-- feed that the run was imported from, and feed_selection a digest of which part of it was asked for. Both are empty
-- where a person published the run.
CREATE TABLE runs (
    id VARCHAR(160) NOT NULL,
    train_number VARCHAR(128) NOT NULL,
    train_id VARCHAR(64) NOT NULL,
    service_date VARCHAR(10) NOT NULL,
    sale_opens_at BIGINT NOT NULL,
    closes_before_seconds BIGINT NOT NULL,
    status VARCHAR(16) NOT NULL,
    reason VARCHAR(1000) NOT NULL,
    version BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    publication BIGINT NOT NULL,
    changes_bytes BIGINT DEFAULT -1 NOT NULL,
    erased_at BIGINT,
    feed VARCHAR(64) DEFAULT '' NOT NULL,
    feed_selection VARCHAR(64) DEFAULT '' NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX runs_feed ON runs (feed, service_date, id);
CREATE INDEX runs_touched ON runs (touched_at);
CREATE INDEX runs_publication ON runs (publication);
-- erased_at is when the passengers of all orders of a past run were forgotten; the index finds the next ones.
CREATE INDEX runs_erased ON runs (erased_at, service_date);

-- What is sold is the maps with the changes after them. The changes are put into the maps once in a while. The run's
-- changes_bytes says how long they are, and is -1 while there are no maps. A class without a row has every seat free.
CREATE TABLE seat_maps (
    run_id VARCHAR(160) NOT NULL,
    seat_class VARCHAR(32) NOT NULL,
    sold LONGBLOB NOT NULL,
    PRIMARY KEY (run_id, seat_class)
);

-- The version is the one that the changes made.
CREATE TABLE seat_changes (
    run_id VARCHAR(160) NOT NULL,
    version BIGINT NOT NULL,
    changes LONGBLOB NOT NULL,
    PRIMARY KEY (run_id, version)
);

-- placed_run_version and ended_run_version are the versions of the run at which the order's seats were taken and given
-- back. A run's orders, sorted by these versions, are the history of its seats; within one version, seats were given
-- back before others were taken. body_hash is a keyed digest of the request. erased_at is when the order's passengers
-- were forgotten: body_hash and state_reason are empty from then on. Where the buyer was forgotten too, buyer is the
-- order's number behind a sign that no buyer's name has. payment is the payment that the order is or was paid by.
-- An order that a ticket was changed into names that ticket in replaces_order and replaces_ticket; carried_minor of the
-- ticket's price pays for it. extras is 1 where the order has refunds, changes or used tickets.
-- paying_at and capture_by are of an order that was PAYING. due is when the order ends by itself: the index finds those
-- whose time has come, and has the others at its beginning.
CREATE TABLE orders (
    run_id VARCHAR(160) NOT NULL,
    id VARCHAR(200) NOT NULL,
    number VARCHAR(32) NOT NULL,
    buyer VARCHAR(128) NOT NULL,
    idempotency_key VARCHAR(128) NOT NULL,
    body_hash VARCHAR(128) NOT NULL,
    version BIGINT NOT NULL,
    state VARCHAR(16) NOT NULL,
    state_reason VARCHAR(1000) NOT NULL,
    train_id VARCHAR(64) NOT NULL,
    from_call BIGINT NOT NULL,
    to_call BIGINT NOT NULL,
    total_minor BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    placed_at BIGINT NOT NULL,
    pay_by BIGINT NOT NULL,
    paid_at BIGINT,
    ended_at BIGINT,
    payment VARCHAR(64),
    paying_at BIGINT,
    capture_by BIGINT,
    pay_attempts BIGINT NOT NULL,
    placed_run_version BIGINT NOT NULL,
    ended_run_version BIGINT,
    erased_at BIGINT,
    replaces_order VARCHAR(200),
    replaces_ticket BIGINT,
    carried_minor BIGINT DEFAULT 0 NOT NULL,
    extras BIGINT DEFAULT 0 NOT NULL,
    due BIGINT GENERATED ALWAYS AS (CASE state WHEN 'ON_HOLD' THEN pay_by WHEN 'PAYING' THEN capture_by END) STORED,
    PRIMARY KEY (run_id, id)
);
CREATE UNIQUE INDEX orders_key ON orders (run_id, buyer, idempotency_key);
CREATE INDEX orders_buyer ON orders (buyer, placed_at, id);
CREATE UNIQUE INDEX orders_number ON orders (number);
CREATE INDEX orders_placed ON orders (placed_at, id);
CREATE INDEX orders_due ON orders (due, run_id);

-- document is a keyed digest of the passenger's document number. A ticket is live while its order is ON_HOLD, PAYING or
-- PAID, unless it has ended by itself: own_state is REFUNDED or CHANGED then, and ended_run_version the version of the
-- run at which it gave its seat back. own_state is CHANGING while a change of it is open, USED once an inspector has
-- marked it, and empty otherwise. used_at, used_by and use_id are when, by which inspector and by which request it was
-- marked, and NULL before.
-- Two live tickets never have one document on one leg. No index says so: a sale knows the live documents of its run at
-- the version that it moves on. personal is the passenger's name and document number, and where the buyer is written
-- to, sealed with the key that personal_key names. Once the passenger was forgotten, both are NULL and document is
-- empty.
CREATE TABLE tickets (
    run_id VARCHAR(160) NOT NULL,
    order_id VARCHAR(200) NOT NULL,
    n BIGINT NOT NULL,
    seat_class VARCHAR(32) NOT NULL,
    seat_index BIGINT NOT NULL,
    coach VARCHAR(8) NOT NULL,
    seat VARCHAR(8) NOT NULL,
    price_minor BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    personal VARBINARY(1024),
    personal_key VARCHAR(32),
    document VARCHAR(64) NOT NULL,
    own_state VARCHAR(16) DEFAULT '' NOT NULL,
    ended_run_version BIGINT,
    used_at BIGINT,
    used_by VARCHAR(128),
    use_id VARCHAR(64),
    PRIMARY KEY (run_id, order_id, n)
);

-- Money that goes back: see rail.Refund. tickets is a set of bits. run_version is the version of the run that decided
-- it. paid_back_at is NULL until the money is back; the index finds those.
CREATE TABLE refunds (
    run_id VARCHAR(160) NOT NULL,
    order_id VARCHAR(200) NOT NULL,
    id VARCHAR(64) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    tickets BIGINT NOT NULL,
    gross_minor BIGINT NOT NULL,
    fee_minor BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    at BIGINT NOT NULL,
    paid_back_at BIGINT,
    run_version BIGINT NOT NULL,
    PRIMARY KEY (run_id, order_id, id)
);
CREATE INDEX refunds_owed ON refunds (paid_back_at, order_id);

-- Changes of tickets into orders of their own: see rail.TicketChange. The new order is on to_run, and has the id as its
-- idempotency key. wanted is a keyed digest of what was asked for. The index finds open changes whose time has come.
CREATE TABLE changes (
    run_id VARCHAR(160) NOT NULL,
    order_id VARCHAR(200) NOT NULL,
    id VARCHAR(64) NOT NULL,
    ticket BIGINT NOT NULL,
    to_run VARCHAR(160) NOT NULL,
    state VARCHAR(16) NOT NULL,
    wanted VARCHAR(128) NOT NULL,
    price_minor BIGINT NOT NULL,
    carried_minor BIGINT NOT NULL,
    rest_minor BIGINT NOT NULL,
    fee_minor BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    begun_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (run_id, order_id, id)
);
CREATE INDEX changes_due ON changes (state, due_at, id);

-- Documents that a buyer asked for, and was told that they travel already. They count with those of the buyer's orders.
CREATE TABLE asked_documents (
    run_id VARCHAR(160) NOT NULL,
    buyer VARCHAR(128) NOT NULL,
    document VARCHAR(64) NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (run_id, buyer, document)
);
CREATE INDEX asked_documents_buyer ON asked_documents (buyer, at);
CREATE INDEX asked_documents_at ON asked_documents (at);

-- Every key that personal was ever sealed with. check_value is the key's own id, sealed with the key: by it a server
-- finds out whether it has the same key, before it seals anything. From retired_at on, nothing is sealed with the key.
CREATE TABLE personal_keys (
    id VARCHAR(32) NOT NULL,
    check_value VARBINARY(128) NOT NULL,
    since BIGINT NOT NULL,
    retired_at BIGINT,
    PRIMARY KEY (id)
);

-- What admins did to orders of others: who, when, what and why. The version is the one that it gave the order.
CREATE TABLE order_records (
    run_id VARCHAR(160) NOT NULL,
    order_id VARCHAR(200) NOT NULL,
    version BIGINT NOT NULL,
    at BIGINT NOT NULL,
    who VARCHAR(128) NOT NULL,
    what VARCHAR(32) NOT NULL,
    reason VARCHAR(1000) NOT NULL,
    PRIMARY KEY (run_id, order_id, version)
);
