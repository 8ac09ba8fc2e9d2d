package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
	"gorm.io/gorm"
)

// statement is one statement that writes, and about how long its arguments are.
type statement struct {
	text  string
	args  []any
	bytes int
}

// maxTogetherBytes bounds what is sent at once: MariaDB takes 16 MB by default, MySQL 64.
const maxTogetherBytes = 4 << 20

// together runs statements in their order, and tells how many rows the first of them changed. Nothing comes after one
// that fails. MySQL and MariaDB get all of them in one round trip: an order by itself is a handful of small statements,
// and most of their time would be waiting for each other.
func (t *transaction) together(ctx context.Context, statements []statement) (first int64, err error) {
	for n := 0; n < len(statements); {
		var text strings.Builder
		var args []any
		bytes, from := 0, n
		for n < len(statements) && (n == from || t.p.joins && bytes+statements[n].bytes <= maxTogetherBytes) {
			if n > from {
				text.WriteString("; ")
			}
			text.WriteString(statements[n].text)
			args = append(args, statements[n].args...)
			bytes += statements[n].bytes
			n++
		}
		changed, err := t.exec(ctx, text.String(), args...)
		if err != nil {
			return 0, err
		}
		if from == 0 {
			first = changed
		}
	}
	return first, nil
}

// firstCounts is a connection that answers for several statements at once with the rows that the first of them changed.
// database/sql hides what the driver says of each.
type firstCounts struct{ *sql.Conn }

var _ gorm.ConnPool = firstCounts{}

// ExecContext sends a text of one or more statements.
func (c firstCounts) ExecContext(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	named := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: value}
	}
	err = c.Raw(func(connection any) error {
		of, err := connection.(driver.ExecerContext).ExecContext(ctx, query, named)
		if err != nil {
			return err
		}
		result = driver.RowsAffected(0)
		if all := of.(mysql.Result).AllRowsAffected(); len(all) > 0 {
			result = driver.RowsAffected(all[0])
		}
		return nil
	})
	return result, err
}
