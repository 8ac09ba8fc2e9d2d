package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"interlock/internal/servers"
)

// replicaSeconds bounds how long replicas may need for what they have received and not applied yet.
const replicaSeconds = 90

// AwaitReplicas waits until every replica has applied all that the primary has: their catching up would be in the way
// of what is measured next.
func (c *Cluster) AwaitReplicas(ctx context.Context) error {
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
		if err := awaitReplica(ctx, server, wait, position); err != nil {
			return err
		}
	}
	return nil
}

func awaitReplica(ctx context.Context, server *servers.SQLServer, wait, position string) error {
	replica, err := asRoot(server)
	if err != nil {
		return err
	}
	defer replica.close()
	ctx, cancel := context.WithTimeout(ctx, (replicaSeconds+5)*time.Second)
	defer cancel()
	var answer int
	if err := replica.db.QueryRowContext(ctx, wait, position, replicaSeconds).Scan(&answer); err != nil {
		return err
	}
	if answer != 0 {
		return fmt.Errorf("the replica %s has not caught up within %d s", server.Addr(), replicaSeconds)
	}
	return nil
}

// BesideDSN is the data source name of a database beside the ledger's own, for what is measured against it.
func (c *Cluster) BesideDSN(name string) string { return c.DSN(Database + "_" + name) }

// DropBeside drops such a database.
func (c *Cluster) DropBeside(ctx context.Context, name string) error {
	primary, err := asRoot(c.Primary)
	if err != nil {
		return err
	}
	defer primary.close()
	return primary.do(ctx, "DROP DATABASE IF EXISTS `"+strings.ReplaceAll(Database+"_"+name, "`", "``")+"`")
}

// LockAddrs are the addresses of the lock nodes.
func (c *Cluster) LockAddrs() []string { return c.lockAddrs() }
