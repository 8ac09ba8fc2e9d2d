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

// statementOf is a statement with its arguments, whose texts are counted.
func statementOf(text string, args []any) statement {
	s := statement{text: text, args: args, bytes: len(text)}
	for _, arg := range args {
		if v, ok := arg.(string); ok {
			s.bytes += len(v)
		}
	}
	return s
}

// maxMultiStatementBytes bounds what is sent at once: MariaDB takes 16 MB by default, MySQL 64.
const maxMultiStatementBytes = 4 << 20

// execAll runs statements in their order. Nothing comes after one that fails. MySQL and MariaDB get as many in one
// round trip as fit: a single order is a handful of small statements, which would spend most of their time on round
// trips.
func (t *transaction) execAll(ctx context.Context, statements []statement) error {
	for len(statements) > 0 {
		n := 1
		if t.pool.multiStatement {
			n = fitting(statements)
		}
		text, args := multiStatement(statements[:n])
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
	for n < len(statements) && (n == 0 || bytes+statements[n].bytes <= maxMultiStatementBytes) {
		bytes += statements[n].bytes
		n++
	}
	return n
}

// multiStatement is one text of several statements.
func multiStatement(statements []statement) (string, []any) {
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

// insert writes rows.
func (t *transaction) insert(ctx context.Context, into string, columns []string, rows [][]any) error {
	return t.execAll(ctx, t.pool.dialect.inserts(into, columns, rows))
}

// inserts write rows in as few statements as the bounds on one statement admit.
func (d dialect) inserts(into string, columns []string, rows [][]any) []statement {
	var all []statement
	one := marks(len(columns))
	head := into + " (" + strings.Join(columns, ", ") + ") VALUES "
	for len(rows) > 0 {
		n, bytes := 0, 0
		args := make([]any, 0, min(len(rows)*len(columns), d.arguments()))
		for n < len(rows) && (n+1)*len(columns) <= d.arguments() && (n == 0 || bytes < maxStatementBytes) {
			for _, v := range rows[n] {
				switch v := v.(type) {
				case []byte:
					bytes += len(v)
				case string:
					bytes += len(v)
				}
			}
			args = append(args, rows[n]...)
			n++
		}
		all = append(all, statement{text: head + one + strings.Repeat(","+one, n-1), args: args, bytes: bytes})
		rows = rows[n:]
	}
	return all
}

// marks is "(?,?,?)" for n arguments.
func marks(n int) string {
	return "(" + strings.TrimSuffix(strings.Repeat("?,", n), ",") + ")"
}

func anys[S ~string](values []S) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
