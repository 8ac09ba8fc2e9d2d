-- What became true and has yet to be told. A row is written by the very commit that makes it true, and leaves once it
-- was published and all who listen have acknowledged it.

-- There is no way down: no tool may drop the only truth.

-- +goose Up

-- The id is a run's id and version, or an order's id and version, or an order's id and a payment's id and version:
-- sorted by it, the rows of a run have the events of each order and payment in their order. No number is drawn: a
-- commit that is slow would get a lower one than a row that was published already. events are packed
-- (services/ledger/sqlledger/eventcode.go). taken is how often a relay has taken the row to publish it. The entry of
-- the stream that it was published as is 0-0 until then.
CREATE TABLE outbox (
    id VARCHAR(288) NOT NULL,
    at BIGINT NOT NULL,
    events LONGBLOB NOT NULL,
    taken BIGINT DEFAULT 0 NOT NULL,
    stream_millis BIGINT DEFAULT 0 NOT NULL,
    stream_seq BIGINT DEFAULT 0 NOT NULL,
    PRIMARY KEY (id)
);
-- It finds the rows that were not published, sorted by id, and those that were, in the order of the stream; and tells
-- how old they are.
CREATE INDEX outbox_stream ON outbox (stream_millis, stream_seq, id, at);
