package gtfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

var (
	errFeedTooLong   = errors.New("the feed is too long")
	errRecordTooLong = errors.New("the row is too long")
	errManyLines     = fmt.Errorf("the file has more than %d lines", maxLines)
	errOpenQuotes    = fmt.Errorf("more than %d quotes are not closed", maxUnclosed)
)

// records reads the records of one file. The format is RFC 4180, with what the GTFS reference (File Requirements) adds
// and what feeds are known to do: spaces around fields mean nothing, also around quotes; lines end in LF or CRLF; a
// quote inside a field that does not begin with one is a quote.
//
// A record that cannot be read ends with its first line, so that it costs no other record: where a quote is not closed,
// the lines behind it are read again.
type records struct {
	source io.Reader
	// buffer has the bytes that were read, and next is the first that is in no record yet.
	buffer []byte
	next   int
	// err is why there is no more to read; io.EOF at the end.
	err error
	// line is where the record begins that was read last, and lines how many lines are behind it.
	line, lines int
	// unclosed is how many quotes were not closed so far.
	unclosed int

	// text has the fields of the record, one behind the other, and ends where each ends.
	text []byte
	ends []int
	row  []string
}

// read reads the next record that is more than an empty line. fault says what is wrong with it, and its fields are then
// what lies between the commas of its line. The fields are valid until the next call. io.EOF is the end.
func (c *records) read() (row []string, fault string, err error) {
	for {
		end, err := c.lineFrom(c.next)
		if err != nil {
			return nil, "", err
		}
		c.line = c.lines + 1
		if c.lines++; c.lines > maxLines {
			return nil, "", errManyLines
		}
		line := withoutReturn(c.buffer[c.next:end])
		switch {
		case len(line) == 0:
			c.next = min(end+1, len(c.buffer))
			continue
		case bytes.IndexByte(line, '"') >= 0:
			return c.quoted()
		}
		c.next = min(end+1, len(c.buffer))
		return c.plain(line), "", nil
	}
}

// plain splits a line without quotes.
func (c *records) plain(line []byte) []string {
	text, row := string(line), c.row[:0]
	for {
		field, rest, more := strings.Cut(text, ",")
		row = append(row, field)
		if !more {
			c.row = row
			return row
		}
		text = rest
	}
}

// notClosed is the fault of a record that has no end within the bounds of a record.
const notClosed = "a quote is not closed"

// quoted reads a record that has quotes in its first line, and may have line breaks between them.
func (c *records) quoted() (row []string, fault string, err error) {
	end, err := c.lineFrom(c.next)
	if err != nil {
		return nil, "", err
	}
	p := quotes{records: c}
	c.text, c.ends = c.text[:0], c.ends[:0]
	more := 0 // Lines behind the first.
	for {
		size := end - c.next
		if fault = p.parse(withoutReturn(c.buffer[c.next:end]), size); fault != "" || !p.open {
			break
		}
		if end, err = c.lineFrom(min(end+1, len(c.buffer))); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, errRecordTooLong) {
				return nil, "", err
			}
			fault = notClosed
			break
		}
		more++
	}
	if fault == "" {
		c.lines += more
		c.next = min(end+1, len(c.buffer))
		return c.fields(), "", nil
	}
	if more > 0 || fault == notClosed {
		if c.unclosed++; c.unclosed > maxUnclosed {
			return nil, "", errOpenQuotes
		}
	}
	return c.broken(), fault, nil
}

// broken gives what lies between the commas of a line that cannot be read, and goes to the line behind it.
func (c *records) broken() []string {
	end, _ := c.lineFrom(c.next) // It was there before.
	line := withoutReturn(c.buffer[c.next:end])
	c.next = min(end+1, len(c.buffer))
	row := c.plain(line)
	for i := range row {
		row[i] = strings.Trim(row[i], ` "`)
	}
	return row
}

// fields are the fields of text.
func (c *records) fields() []string {
	text, row, from := string(c.text), c.row[:0], 0
	for _, end := range c.ends {
		row = append(row, text[from:end])
		from = end
	}
	c.row = row
	return row
}

// quotes reads the fields of one record. Where the record goes on in the next line, it goes on where it was.
type quotes struct {
	records *records
	// at is how much of the record was read, and open tells whether that ended between quotes.
	at   int
	open bool
}

// parse reads on in the record, which reaches to the end of a line so far. size is its length with a carriage return
// that belongs to the record where the quote is still open. fault says what is wrong with it.
func (p *quotes) parse(record []byte, size int) (fault string) {
	c := p.records
	for {
		if p.open || nextIsQuote(record, &p.at) {
			if closed := p.inside(record); !closed {
				for ; p.at < size; p.at++ {
					c.text = append(c.text, '\r')
				}
				c.text = append(c.text, '\n')
				p.at = size + 1
				return ""
			}
			for p.at < len(record) && isSpace(record[p.at]) {
				p.at++
			}
			if p.at < len(record) && record[p.at] != ',' {
				return "text follows a closing quote"
			}
		} else {
			field, _, _ := bytes.Cut(record[p.at:], []byte(","))
			c.text = append(c.text, field...)
			p.at += len(field)
		}
		c.ends = append(c.ends, len(c.text))
		if p.at >= len(record) {
			return ""
		}
		p.at++ // The comma.
	}
}

// inside reads up to the closing quote; false where it is not in this line.
func (p *quotes) inside(record []byte) (closed bool) {
	p.open = true
	for p.at < len(record) {
		quote := bytes.IndexByte(record[p.at:], '"')
		if quote < 0 {
			break
		}
		p.records.text = append(p.records.text, record[p.at:p.at+quote]...)
		p.at += quote + 1
		if p.at == len(record) || record[p.at] != '"' {
			p.open = false
			return true
		}
		p.records.text = append(p.records.text, '"')
		p.at++
	}
	p.records.text = append(p.records.text, record[min(p.at, len(record)):]...)
	p.at = max(p.at, len(record))
	return false
}

// nextIsQuote goes behind the spaces and the quote that a quoted field begins with; elsewhere it goes nowhere.
func nextIsQuote(record []byte, at *int) bool {
	for i := *at; i < len(record); i++ {
		if record[i] == '"' {
			*at = i + 1
			return true
		}
		if !isSpace(record[i]) {
			break
		}
	}
	return false
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' }

// withoutReturn is a line without the carriage return at its end.
func withoutReturn(line []byte) []byte { return bytes.TrimSuffix(line, []byte("\r")) }

// lineFrom finds the end of the line in which a place of the buffer is. It reads more where the buffer has no more, and
// then moves what is in no record yet to the front of the buffer: next moves, and the end counts from where it is then.
func (c *records) lineFrom(at int) (end int, err error) {
	from := at
	for {
		if from < len(c.buffer) {
			if i := bytes.IndexByte(c.buffer[from:], '\n'); i >= 0 {
				return from + i, nil
			}
			from = len(c.buffer)
		}
		if c.err != nil {
			if errors.Is(c.err, io.EOF) && at < len(c.buffer) {
				return len(c.buffer), nil // The last line may end without a line break.
			}
			return 0, c.err
		}
		if len(c.buffer)-c.next > maxRecordBytes {
			return 0, errRecordTooLong
		}
		moved := c.next
		c.fill()
		at, from = at-moved, from-moved
	}
}

// fill reads once into the buffer, and makes room for that.
func (c *records) fill() {
	if c.next > 0 {
		c.buffer = c.buffer[:copy(c.buffer, c.buffer[c.next:])]
		c.next = 0
	}
	if len(c.buffer) == cap(c.buffer) {
		c.buffer = append(make([]byte, 0, max(bufferBytes, 2*cap(c.buffer))), c.buffer...)
	}
	n, err := c.source.Read(c.buffer[len(c.buffer):cap(c.buffer)])
	c.buffer = c.buffer[:len(c.buffer)+n]
	if err != nil {
		c.err = err
	}
}
