package search

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver for asking the primary for its counters
)

// counted is what the primary was asked in a while.
type counted struct {
	selects, statements int
	seconds             float64
}

func (c counted) perSecond(n int) float64 { return float64(n) / c.seconds }

// count counts what the primary is asked while something goes on; without a cluster it counts nothing.
func (l *lab) count(ctx context.Context, during func() error) (c counted, err error) {
	if l.Cluster == nil {
		return c, during()
	}
	db, err := sql.Open("mysql", l.Cluster.Primary.DSN(""))
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	before, err := counters(ctx, db)
	if err != nil {
		return c, err
	}
	begun := time.Now()
	if err := during(); err != nil {
		return c, err
	}
	c.seconds = time.Since(begun).Seconds()
	after, err := counters(ctx, db)
	if err != nil {
		return c, err
	}
	c.selects = after["Com_select"] - before["Com_select"]
	c.statements = after["Questions"] - before["Questions"] - 1 // the question itself
	return c, nil
}

func counters(ctx context.Context, db *sql.DB) (map[string]int, error) {
	rows, err := db.QueryContext(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_select', 'Questions')")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]int{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		if found[name], err = strconv.Atoi(value); err != nil {
			return nil, err
		}
	}
	return found, rows.Err()
}
