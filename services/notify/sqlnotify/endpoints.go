package sqlnotify

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/notify"
	"interlock/services/rail"
)

const endpointColumns = "id, url, description, secrets, secrets_key, events, enabled, failing_since, disabled_why, " +
	"version, created_at, changed_at"

// placeOf is where an endpoint's secrets are kept: they do not open in another row.
func placeOf(id string) []byte { return []byte("endpoint " + id) }

func (s *Store) scanEndpoint(r *sql.Rows) (*notify.Endpoint, error) {
	var e notify.Endpoint
	var sealed []byte
	var key, events string
	var enabled, created, changed int64
	var failing sql.NullInt64
	err := r.Scan(&e.ID, &e.URL, &e.Description, &sealed, &key, &events, &enabled, &failing, &e.DisabledWhy, &e.Version,
		&created, &changed)
	if err != nil {
		return nil, err
	}
	for _, t := range strings.Fields(events) {
		e.Events = append(e.Events, ledger.EventType(t))
	}
	e.Enabled, e.FailingSince = enabled != 0, fromNull(failing)
	secrets, err := s.keys.Open(key, sealed, placeOf(e.ID))
	if err != nil { // It keeps no others from being told.
		e.Enabled, e.DisabledWhy = false, "its secrets cannot be opened with the keys of this server"
	}
	e.Secrets = strings.Fields(string(secrets))
	e.CreatedAt, e.ChangedAt = fromMillis(created), fromMillis(changed)
	return &e, nil
}

// Endpoints are all endpoints: see notify.Store.
func (s *Store) Endpoints(ctx context.Context) (all []*notify.Endpoint, err error) {
	err = s.Read(ctx, func(sqlledger.SQL) (string, []any) {
		return "SELECT " + endpointColumns + " FROM endpoints ORDER BY created_at, id LIMIT ?",
			[]any{notify.MaxEndpoints + 1}
	}, func(r *sql.Rows) error {
		e, err := s.scanEndpoint(r)
		all = append(all, e)
		return err
	})
	if err == nil && len(all) == 0 {
		err = s.Vouched(ctx)
	}
	return all, err
}

// PutEndpoint writes an endpoint: see notify.Store.
func (s *Store) PutEndpoint(ctx context.Context, e *notify.Endpoint) error {
	if err := e.Check(); err != nil {
		return err
	}
	types := make([]string, len(e.Events))
	for i, t := range e.Events {
		types[i] = string(t)
	}
	key, sealed := s.keys.Seal([]byte(strings.Join(e.Secrets, "\n")), placeOf(e.ID))
	enabled := 0
	if e.Enabled {
		enabled = 1
	}
	err := s.Database.Write(ctx, func(ctx context.Context, x *sqlledger.Tx) (bool, error) {
		if e.Version == 1 {
			return s.addEndpoint(ctx, x, e, sealed, key, strings.Join(types, "\n"), enabled)
		}
		n, err := x.Exec(ctx, "UPDATE endpoints SET url = ?, description = ?, secrets = ?, secrets_key = ?, events = ?, "+
			"enabled = ?, failing_since = ?, disabled_why = ?, version = ?, changed_at = "+x.Now()+
			" WHERE id = ? AND version = ?", e.URL, e.Description, sealed, key, strings.Join(types, "\n"), enabled,
			orNull(e.FailingSince), e.DisabledWhy, e.Version, e.ID, e.Version-1)
		if err == nil && n == 0 {
			err = notify.ErrStale
		}
		return true, err
	})
	var duplicate *ledger.DuplicateError
	if errors.As(err, &duplicate) {
		return notify.ErrStale
	}
	return err
}

func (s *Store) addEndpoint(
	ctx context.Context, x *sqlledger.Tx, e *notify.Endpoint, sealed []byte, key, events string, enabled int,
) (bool, error) {
	n := 0
	err := x.Rows(ctx, "SELECT COUNT(*) FROM endpoints", nil, func(r *sql.Rows) error { return r.Scan(&n) })
	if err == nil && n >= notify.MaxEndpoints {
		err = rail.Refuse(rail.Overloaded, "there are %d endpoints, which is the most", n)
	}
	if err != nil {
		return false, err
	}
	now := x.Began().UnixMilli()
	_, err = x.Exec(ctx, "INSERT INTO endpoints ("+endpointColumns+") VALUES "+sqlledger.Marks(12),
		e.ID, e.URL, e.Description, sealed, key, events, enabled, orNull(e.FailingSince), e.DisabledWhy, e.Version, now, now)
	return true, err
}

// DropEndpoint removes an endpoint: see notify.Store.
func (s *Store) DropEndpoint(ctx context.Context, id string) (was bool, err error) {
	err = s.Database.Write(ctx, func(ctx context.Context, x *sqlledger.Tx) (bool, error) {
		n, err := x.Exec(ctx, "DELETE FROM endpoints WHERE id = ?", id)
		was = n > 0
		return was, err
	})
	return was, err
}

// Resealed is what became of the secrets of endpoints.
type Resealed struct {
	// Endpoints were looked at, Sealed of them were sealed with another key than the first of the ring, and are now sealed
	// with that. Unreadable could not be opened, and stay as they are.
	Endpoints, Sealed, Unreadable int
}

// Reseal seals the secrets of all endpoints with the first key of the ring. One that is changed meanwhile is sealed by
// that. It may be broken off and called again.
func (s *Store) Reseal(ctx context.Context) (done Resealed, err error) {
	type row struct {
		id, key string
		sealed  []byte
	}
	var rows []row
	err = s.Read(ctx, func(sqlledger.SQL) (string, []any) { return "SELECT id, secrets_key, secrets FROM endpoints", nil },
		func(r *sql.Rows) error {
			var one row
			err := r.Scan(&one.id, &one.key, &one.sealed)
			rows = append(rows, one)
			return err
		})
	if err != nil {
		return done, err
	}
	done.Endpoints = len(rows)
	for _, one := range rows {
		if one.key == s.keys.Keys()[0] {
			continue
		}
		text, err := s.keys.Open(one.key, one.sealed, placeOf(one.id))
		if err != nil {
			done.Unreadable++
			continue
		}
		key, sealed := s.keys.Seal(text, placeOf(one.id))
		err = s.Database.Write(ctx, func(ctx context.Context, x *sqlledger.Tx) (bool, error) {
			n, err := x.Exec(ctx, "UPDATE endpoints SET secrets = ?, secrets_key = ? WHERE id = ? AND secrets = ?", sealed, key,
				one.id, one.sealed)
			return n > 0, err
		})
		if err != nil {
			return done, err
		}
		done.Sealed++
	}
	return done, nil
}
