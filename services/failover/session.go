package failover

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"interlock/services/mysqlcluster"

	"github.com/go-sql-driver/mysql"
)

// session is one connection to one member. It never reconnects: once it is lost, every further statement fails.
type session struct {
	endpoint
	db   *sql.DB
	conn *sql.Conn
	// lost, if set, is called once the connection can be used no longer.
	lost func(error)

	mu sync.Mutex // the protocol takes one statement at a time
}

// connect opens a session. It is the caller's to close.
func (e endpoint) connect(ctx context.Context) (*session, error) {
	connector, err := e.connector()
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the supervisor: %s: %w", e.name, err), db.Close())
	}
	return &session{endpoint: e, db: db, conn: conn}, nil
}

func (s *session) close() {
	_ = s.conn.Close() // what was wrong with it has been told by its statements
	_ = s.db.Close()
}

// failure names the member and the statement in an error, and tells when the connection is lost. It is lost unless the
// server itself answered, or the answer was read and means nothing to us. A deadline loses it too: the driver keeps a
// deadline by hanging up.
func (s *session) failure(statement string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("the supervisor: %s: %s: %w", s.name, firstWords(statement), err)
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) && !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, errOtherChannels) &&
		s.lost != nil {
		s.lost(err)
	}
	return err
}

// firstWords is what a statement is about, for messages.
func firstWords(statement string) string {
	words := strings.Fields(statement)
	return strings.Join(words[:min(len(words), 5)], " ")
}

// exec runs one statement without results, within a limit.
func (s *session) exec(ctx context.Context, limit time.Duration, statement string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := s.conn.ExecContext(ctx, statement, args...)
	return s.failure(statement, err)
}

// query runs a query and calls scan for each row.
func (s *session) query(
	ctx context.Context, limit time.Duration, query string, args []any, scan func(*sql.Rows) error,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure(query, mysqlcluster.EachRow(ctx, s.conn, limit, query, args, scan))
}

// one scans the one row that a query must have.
func (s *session) one(ctx context.Context, limit time.Duration, query string, args []any, into ...any) error {
	found := false
	err := s.query(ctx, limit, query, args, func(row *sql.Rows) error {
		found = true
		return row.Scan(into...)
	})
	if err == nil && !found {
		err = s.failure(query, sql.ErrNoRows)
	}
	return err
}

// MySQL's error numbers that mean something here alone.
const (
	erNoSuchThread  = 1094
	erRestartByHand = 3707
)
