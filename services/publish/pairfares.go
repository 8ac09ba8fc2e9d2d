package publish

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"

	"interlock/services/rail"
)

// Bounds of tables of fares between stations.
const (
	// maxPairBytes is the length of a file: more than maxPairRows rows of long names.
	maxPairBytes = 96 << 20
	// maxPairRows is how many rows all files have together: one for each two of 1,000 stations, in two classes. Each
	// takes 40 bytes of memory.
	maxPairRows = 1_000_000
	// maxPairProblems is how many defects of a file are named.
	maxPairProblems = 20
)

// pairFile is a table of fares from station to station, as a spreadsheet program wrote it. It is never changed once
// read.
type pairFile struct {
	name string
	// stations are what its rows call stations: codes, or names.
	stations []string
	rows     []pairRow
	// hasClass says that rows have a class each; they are for any class otherwise.
	hasClass bool
}

// pairRow is a row; its stations are numbered as pairFile.stations are.
type pairRow struct {
	from, to int32
	line     int32
	class    int8 // of rail.SeatClasses; -1 for any
	oneWay   bool
	minor    int64
}

// pairColumns are the columns of the file, in any order; the last two may be missing.
var pairColumns = []string{"from", "to", "amount", "class", "direction"}

const (
	columnFrom = iota
	columnTo
	columnAmount
	columnClass
	columnDirection
	neededColumns = columnAmount + 1
)

// readPairFile reads a table of fares of at most maxRows rows. Defects are listed with the file's name and their line.
func readPairFile(name string, r io.Reader, currency rail.Currency, maxRows int) (*pairFile, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPairBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxPairBytes {
		return nil, rail.Refuse(rail.Invalid, "%s: the file is longer than %d bytes", name, maxPairBytes)
	}
	if data, err = asUTF8(data); err != nil {
		return nil, rail.Refuse(rail.Invalid, "%s: %v", name, err)
	}
	reader := csv.NewReader(bytes.NewReader(data))
	reader.FieldsPerRecord = -1 // Spreadsheets leave out empty fields at the end, or add some.
	reader.TrimLeadingSpace = true
	reader.ReuseRecord = true
	reader.Comma = separator(data)
	p := pairParser{
		file: &pairFile{name: name}, named: map[string]int32{}, reader: reader, currency: currency, maxRows: maxRows,
	}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return p.file, nil
}

// asUTF8 is the text of a file without a byte order mark. Some spreadsheet programs write UTF-16 with such a mark.
func asUTF8(data []byte) ([]byte, error) {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(data)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if at := firstInvalid(data); at >= 0 {
		return nil, fmt.Errorf("line %d is not UTF-8: save it as \"CSV UTF-8\"", 1+bytes.Count(data[:at], []byte("\n")))
	}
	return data, nil
}

// firstInvalid is where a text is no UTF-8, -1 where all of it is.
func firstInvalid(data []byte) int {
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// separator is what separates the columns of the first line: spreadsheet programs write a semicolon where a comma is
// the decimal sign, and a tab where they are asked to.
func separator(data []byte) rune {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if named, is := bytes.CutPrefix(bytes.TrimSpace(line), []byte("sep=")); is && len(named) == 1 {
		return rune(named[0])
	}
	found := ','
	for _, candidate := range []rune{';', '\t'} {
		if bytes.Count(line, []byte(string(candidate))) > bytes.Count(line, []byte(string(found))) {
			found = candidate
		}
	}
	return found
}

type pairParser struct {
	file *pairFile
	// named has the number in file.stations of each.
	named    map[string]int32
	reader   *csv.Reader
	currency rail.Currency
	maxRows  int
	// columns are where each of pairColumns is, -1 where it is missing.
	columns  []int
	problems rail.Errors
}

// refuse keeps a defect of a line, and tells whether there may be more.
func (p *pairParser) refuse(line int, format string, args ...any) bool {
	p.problems.Add(rail.Invalid, nil, "%s:%d: %s", p.file.name, line, fmt.Sprintf(format, args...))
	return len(p.problems) < maxPairProblems
}

func (p *pairParser) parse() error {
	for {
		record, err := p.reader.Read()
		line := 0
		if len(record) > 0 {
			line, _ = p.reader.FieldPos(0)
		}
		var broken *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			if p.columns == nil {
				return rail.Refuse(rail.Invalid, "%s: the file is empty: its first line names the columns %s",
					p.file.name, strings.Join(pairColumns, ", "))
			}
			return p.problems.OrNil()
		case errors.As(err, &broken):
			p.refuse(broken.Line, "%v", broken.Err)
			return p.problems
		case err != nil:
			return err
		case isBlank(record) || p.columns == nil && strings.HasPrefix(record[0], "sep="):
		case p.columns == nil:
			if err := p.header(record, line); err != nil {
				return err
			}
		case len(p.file.rows) == p.maxRows:
			return rail.Refuse(rail.Invalid, "%s:%d: tables of fares have at most %d rows together", p.file.name, line,
				maxPairRows)
		default:
			if !p.row(record, line) {
				return p.problems
			}
		}
	}
}

func isBlank(record []string) bool {
	return !slices.ContainsFunc(record, func(field string) bool { return strings.TrimSpace(field) != "" })
}

// header reads the first line.
func (p *pairParser) header(record []string, line int) error {
	p.columns = slices.Repeat([]int{-1}, len(pairColumns))
	for at, field := range record {
		name := strings.ToLower(strings.TrimSpace(field))
		column := slices.Index(pairColumns, name)
		switch {
		case name == "":
		case column < 0:
			p.refuse(line, "%q is no column: they are %s", shorten(field), strings.Join(pairColumns, ", "))
		case p.columns[column] >= 0:
			p.refuse(line, "the column %s is there twice", name)
		default:
			p.columns[column] = at
		}
	}
	for column, name := range pairColumns[:neededColumns] {
		if p.columns[column] < 0 {
			p.refuse(line, "there is no column %s", name)
		}
	}
	p.file.hasClass = p.columns[columnClass] >= 0
	return p.problems.OrNil()
}

// row reads a line of fares. It is false where no more need be read.
func (p *pairParser) row(record []string, line int) bool {
	field := func(column int) string {
		if at := p.columns[column]; at >= 0 && at < len(record) {
			return strings.TrimSpace(record[at])
		}
		return ""
	}
	row := pairRow{line: int32(line), class: -1}
	for _, column := range []int{columnFrom, columnTo} {
		if field(column) == "" {
			return p.refuse(line, "the row has no %s", pairColumns[column])
		}
	}
	row.from, row.to = p.station(field(columnFrom)), p.station(field(columnTo))
	if p.file.hasClass {
		class := strings.ToUpper(field(columnClass))
		if row.class = int8(slices.Index(rail.SeatClasses, rail.SeatClass(class))); row.class < 0 {
			return p.refuse(line, "%q is not a seat class: they are %v", shorten(class), rail.SeatClasses)
		}
	}
	switch way := strings.ToLower(field(columnDirection)); way {
	case "", "both":
	case "one":
		row.oneWay = true
	default:
		return p.refuse(line, "direction is both or one, not %q", shorten(way))
	}
	money, err := rail.ParseMoney(decimalPoint(field(columnAmount)), p.currency)
	if err != nil {
		return p.refuse(line, "amount: %v", err)
	}
	row.minor = money.Minor
	p.file.rows = append(p.file.rows, row)
	return true
}

// station numbers what a row calls a station.
func (p *pairParser) station(text string) int32 {
	number, known := p.named[text]
	if !known {
		text = strings.Clone(text) // What it is a part of may be a long line.
		number = int32(len(p.file.stations))
		p.file.stations, p.named[text] = append(p.file.stations, text), number
	}
	return number
}

var decimalComma = regexp.MustCompile(`^([0-9]+),([0-9]+)$`)

// decimalPoint puts a point in place of the comma that many countries' spreadsheet programs write.
func decimalPoint(amount string) string { return decimalComma.ReplaceAllString(amount, "$1.$2") }

// shorten is the beginning of a text that is to be shown.
func shorten(text string) string {
	const shown = 40
	if utf8.RuneCountInString(text) <= shown {
		return text
	}
	return string([]rune(text)[:shown]) + "…"
}

// of counts the rows for a class, and finds the first line of a fare of 0.00; 0 where there is none.
func (f *pairFile) of(class rail.SeatClass) (rows, free int) {
	for i := range f.rows {
		if row := &f.rows[i]; row.class < 0 || rail.SeatClasses[row.class] == class {
			rows++
			if row.minor == 0 && free == 0 {
				free = int(row.line)
			}
		}
	}
	return rows, free
}
