-- What the payments' service keeps, in what MySQL, MariaDB and SQLite have in common. Times are milliseconds since 1970
-- UTC, amounts minor units. The database's own collation is a binary one without padding. Its outbox and the groups of
-- events are made by the ledger's own migrations.

-- There is no way down: no tool may drop the only truth.

-- +goose Up

-- A payment's state only moves forward, and its version rises by one with every change. capture_by is NULL until the
-- ledger wants a capture, due_at where the provider is not to be called. No row ever leaves: by its id, a request that
-- comes again finds the payment that it has started. refunds are the parts of it that were asked back, in JSON (see
-- pay.RefundList).
CREATE TABLE payments (
    id VARCHAR(64) NOT NULL,
    order_id VARCHAR(200) NOT NULL,
    run_id VARCHAR(160) NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    provider VARCHAR(32) NOT NULL,
    reference VARCHAR(255) NOT NULL,
    redirect_url VARCHAR(2048) NOT NULL,
    state VARCHAR(16) NOT NULL,
    wants VARCHAR(16) NOT NULL,
    authorised_minor BIGINT NOT NULL,
    captured_minor BIGINT NOT NULL,
    released_minor BIGINT NOT NULL,
    refunded_minor BIGINT NOT NULL,
    pay_by BIGINT NOT NULL,
    capture_by BIGINT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    due_at BIGINT,
    reason VARCHAR(1000) NOT NULL,
    refunds TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX payments_order ON payments (order_id, created_at, id);
CREATE INDEX payments_due ON payments (due_at, id, state);
CREATE INDEX payments_changed ON payments (changed_at, id);

-- Whoever starts a payment of an order locks the order's row first, so that its open payments are counted one after
-- the other. starts is how often that was.
CREATE TABLE payment_orders (
    order_id VARCHAR(200) NOT NULL,
    starts BIGINT NOT NULL,
    PRIMARY KEY (order_id)
);

-- Webhooks as they came, all of whose effect has taken place: each is written by the commit of its effect. They leave
-- after 30 days.
CREATE TABLE payment_notices (
    provider VARCHAR(32) NOT NULL,
    id VARCHAR(255) NOT NULL,
    payment_id VARCHAR(64) NOT NULL,
    reference VARCHAR(255) NOT NULL,
    body MEDIUMBLOB NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (provider, id)
);
CREATE INDEX payment_notices_at ON payment_notices (at);
