package fault

import (
	"context"
	"database/sql"
	"time"

	"interlock/cmd/lab/servers"
)

// committingWait is how long a commit that waits is waited for: a primary that is sold on has one nearly all the time.
const committingWait = 3 * time.Second

// whileCommitting does something to a primary at a moment at which commits wait there for a replica, and says how many did and
// when that was. Where none does for too long, it is done all the same, and waiting is 0.
func whileCommitting(ctx context.Context, primary *servers.SQLServer, do func() error) (waiting int, at time.Time, err error) {
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
		const query = "SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Rpl_semi_sync_source_wait_sessions'"
		if err := conn.QueryRowContext(limited, query).Scan(&waiting); err != nil && limited.Err() == nil {
			return 0, time.Time{}, err
		}
	}
	at = time.Now()
	return waiting, at, do()
}
