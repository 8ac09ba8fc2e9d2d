package failover

import (
	"context"
	"database/sql"
	"fmt"

	"interlock/services/mysqlcluster"
)

// fence keeps an old primary, which does not know that it was replaced, from answering a commit. It hangs up on all
// clients first, above all on those whose commit waits for a replica. Then it switches the source side off, which lets
// those commits finish where no client hears of them. After that the member can be made read-only.
func (sup *Supervisor) fence(ctx context.Context, i int) error {
	a, ctx, err := sup.begin(ctx)
	if err != nil {
		return err
	}
	defer a.end()
	return why(ctx, a.fence(ctx, i))
}

func (a *attempt) fence(ctx context.Context, i int) error {
	members, err := a.look(ctx)
	if err != nil {
		return err
	}
	if !stale(members, i) {
		return nil // it was, a moment ago
	}
	s := a.sessions[i]
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL offline_mode = ON"); err != nil {
		return err
	}
	if err := a.hangUp(ctx, s); err != nil {
		return err
	}
	for _, statement := range []string{
		"SET GLOBAL rpl_semi_sync_source_enabled = OFF",
		"SET GLOBAL super_read_only = ON",
	} {
		if err := s.exec(ctx, statementTimeout, statement); err != nil {
			return err
		}
	}
	a.sup.log.Warn("an old primary was writable; it is shut now, and has answered nobody since it was replaced",
		"member", s.name)
	return nil
}

// hangUp ends the connections whose commit waits for a replica, those of administrators too: going offline spares
// administrators. KILL closes the connection at once, though the session goes on waiting.
func (a *attempt) hangUp(ctx context.Context, s *session) error {
	ended := map[int64]bool{}
	return await(ctx, statementTimeout, func() (bool, string, error) {
		var waiting []int64
		const query = "SELECT ID FROM performance_schema.processlist WHERE STATE LIKE 'Waiting for semi-sync ACK%'"
		err := s.query(ctx, lookTimeout, query, nil, func(row *sql.Rows) error {
			var id int64
			err := row.Scan(&id)
			if !ended[id] {
				waiting = append(waiting, id)
			}
			return err
		})
		if err != nil {
			return false, "", err
		}
		for _, id := range waiting {
			if err := s.exec(ctx, statementTimeout, "KILL ?", id); err != nil &&
				mysqlcluster.ErrorNumber(err) != erNoSuchThread {
				return false, "", err
			}
			ended[id] = true
		}
		return len(waiting) == 0, fmt.Sprintf("ever new sessions on %s wait for a replica", s.name), nil
	})
}
