-- What the notification service keeps, in what MySQL, MariaDB and SQLite have in common. Times are milliseconds since
-- 1970 UTC. The database's own collation is a binary one without padding. Its outbox, which has nothing in it, and the
-- groups of events are made by the ledger's own migrations.

-- There is no way down: no tool may drop the only truth.

-- +goose Up

-- A delivery's id follows from what is told to whom, so that an event that comes again finds it. No row has an address
-- or a name: the order has them, and is read anew for each try. endpoint is empty for mails, order_id for what is about
-- a run. subject is the version of the order or the run that is told of. due_at is NULL once it has ended. Rows leave
-- 100 days after they ended.
CREATE TABLE deliveries (
    id VARCHAR(64) NOT NULL,
    channel VARCHAR(16) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    endpoint VARCHAR(64) NOT NULL,
    order_id VARCHAR(200) NOT NULL,
    run_id VARCHAR(160) NOT NULL,
    subject BIGINT NOT NULL,
    told_at BIGINT NOT NULL,
    state VARCHAR(16) NOT NULL,
    version BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    due_at BIGINT,
    answer BIGINT NOT NULL,
    reason VARCHAR(200) NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);
-- What waits for one receiver does not lie between what waits for others.
CREATE INDEX deliveries_due ON deliveries (endpoint, due_at, id);
CREATE INDEX deliveries_order ON deliveries (order_id, created_at, id);
CREATE INDEX deliveries_endpoint ON deliveries (endpoint, created_at, id);
CREATE INDEX deliveries_created ON deliveries (created_at, id);
-- The ones that ended, by when: those that are pending are at its beginning.
CREATE INDEX deliveries_state ON deliveries (state, changed_at);

-- secrets are sealed with the key that secrets_key names. events has one type a line, and is empty for all types.
CREATE TABLE endpoints (
    id VARCHAR(64) NOT NULL,
    url VARCHAR(2048) NOT NULL,
    description VARCHAR(200) NOT NULL,
    secrets VARBINARY(1024) NOT NULL,
    secrets_key VARCHAR(32) NOT NULL,
    events VARCHAR(1000) NOT NULL,
    enabled BIGINT NOT NULL,
    failing_since BIGINT,
    disabled_why VARCHAR(200) NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);
