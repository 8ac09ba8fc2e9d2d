-- Which member of the ledger's cluster may be sold on. The supervisor that opens a member writes it, in the commit that
-- a replica has to acknowledge before the member is opened. Every server reads it. Both tables stay empty where the
-- ledger is one database server.

-- There is no way down: no tool may drop the only truth.

-- +goose Up

-- The one row (id 1). The epoch rises with every opening: by it a former primary that comes back writable is
-- recognised.
CREATE TABLE cluster (
    id BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    primary_member VARCHAR(255) NOT NULL,
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

-- Every member that was ever to receive commits. One that COUNTS may hold an acknowledged order that others have not: a
-- failover must reach it. Members that are EXCLUDED by a person, LEFT behind by a takeover, or REBUILDING hold none:
-- they receive nothing. The orders of one that is LOST were given up. server_uuid is the server that counts, empty
-- while unknown: the name may lead to another server some day, with an older copy of the data or none.
CREATE TABLE cluster_members (
    member VARCHAR(255) NOT NULL,
    state VARCHAR(16) NOT NULL,
    server_uuid VARCHAR(64) NOT NULL,
    since BIGINT NOT NULL,
    by_whom VARCHAR(128) NOT NULL,
    reason VARCHAR(1000) NOT NULL,
    PRIMARY KEY (member)
);
