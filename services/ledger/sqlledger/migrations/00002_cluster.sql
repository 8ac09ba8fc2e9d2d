-- Which member of the ledger's cluster may be sold on. Written by whoever opens a member, in the commit that a replica has
-- to acknowledge before the member is opened; read by every server. Where there is one server only, both stay empty.

-- There is no way down: no tool may drop the only truth.

-- +goose Up

-- The one row (id 1). The epoch rises with every opening, so that a member that was forgotten, and comes back writable, is
-- recognised.
CREATE TABLE cluster (
    id BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    primary_member VARCHAR(255) NOT NULL,
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

-- Every member that was ever to receive commits. One that COUNTS may hold an acknowledged order that others have not: a
-- failover must reach it, whoever carries it out. The others hold none, because they receive nothing since: EXCLUDED by a
-- person, LEFT behind by a takeover, or REBUILDING; or theirs were given up, and they are LOST. server_uuid is the server
-- that counts: a name may lead to another one some day, with an older copy of the data or none. It is empty while unknown.
CREATE TABLE cluster_members (
    member VARCHAR(255) NOT NULL,
    state VARCHAR(16) NOT NULL,
    server_uuid VARCHAR(64) NOT NULL,
    since BIGINT NOT NULL,
    by_whom VARCHAR(128) NOT NULL,
    reason VARCHAR(1000) NOT NULL,
    PRIMARY KEY (member)
);
