package mysqlcluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Querier is a connection, or a pool of connections.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// EachRow runs a query and calls scan once per row, all within a limit. It returns the first error: of the query, of
// scan, of rows that broke off, or of closing them. Once the limit is over, the error is context.DeadlineExceeded as
// well, since drivers do not always say so.
func EachRow(
	ctx context.Context, on Querier, limit time.Duration, query string, args []any, scan func(*sql.Rows) error,
) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if over := ctx.Err(); err != nil && over != nil && !errors.Is(err, over) {
			err = fmt.Errorf("%w: %w", over, err)
		}
	}()
	rows, err := on.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() {
		if closed := rows.Close(); err == nil {
			err = closed
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
