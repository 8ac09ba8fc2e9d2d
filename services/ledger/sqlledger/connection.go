package sqlledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"interlock/services/mysqlcluster"
)

// connection is one connection of a pool, taken out until release, rollback or discard. BEGIN, COMMIT and ROLLBACK are
// statements like any other on it: database/sql's own Commit knows no deadline, and may answer for a connection that is
// gone.
type connection struct {
	l       *link
	primary *primary
	pool    *pool
	conn    *sql.Conn
}

// query is a text that reads, and what takes its rows.
type query struct {
	text string
	args []any
	scan func(row *sql.Rows) error
}

// connect takes a connection out of a pool.
func (l *link) connect(ctx context.Context, on *pool) (*connection, error) {
	conn, err := on.sql.Conn(ctx)
	if err != nil {
		l.suspect(on.primary, err)
		if gone := l.stillPrimary(on.primary); gone != nil {
			err = gone
		}
		return nil, err
	}
	return &connection{l, on.primary, on, conn}, nil
}

// release gives the connection back.
func (c *connection) release() { _ = c.conn.Close() }

// discard closes the connection. The server rolls back what was not committed on it.
func (c *connection) discard() {
	_ = c.conn.Raw(func(any) error { return driver.ErrBadConn }) // makes database/sql close it
	c.release()
}

// rollback ends a transaction and gives the connection back, or discards it where that fails. It takes no context: a
// caller's may be over by now, and the server must hear of the end all the same.
func (c *connection) rollback() {
	if err := c.run(context.Background(), "ROLLBACK", rollbackTimeout); err != nil {
		c.discard()
		return
	}
	c.release()
}

// run runs a statement without arguments.
func (c *connection) run(ctx context.Context, statement string, limit time.Duration) error {
	ctx, cancel := c.primary.during(ctx, limit)
	defer cancel()
	_, err := c.conn.ExecContext(ctx, statement)
	err = late(ctx, c.pool.dialect.executed(ctx, err))
	c.l.suspect(c.primary, err)
	return err
}

// exec runs a statement, and returns how many rows it changed.
func (c *connection) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	ctx, cancel := c.primary.during(ctx, c.pool.statement)
	defer cancel()
	result := c.gorm(ctx).Exec(statement, args...)
	err := late(ctx, c.pool.dialect.executed(ctx, result.Error))
	c.l.suspect(c.primary, err)
	return result.RowsAffected, err
}

// rows runs a query and calls scan for each row.
func (c *connection) rows(ctx context.Context, text string, args []any, scan func(row *sql.Rows) error) error {
	return c.read(ctx, query{text, args, scan})
}

// read runs a query. It goes past gorm, which takes the @ of a server's variables for its own.
func (c *connection) read(ctx context.Context, q query) error {
	ctx, cancel := c.primary.during(ctx, c.pool.statement)
	defer cancel()
	err := mysqlcluster.EachRow(ctx, c.conn, c.pool.statement, q.text, q.args, q.scan)
	c.l.suspect(c.primary, err)
	return err
}

// gorm is gorm on this connection.
func (c *connection) gorm(ctx context.Context) *gorm.DB {
	g := c.pool.gorm.WithContext(ctx)
	g.Statement.ConnPool = c.conn
	return g
}

// late says of a statement's error that its time was over, where the driver only says that it was interrupted.
func late(ctx context.Context, err error) error {
	if over := ctx.Err(); err != nil && over != nil && !errors.Is(err, over) {
		return fmt.Errorf("%w: %w", over, err)
	}
	return err
}
