package gtfs

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"interlock/services/rail"
)

var (
	errFeedTooLong   = errors.New("the feed is too long")
	errRecordTooLong = errors.New("the row is too long: is a quote not closed?")
)

// table is one file of a feed, read row by row.
type table struct {
	ctx     context.Context
	name    string
	file    fs.File
	budget  *budget
	meter   *meter
	csv     *csv.Reader
	columns []string
	row     []string
	// line is where the row begins, counted from 1; the header is before it.
	line int
	// read is how many rows were read, without the header.
	read int
}

// open opens a file and reads its header. It refuses a file without the required columns.
func (r *reader) open(name string, required ...string) (*table, error) {
	file, err := r.fsys.Open(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	t := &table{ctx: r.ctx, name: name, file: file, budget: r.budget, meter: &meter{r: file, budget: r.budget}}
	buffered := bufio.NewReader(t.meter)
	if mark, _ := buffered.Peek(3); string(mark) == "\uFEFF" {
		_, _ = buffered.Discard(3) // They were peeked, so they are there.
	}
	t.csv = csv.NewReader(buffered)
	t.csv.FieldsPerRecord = -1 // Counted in next, for a message that says more.
	t.csv.ReuseRecord = true
	t.csv.TrimLeadingSpace = true
	if err := t.readHeader(); err != nil {
		t.close()
		return nil, err
	}
	if err := t.require(required...); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *table) readHeader() error {
	header, err := t.record()
	if errors.Is(err, io.EOF) {
		return refuse(t.name, 1, "the file is empty")
	}
	if err != nil {
		return err
	}
	if len(header) > maxColumns {
		return refuse(t.name, t.line, "the header has %d columns, more than %d", len(header), maxColumns)
	}
	t.columns = make([]string, len(header))
	for i, column := range header {
		column = strings.TrimSpace(column)
		if column != "" && slices.Contains(t.columns[:i], column) {
			return refuse(t.name, t.line, "the column %q is there twice", column)
		}
		t.columns[i] = strings.Clone(column)
	}
	return nil
}

// close gives the file back. Its error is left out: what goes wrong was met while reading.
func (t *table) close() { _ = t.file.Close() }

// column is the place of a column, -1 where the file has none of that name.
func (t *table) column(name string) int { return slices.Index(t.columns, name) }

// require refuses a file that has not all of some columns.
func (t *table) require(names ...string) error {
	for _, name := range names {
		if t.column(name) < 0 {
			return refuse(t.name, 1, "the file has no column %q", name)
		}
	}
	return nil
}

// rows goes from row to row. An error is the last thing.
func (t *table) rows() iter.Seq[error] {
	return func(yield func(error) bool) {
		for {
			ok, err := t.next()
			if !ok && err == nil || !yield(err) || err != nil {
				return
			}
		}
	}
}

// next goes to the next row; false at the end.
func (t *table) next() (bool, error) {
	for {
		row, err := t.record()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if len(row) == 1 && strings.TrimSpace(row[0]) == "" && len(t.columns) > 1 {
			continue // A line of nothing but spaces.
		}
		if len(row) != len(t.columns) {
			return false, refuse(t.name, t.line, "the row has %d fields, the header has %d", len(row), len(t.columns))
		}
		if t.read++; int64(t.read) > t.budget.rows {
			return false, refuse(t.name, t.line, "the file has more than %d rows", t.budget.rows)
		}
		for i, field := range row {
			if len(field) > maxFieldBytes {
				return false, refuse(t.name, t.line, "the field %q is longer than %d bytes", t.columns[i],
					maxFieldBytes)
			}
			if !utf8.ValidString(field) {
				return false, refuse(t.name, t.line, "the field %q is not UTF-8", t.columns[i])
			}
		}
		t.row = row
		return true, nil
	}
}

// record reads one record of the file, the header included. io.EOF is the end.
func (t *table) record() ([]string, error) {
	if t.read%rowsPerLook == 0 {
		if err := t.ctx.Err(); err != nil {
			return nil, err
		}
	}
	t.meter.record = 0
	row, err := t.csv.Read()
	if err == nil {
		t.line, _ = t.csv.FieldPos(0)
		return row, nil
	}
	if errors.Is(err, io.EOF) {
		return nil, err
	}
	var broken *csv.ParseError
	switch {
	case errors.As(err, &broken):
		return nil, refuse(t.name, broken.StartLine, "%v", broken.Err)
	case errors.Is(err, errRecordTooLong):
		return nil, refuse(t.name, t.line+1, "%v", err)
	case errors.Is(err, errFeedTooLong):
		return nil, refuse(t.name, t.line+1, "%s", t.budget.tooLarge("to read", t.budget.maxUnpacked))
	}
	return nil, unreadable(t.name, err)
}

// get is a field of the row without the spaces around it, "" where the file has no such column. It keeps the whole row
// in memory, so a caller that keeps it clones it.
func (t *table) get(column int) string {
	if column < 0 {
		return ""
	}
	return strings.TrimSpace(t.row[column])
}

// refuse is the refusal of the feed for what is in this row.
func (t *table) refuse(format string, args ...any) *rail.Error {
	return refuse(t.name, t.line, format, args...)
}

// unreadable is the refusal of a file that does not unpack.
func unreadable(name string, err error) error {
	return &rail.Error{Code: rail.Invalid, Message: name + ": the file cannot be read: " + err.Error(), Cause: err}
}

// meter counts what is read and stops at the bounds of a row and of the feed.
type meter struct {
	r      io.Reader
	budget *budget
	record int64
}

func (m *meter) Read(p []byte) (int, error) {
	if m.record > maxRecordBytes {
		return 0, errRecordTooLong
	}
	if m.budget.unpacked < 0 {
		return 0, errFeedTooLong
	}
	n, err := m.r.Read(p)
	m.record += int64(n)
	m.budget.unpacked -= int64(n)
	return n, err
}
