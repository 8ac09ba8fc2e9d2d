package cluster

import (
	"context"
	"fmt"
	"time"

	"interlock/internal/servers"
)

// settleSeconds bounds how long replicas may need for what they have received and not applied yet.
const settleSeconds = 90

// Settle waits until every replica has applied all that the primary has: their catching up would be in the way of what is
// measured next.
func (c *Cluster) Settle(ctx context.Context) error {
	primary, err := asRoot(c.Primary)
	if err != nil {
		return err
	}
	defer primary.close()
	query, wait := "SELECT @@GLOBAL.gtid_executed", "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)"
	if c.options.Flavor == servers.MariaDB {
		query, wait = "SELECT @@GLOBAL.gtid_binlog_pos", "SELECT MASTER_GTID_WAIT(?, ?)"
	}
	position, err := primary.ask(ctx, query)
	if err != nil || position == "" {
		return err
	}
	for _, server := range c.Replicas {
		if err := settle(ctx, server, wait, position); err != nil {
			return err
		}
	}
	return nil
}

func settle(ctx context.Context, server *servers.SQLServer, wait, position string) error {
	replica, err := asRoot(server)
	if err != nil {
		return err
	}
	defer replica.close()
	ctx, cancel := context.WithTimeout(ctx, (settleSeconds+5)*time.Second)
	defer cancel()
	var answer int
	if err := replica.db.QueryRowContext(ctx, wait, position, settleSeconds).Scan(&answer); err != nil {
		return err
	}
	if answer != 0 {
		return fmt.Errorf("the replica %s has not caught up within %d s", server.Addr(), settleSeconds)
	}
	return nil
}
