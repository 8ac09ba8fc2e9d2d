package gtfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"interlock/services/rail"
)

// table is one file of a feed, read row by row. A row with fewer fields than the header has empty ones instead, as the
// GTFS reference says of fields left out.
type table struct {
	name    string
	file    fs.File
	budget  *budget
	records *records
	columns []string
	// used are the places of the columns that are read. What is wrong in others does no harm.
	used []int
	row  []string
	// line is where the row begins, counted from 1; the header is before it.
	line int
	// fault is what is wrong with the row, as far as it was read; "" where nothing is.
	fault string
	// read is how many rows were read, without the header.
	read int
	// err is why the file cannot be read at all.
	err error
}

// open opens a file that a feed must have, and reads its header. It refuses a file without the required columns.
func (r *reader) open(name string, required ...string) (*table, error) {
	t, err := r.header(name)
	if err != nil {
		return nil, err
	}
	if len(t.columns) == 0 {
		t.close()
		return nil, refuse(name, 1, "the file is empty")
	}
	if err := t.require(required...); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// openIfAny opens a file that a feed may have. It is nil where the file is missing or empty, which is one (GTFS
// reference, Dataset Files), and where it has no row.
func (r *reader) openIfAny(name string, required ...string) (*table, error) {
	if !exists(r.fsys, name) {
		return nil, nil
	}
	t, err := r.header(name)
	if err != nil {
		return nil, err
	}
	if len(t.columns) == 0 || t.isEmpty() {
		t.close()
		return nil, nil
	}
	if err := t.require(required...); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// header opens a file and reads its header. An empty file has no columns.
func (r *reader) header(name string) (*table, error) {
	file, err := r.fsys.Open(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	t := &table{name: name, file: file, budget: r.budget}
	t.records = &records{source: &meter{ctx: r.ctx, r: file, budget: r.budget}}
	if err := t.readHeader(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *table) readHeader() error {
	if err := t.readMark(); err != nil {
		return err
	}
	header, fault, err := t.records.read()
	t.line = t.records.line
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return t.broken(err)
	case fault != "":
		return t.refuse("the header cannot be read: %s", fault)
	case len(header) > maxColumns:
		return t.refuse("the header has %d columns, more than %d", len(header), maxColumns)
	}
	if strings.TrimSpace(strings.Join(header, "")) == "" {
		return nil
	}
	t.columns = make([]string, len(header))
	for i, column := range header {
		t.columns[i] = strings.Clone(strings.TrimSpace(column))
	}
	return nil
}

// readMark goes behind a byte order mark, and refuses a file that is no UTF-8 from its first bytes on.
func (t *table) readMark() error {
	c := t.records
	for len(c.buffer) < len(byteOrderMark) && c.err == nil {
		c.fill()
	}
	switch {
	case strings.HasPrefix(string(c.buffer), byteOrderMark):
		c.next = len(byteOrderMark)
	case isUTF16(c.buffer):
		return refuse(t.name, 0, "the file is in UTF-16, and GTFS is in UTF-8: convert it")
	}
	return nil
}

// close gives the file back. Its error is left out: what goes wrong was met while reading.
func (t *table) close() { _ = t.file.Close() }

// column is the place of a column, -1 where the file has none of that name. A column that is read and there twice makes
// the file unreadable.
func (t *table) column(name string) int {
	i := slices.Index(t.columns, name)
	if i < 0 {
		return i
	}
	if slices.Contains(t.columns[i+1:], name) && t.err == nil {
		t.err = refuse(t.name, 1, "the column %q is there twice", name)
	}
	if !slices.Contains(t.used, i) {
		t.used = append(t.used, i)
	}
	return i
}

// require refuses a file that has not all of some columns.
func (t *table) require(names ...string) error {
	for _, name := range names {
		if t.column(name) < 0 {
			return refuse(t.name, 1, "the file has no column %q", name)
		}
	}
	return t.err
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

// isEmpty tells whether nothing but empty lines is behind the header.
func (t *table) isEmpty() bool {
	c := t.records
	for {
		end, err := c.lineFrom(c.next)
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if len(withoutReturn(c.buffer[c.next:end])) > 0 {
			return false
		}
		c.lines++
		c.next = min(end+1, len(c.buffer))
	}
}

// next goes to the next row; false at the end.
func (t *table) next() (bool, error) {
	if t.err != nil {
		return false, t.err
	}
	for {
		row, fault, err := t.records.read()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, t.broken(err)
		}
		t.line, t.row, t.fault = t.records.line, row, fault
		if len(row) == 1 && len(t.columns) > 1 && strings.TrimSpace(row[0]) == "" {
			continue // A line of nothing but spaces.
		}
		if t.read++; int64(t.read) > t.budget.rows {
			return false, t.refuse("the file has more than %d rows", t.budget.rows)
		}
		t.check()
		return true, nil
	}
}

// check notes what is wrong with the row as a whole. Fields behind the last column are empty where a line ends in
// commas; with a text, a comma is not quoted, and all fields behind it are in the wrong column.
func (t *table) check() {
	for i := len(t.columns); i < len(t.row); i++ {
		if strings.TrimSpace(t.row[i]) != "" {
			t.wrong("the row has %d fields, the header has %d: is a comma not in quotes?", len(t.row), len(t.columns))
			break
		}
	}
	for _, i := range t.used {
		if i >= len(t.row) {
			continue
		}
		switch field := t.row[i]; {
		case len(field) > maxFieldBytes:
			t.row[i] = "" // It is told of, and not kept.
			t.wrong("the field %q is longer than %d bytes", t.columns[i], maxFieldBytes)
		case !utf8.ValidString(field):
			t.wrong("the field %q is not UTF-8: %s", t.columns[i], encodingOf(field))
			t.row[i] = strings.ToValidUTF8(field, "\uFFFD")
		}
	}
}

// wrong notes what is wrong with the row. The first fault of a row is the one that is told.
func (t *table) wrong(format string, args ...any) {
	if t.fault == "" {
		t.fault = shortened(fmt.Sprintf(format, args...))
	}
}

// broken is the refusal of a file that cannot be read on.
func (t *table) broken(err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errRecordTooLong), errors.Is(err, errManyLines), errors.Is(err, errOpenQuotes):
		return refuse(t.name, t.records.lines+1, "%v", err)
	case errors.Is(err, errFeedTooLong):
		return refuse(t.name, t.records.lines+1, "%s", t.budget.tooLarge("to read", t.budget.maxUnpacked))
	}
	return unreadable(t.name, err)
}

// get is a field of the row without the spaces around it, "" where the file has no such column or the row is short. It
// keeps the whole row in memory, so a caller that keeps it clones it.
func (t *table) get(column int) string {
	if column < 0 || column >= len(t.row) {
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

// meter counts what is read and stops at the bounds of the feed, and when its context ends.
type meter struct {
	ctx    context.Context
	r      io.Reader
	budget *budget
}

func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	if m.budget.unpacked < 0 {
		return 0, errFeedTooLong
	}
	n, err := m.r.Read(p)
	m.budget.unpacked -= int64(n)
	return n, err
}
