package gtfs

import (
	"context"
	"io/fs"
)

// ReadRows is Read with another bound on the rows of one file.
func ReadRows(ctx context.Context, fsys fs.FS, rows int64) (*Feed, error) {
	budget := newBudget(&Options{}, 0)
	budget.rows = rows
	return read(ctx, fsys, Options{}, budget)
}
