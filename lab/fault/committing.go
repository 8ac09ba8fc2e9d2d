package fault

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"interlock/internal/servers"
	"interlock/lab/cluster"
)

// committingWait is how long a commit that waits is waited for: a primary that is sold on has one nearly all the time.
const committingWait = 3 * time.Second

// whileCommitting does something to a primary at a moment at which commits wait there for a replica. waiting is how
// many did, and at when that was. After too long without any it is done all the same, and waiting is 0.
func whileCommitting(
	ctx context.Context, primary *servers.SQLServer, do func() error,
) (waiting int, at time.Time, err error) {
	db, err := sql.Open("mysql", primary.DSN(""))
	if err != nil {
		return 0, time.Time{}, err
	}
	defer db.Close()
	conn, err := db.Conn(ctx) // opened before: a commit waits for milliseconds only
	if err != nil {
		return 0, time.Time{}, err
	}
	defer conn.Close()
	limited, cancel := context.WithTimeout(ctx, committingWait)
	defer cancel()
	for waiting == 0 && limited.Err() == nil {
		const query = "SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = " +
			"'Rpl_semi_sync_source_wait_sessions'"
		if err := conn.QueryRowContext(limited, query).Scan(&waiting); err != nil && limited.Err() == nil {
			return 0, time.Time{}, err
		}
	}
	at = time.Now()
	return waiting, at, do()
}

// commitOn commits a counter on a member, as a client does that takes the member for the primary and believes its
// answer. The answer comes on said, or the error of ctx once that has ended.
func (s *Scene) commitOn(
	ctx context.Context, member *servers.SQLServer, counter string,
) (said <-chan error, err error) {
	db, err := sql.Open("mysql", s.Cluster.Members().DSN(member, cluster.Database))
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx) // so that what is waited for below is the commit
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	answer := make(chan error, 1)
	go func() {
		defer db.Close()
		defer conn.Close()
		_, err := conn.ExecContext(ctx, "INSERT INTO counters (name, value) VALUES (?, 0)", counter)
		answer <- err
	}()
	return answer, nil
}

// saidOf is what was said, in a word where it was yes.
func saidOf(err error) string {
	if err == nil {
		return "OK"
	}
	return err.Error()
}
