package gtfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
)

// ReadRows is Read with another bound on the rows of one file.
func ReadRows(ctx context.Context, fsys fs.FS, rows int64) (*Feed, error) {
	budget := newBudget(&Options{}, 0)
	budget.rows = rows
	return read(ctx, fsys, Options{}, budget)
}

// ReadRecords are the records of a file, with the line each begins in and what is wrong with it.
func ReadRecords(r io.Reader) (rows [][]string, lines []int, faults []string, err error) {
	c := &records{source: r}
	for {
		row, fault, err := c.read()
		if errors.Is(err, io.EOF) {
			return rows, lines, faults, nil
		}
		if err != nil {
			return rows, lines, faults, err
		}
		rows, lines, faults = append(rows, slices.Clone(row)), append(lines, c.line), append(faults, fault)
	}
}
