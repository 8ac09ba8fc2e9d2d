-- Who is told of events. A stream that loses its data loses its groups, too: those that are here are waited for.

-- +goose Up

CREATE TABLE event_groups (
    name VARCHAR(32) NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (name)
);
