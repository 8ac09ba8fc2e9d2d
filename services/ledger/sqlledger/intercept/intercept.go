// Package intercept stands between database/sql and a driver, and may keep, change, delay or lose what is sent.
//
// It is for tests and for the proving ground's builds of a server; the server that is shipped does not have it. What an
// Interceptor does must be right for many connections at once.
package intercept

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
)

// Statement is a statement on its way to the database.
type Statement struct {
	Query string
	Args  []driver.NamedValue
	// Context is what it is sent in.
	Context context.Context
	// Send sends all of it as it is now. An interceptor that does not call it keeps the statement from the server.
	Send func() error

	exec func(ctx context.Context, query string, args []driver.NamedValue) error
}

// Commits tells a COMMIT, also one that is sent behind what it commits, and with the question behind it whether a
// replica has it.
func (s *Statement) Commits() bool {
	return s.Query == "COMMIT" || strings.HasPrefix(s.Query, "COMMIT; ") ||
		strings.HasSuffix(s.Query, "; COMMIT") || strings.Contains(s.Query, "; COMMIT; ")
}

// SendBeforeCommit sends what is to be committed, and leaves COMMIT and what comes behind it to Send: two texts of one,
// as where they are too large to be one.
func (s *Statement) SendBeforeCommit() error {
	at := strings.LastIndex(s.Query, "; COMMIT")
	if at < 0 {
		return nil // it comes by itself
	}
	args := strings.Count(s.Query[:at], "?")
	if err := s.exec(s.Context, s.Query[:at], s.Args[:args]); err != nil {
		return err
	}
	s.Query, s.Args = s.Query[at+len("; "):], s.Args[args:]
	return nil
}

// Interceptor is called for every statement. What it returns is what the driver answers; an error after a Send that
// succeeded is an answer that got lost.
type Interceptor func(ctx context.Context, s *Statement) error

// Intercept puts an interceptor between database/sql and a driver.
func Intercept(c driver.Connector, i Interceptor) driver.Connector { return &connector{c, i} }

type connector struct {
	driver.Connector
	intercept Interceptor
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &connection{inner, c.intercept}, nil
}

// connection passes on all that the driver's connection can do.
type connection struct {
	driver.Conn
	intercept Interceptor
}

func (c *connection) statement(ctx context.Context, query string, args []driver.NamedValue) *Statement {
	return &Statement{
		Query: query, Args: args, Context: ctx,
		exec: func(ctx context.Context, query string, args []driver.NamedValue) error {
			_, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
			return err
		},
	}
}

func (c *connection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	var result driver.Result
	s := c.statement(ctx, query, args)
	s.Send = func() (err error) {
		result, err = c.Conn.(driver.ExecerContext).ExecContext(s.Context, s.Query, s.Args)
		return err
	}
	if err := c.intercept(ctx, s); err != nil {
		return nil, err
	}
	return result, nil
}

func (c *connection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	var rows driver.Rows
	s := c.statement(ctx, query, args)
	s.Send = func() (err error) {
		rows, err = c.Conn.(driver.QueryerContext).QueryContext(s.Context, s.Query, s.Args)
		return err
	}
	if err := c.intercept(ctx, s); err != nil {
		if rows != nil {
			err = errors.Join(err, rows.Close())
		}
		return nil, err
	}
	return rows, nil
}

func (c *connection) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if p, ok := c.Conn.(driver.ConnPrepareContext); ok {
		return p.PrepareContext(ctx, query)
	}
	return c.Prepare(query)
}

func (c *connection) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if b, ok := c.Conn.(driver.ConnBeginTx); ok {
		return b.BeginTx(ctx, o)
	}
	return c.Begin()
}

func (c *connection) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.Conn.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *connection) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *connection) IsValid() bool {
	if v, ok := c.Conn.(driver.Validator); ok {
		return v.IsValid()
	}
	return true
}

func (c *connection) Ping(ctx context.Context) error {
	if p, ok := c.Conn.(driver.Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}
