package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"interlock/cmd/lab/servers"
)

// The users, besides root.
const (
	serverUser      = "interlock"
	replicationUser = "replication"
)

// open makes the primary writable, in the one order in which nothing can be answered that no replica has: users on every
// member for itself, replicas connected, what they have held against the primary, source side on, a barrier commit
// acknowledged; and only then writable.
func (c *Cluster) open(ctx context.Context) (err error) {
	all := append([]*servers.SQLServer{c.Primary}, c.Replicas...)
	members := make([]*member, len(all))
	defer func() {
		for _, m := range members {
			if m != nil {
				err = errors.Join(err, m.close())
			}
		}
	}()
	for i, s := range all {
		if members[i], err = asRoot(s); err != nil {
			return err
		}
		if err := c.makeUsers(ctx, members[i]); err != nil {
			return err
		}
	}
	primary, replicas := members[0], members[1:]
	for _, r := range replicas {
		if err := r.do(ctx, c.dialect.follow(c.Primary, c.secrets.replication), c.dialect.startReplica); err != nil {
			return err
		}
	}
	for _, r := range replicas {
		if err := c.awaitReceiving(ctx, r); err != nil {
			return err
		}
		if err := c.compareTransactions(ctx, primary, r); err != nil {
			return err
		}
	}
	if err := c.switchSourceOn(ctx, primary, replicas); err != nil {
		return err
	}
	if err := c.barrier(ctx, primary); err != nil {
		return err
	}
	return primary.do(ctx, "SET GLOBAL read_only = OFF")
}

// makeUsers makes the users on one member for itself: in the binary log they would be transactions that only this member
// has.
func (c *Cluster) makeUsers(ctx context.Context, m *member) error {
	return m.do(ctx,
		c.dialect.unprotect,
		"SET SESSION sql_log_bin = 0",
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", replicationUser, c.secrets.replication),
		fmt.Sprintf("GRANT REPLICATION SLAVE ON *.* TO '%s'@'%%'", replicationUser),
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", serverUser, c.secrets.database),
		// Every database whose name begins like the ledger's: the lab measures in some beside it.
		fmt.Sprintf("GRANT ALL ON `%s%%`.* TO '%s'@'%%'", Database, serverUser),
		"SET SESSION sql_log_bin = 1",
		c.dialect.protect,
	)
}

func (c *Cluster) awaitReceiving(ctx context.Context, r *member) error {
	return await(ctx, func() (bool, string, error) {
		state, err := r.row(ctx, c.dialect.replicaState)
		return state[c.dialect.receiving] == "Yes",
			fmt.Sprintf("%s is not connected: %s", r.server.Addr(), state[c.dialect.receiveError]), err
	})
}

// compareTransactions refuses a primary that lacks what a replica has: opening it would begin a second history.
func (c *Cluster) compareTransactions(ctx context.Context, primary, replica *member) error {
	query := "SELECT @@GLOBAL.gtid_executed"
	if c.dialect.flavor == servers.MariaDB {
		query = "SELECT @@GLOBAL.gtid_current_pos"
	}
	has, err := replica.ask(ctx, query)
	if err != nil || has == "" {
		return err
	}
	same := "SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed)"
	if c.dialect.flavor == servers.MariaDB {
		same = "SELECT ? = @@GLOBAL.gtid_current_pos"
	}
	contains, err := primary.ask(ctx, same, has)
	if err == nil && contains != "1" {
		err = fmt.Errorf("the replica %s has transactions that the primary has not: %s", replica.server.Addr(), has)
	}
	return err
}

// switchSourceOn switches the source side on and waits until it counts a replica.
func (c *Cluster) switchSourceOn(ctx context.Context, primary *member, replicas []*member) error {
	if err := primary.do(ctx, "SET GLOBAL "+c.dialect.semiSync+"enabled = ON"); err != nil {
		return err
	}
	if c.dialect.flavor == servers.MariaDB {
		// A replica asks only when it connects whether its primary is semi-synchronous.
		for _, r := range replicas {
			if err := r.do(ctx, c.dialect.stopReplica, c.dialect.startReplica); err != nil {
				return err
			}
		}
	}
	return await(ctx, func() (bool, string, error) {
		state, err := primary.named(ctx, "STATUS", c.dialect.semiSync)
		clients, _ := strconv.Atoi(state["clients"]) // what is no number is none
		return state["status"] == "ON" && clients >= 1, fmt.Sprintf("semi-synchronous replication does not begin: %v", state), err
	})
}

// barrier makes one commit, which root may on a member that is read-only to others, and sees it acknowledged.
func (c *Cluster) barrier(ctx context.Context, primary *member) error {
	acknowledged := func() (int, error) {
		state, err := primary.named(ctx, "STATUS", c.dialect.semiSync)
		n, _ := strconv.Atoi(state["yes_tx"]) // what is no number is none
		return n, err
	}
	before, err := acknowledged()
	if err != nil {
		return err
	}
	err = primary.do(ctx, c.dialect.unprotect,
		"CREATE DATABASE IF NOT EXISTS barrier",
		"CREATE TABLE IF NOT EXISTS barrier.openings (at DATETIME(6) NOT NULL PRIMARY KEY)",
		"INSERT INTO barrier.openings VALUES (NOW(6))")
	if err != nil {
		return err
	}
	after, err := acknowledged()
	if err == nil && after <= before {
		err = errors.New("no replica has acknowledged the barrier commit")
	}
	return err
}
