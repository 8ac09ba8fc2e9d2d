package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
)

const (
	// statementTimeout bounds every statement of an opening. A longer one is a commit that waits for a replica in vain.
	statementTimeout = 10 * time.Second
	// stateTimeout is how long a replica may take to connect; it tries once a second.
	stateTimeout = 30 * time.Second
	// statePoll is how often await looks.
	statePoll = 50 * time.Millisecond
)

// member is root on one of the databases.
type member struct {
	server *servers.SQLServer
	db     *sql.DB
}

// asRoot connects to a member as root, on one connection, so that what is set for the session stays.
func asRoot(server *servers.SQLServer) (*member, error) {
	db, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &member{server, db}, nil
}

func (m *member) close() error { return m.db.Close() }

// do runs statements; empty ones are skipped.
func (m *member) do(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if s == "" {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, statementTimeout)
		_, err := m.db.ExecContext(limited, s)
		cancel()
		if err != nil {
			word, _, _ := strings.Cut(s, " TO ") // what follows may be a password
			return fmt.Errorf("%s: %s: %w", m.server.Addr(), word, err)
		}
	}
	return nil
}

// ask is the first column of the first row.
func (m *member) ask(ctx context.Context, query string, args ...any) (value string, err error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	var answer sql.NullString
	err = m.db.QueryRowContext(ctx, query, args...).Scan(&answer)
	return answer.String, err
}

// row is the first row of a query by the names of its columns; empty where there is none.
func (m *member) row(ctx context.Context, query string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	rows, err := m.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	if rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		for i, name := range columns {
			found[name] = values[i].String
		}
	}
	return found, errors.Join(rows.Err(), rows.Close())
}

// named reads variables or states whose names begin with a prefix, by their names without it.
func (m *member) named(ctx context.Context, what, prefix string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	rows, err := m.db.QueryContext(ctx, "SHOW GLOBAL "+what+" LIKE '"+prefix+"%'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		found[strings.TrimPrefix(strings.ToLower(name), prefix)] = value
	}
	return found, rows.Err()
}

// await looks until something holds. The error has the last state that it told of.
func await(ctx context.Context, holds func() (bool, string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	var state string
	held, err := pause.Until(ctx, statePoll, func() (ok bool, err error) {
		ok, state, err = holds()
		return ok, err
	})
	if held || err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", ctx.Err(), state)
}
