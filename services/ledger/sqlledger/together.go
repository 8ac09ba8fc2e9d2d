package sqlledger

import (
	"context"
	"strings"
)

// statement is one statement that writes, and about how long its arguments are.
type statement struct {
	text  string
	args  []any
	bytes int
}

// maxTogetherBytes bounds what is sent at once: MariaDB takes 16 MB by default, MySQL 64.
const maxTogetherBytes = 4 << 20

// together runs statements in their order. Nothing comes after one that fails. MySQL and MariaDB get as many of them in one
// round trip as fit: an order by itself is a handful of small statements, and most of their time would be waiting for each
// other.
func (t *transaction) together(ctx context.Context, statements []statement) error {
	for len(statements) > 0 {
		n := 1
		if t.p.joins {
			n = fitting(statements)
		}
		text, args := joined(statements[:n])
		if _, err := t.exec(ctx, text, args...); err != nil {
			return err
		}
		statements = statements[n:]
	}
	return nil
}

// fitting is how many of the first statements may be sent at once, at least one.
func fitting(statements []statement) (n int) {
	bytes := 0
	for n < len(statements) && (n == 0 || bytes+statements[n].bytes <= maxTogetherBytes) {
		bytes += statements[n].bytes
		n++
	}
	return n
}

// joined is one text of several statements.
func joined(statements []statement) (string, []any) {
	texts, size := make([]string, len(statements)), 0
	for i, s := range statements {
		texts[i] = s.text
		size += len(s.args)
	}
	args := make([]any, 0, size)
	for _, s := range statements {
		args = append(args, s.args...)
	}
	return strings.Join(texts, "; "), args
}
