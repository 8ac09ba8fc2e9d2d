package report

import (
	"strings"
	"unicode/utf8"
)

// table is a table in Markdown whose columns are as wide as their widest cell, so that it can be read as text, too.
type table struct {
	rows [][]string
	// left is how many columns, from the left, are words; the others are figures and stand to the right.
	left int
}

func newTable(left int, head ...string) *table { return &table{rows: [][]string{head}, left: left} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		for i, cell := range cells {
			room := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < t.left {
				b.WriteString("| " + cell + room + " ")
			} else {
				b.WriteString("| " + room + cell + " ")
			}
		}
		b.WriteString("|\n")
	}
	line(t.rows[0])
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w)
		if i >= t.left {
			rule[i] = strings.Repeat("-", w-1) + ":"
		}
	}
	line(rule)
	for _, row := range t.rows[1:] {
		line(row)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
