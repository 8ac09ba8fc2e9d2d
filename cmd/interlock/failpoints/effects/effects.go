// Package effects is the log in which consumers of the lab note what they were told. The effect of an event is its row.
//
// A Log is a SQLite file, which several processes may have open. It does not wait for the disk: the lab kills
// processes, and not the machine. It is safe for concurrent use.
package effects

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	_ "github.com/glebarez/go-sqlite" // the driver

	"interlock/services/ledger"
	"interlock/services/messages"
	"interlock/services/rail"
)

// Effect is an event that took effect in a group.
type Effect struct {
	Group string
	Event ledger.Event
	// Consumer is who it took effect at, and At when, by that process's clock. LastConsumer is who was told it last.
	Consumer, LastConsumer string
	At                     time.Time
	// Doubles is how often it was told again. Others is how many of those tell something else of the same subject and
	// version.
	Doubles, Others int
}

// Log is an open log.
type Log struct{ db *sql.DB }

const schema = `
CREATE TABLE IF NOT EXISTS effects (
	place INTEGER PRIMARY KEY AUTOINCREMENT,
	consumers TEXT NOT NULL, subject TEXT NOT NULL, version INTEGER NOT NULL,
	run TEXT NOT NULL, event TEXT NOT NULL, consumer TEXT NOT NULL, last_consumer TEXT NOT NULL, at INTEGER NOT NULL,
	doubles INTEGER NOT NULL DEFAULT 0, others INTEGER NOT NULL DEFAULT 0,
	UNIQUE (consumers, subject, version));
CREATE INDEX IF NOT EXISTS effects_run ON effects (run)`

// Open opens the log at a path, and makes it where there is none.
func Open(ctx context.Context, path string) (*Log, error) {
	options := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(wal)", "synchronous(off)"}}
	db, err := sql.Open("sqlite", "file:"+path+"?"+options.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("the log of effects: %w", err), db.Close())
	}
	return &Log{db}, nil
}

// Close closes it.
func (l *Log) Close() error { return l.db.Close() }

// Handler handles events as a consumer of a group. The effect, and that the event has had it, are one row.
func (l *Log) Handler(group, consumer string) messages.Handler {
	return func(ctx context.Context, event ledger.Event) error {
		text, err := json.Marshal(event)
		if err != nil {
			return err
		}
		_, err = l.db.ExecContext(ctx, "INSERT INTO effects "+
			"(consumers, subject, version, run, event, consumer, last_consumer, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "+
			"ON CONFLICT DO UPDATE SET doubles = doubles + 1, others = others + (event <> excluded.event), "+
			"last_consumer = excluded.last_consumer",
			group, event.Subject(), event.Version(), string(event.RunID), string(text), consumer, consumer,
			time.Now().UnixMilli())
		return err
	}
}

// Of are the effects of events about some runs and their orders, in the order in which they took place.
func (l *Log) Of(ctx context.Context, runs ...rail.RunID) ([]Effect, error) {
	args := make([]any, len(runs))
	for i, run := range runs {
		args[i] = string(run)
	}
	return l.read(ctx, "run IN (?"+strings.Repeat(", ?", len(runs)-1)+")", args...)
}

// At are the effects of one event: one for each group that it took effect in.
func (l *Log) At(ctx context.Context, subject string, version int64) ([]Effect, error) {
	return l.read(ctx, "subject = ? AND version = ?", subject, version)
}

func (l *Log) read(ctx context.Context, condition string, args ...any) (all []Effect, err error) {
	rows, err := l.db.QueryContext(ctx, "SELECT consumers, event, consumer, last_consumer, at, doubles, others "+
		"FROM effects WHERE "+condition+" ORDER BY place", args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Err(), rows.Close()) }()
	for rows.Next() {
		var e Effect
		var text string
		var at int64
		if err := rows.Scan(&e.Group, &text, &e.Consumer, &e.LastConsumer, &at, &e.Doubles, &e.Others); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), &e.Event); err != nil {
			return nil, err
		}
		e.At = time.UnixMilli(at)
		all = append(all, e)
	}
	return all, nil
}
