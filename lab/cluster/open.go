package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"interlock/internal/servers"
)

// sourcePrefix begins the names of MariaDB's variables of a semi-synchronous primary.
const sourcePrefix = "rpl_semi_sync_master_"

// The users, besides root.
const (
	serverUser      = "interlock"
	replicationUser = "replication"
	supervisorUser  = "failover"
)

// openMariaDB makes the first member writable, in the one order in which every answer is also on a replica: replicas
// connected, their transactions compared with the primary's, source side on, a barrier commit acknowledged, and only
// then writable. The supervisor does that for MySQL, and refuses MariaDB.
func (m *Members) openMariaDB(ctx context.Context) (err error) {
	members := make([]*member, len(m.Servers))
	defer func() {
		for _, one := range members {
			if one != nil {
				err = errors.Join(err, one.close())
			}
		}
	}()
	for i, s := range m.Servers {
		if members[i], err = asRoot(s); err != nil {
			return err
		}
	}
	primary, replicas := members[0], members[1:]
	for _, r := range replicas {
		if err := r.do(ctx, follow(primary.server, m.secrets.replication), "START SLAVE"); err != nil {
			return err
		}
	}
	for _, r := range replicas {
		if err := awaitReceiving(ctx, r); err != nil {
			return err
		}
		if err := compareTransactions(ctx, primary, r); err != nil {
			return err
		}
	}
	if err := switchSourceOn(ctx, primary, replicas); err != nil {
		return err
	}
	if err := barrier(ctx, primary); err != nil {
		return err
	}
	return primary.do(ctx, "SET GLOBAL read_only = OFF")
}

func awaitReceiving(ctx context.Context, r *member) error {
	return await(ctx, func() (bool, string, error) {
		state, err := r.row(ctx, "SHOW SLAVE STATUS")
		return state["Slave_IO_Running"] == "Yes",
			fmt.Sprintf("%s is not connected: %s", r.server.Addr(), state["Last_IO_Error"]), err
	})
}

// compareTransactions refuses a primary that lacks what a replica has: opening it would begin a second history.
func compareTransactions(ctx context.Context, primary, replica *member) error {
	has, err := replica.ask(ctx, "SELECT @@GLOBAL.gtid_current_pos")
	if err != nil || has == "" {
		return err
	}
	same, err := primary.ask(ctx, "SELECT ? = @@GLOBAL.gtid_current_pos", has)
	if err == nil && same != "1" {
		err = fmt.Errorf("the replica %s has transactions that the primary has not: %s", replica.server.Addr(), has)
	}
	return err
}

// switchSourceOn switches the source side on and waits until it counts a replica.
func switchSourceOn(ctx context.Context, primary *member, replicas []*member) error {
	if err := primary.do(ctx, "SET GLOBAL "+sourcePrefix+"enabled = ON"); err != nil {
		return err
	}
	// A replica asks only when it connects whether its primary is semi-synchronous.
	for _, r := range replicas {
		if err := r.do(ctx, "STOP SLAVE", "START SLAVE"); err != nil {
			return err
		}
	}
	return await(ctx, func() (bool, string, error) {
		state, err := primary.named(ctx, "STATUS", sourcePrefix)
		clients, _ := strconv.Atoi(state["clients"]) // what is no number is none
		return state["status"] == "ON" && clients >= 1,
			fmt.Sprintf("semi-synchronous replication does not begin: %v", state), err
	})
}

// barrier makes one commit, which root may on a member that is read-only to others, and sees it acknowledged.
func barrier(ctx context.Context, primary *member) error {
	acknowledged := func() (int, error) {
		state, err := primary.named(ctx, "STATUS", sourcePrefix)
		n, _ := strconv.Atoi(state["yes_tx"]) // what is no number is none
		return n, err
	}
	before, err := acknowledged()
	if err != nil {
		return err
	}
	err = primary.do(ctx,
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

// follow points a replica at its primary.
func follow(primary *servers.SQLServer, password string) string {
	return fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = %d, MASTER_USER = '%s', "+
		"MASTER_PASSWORD = '%s', "+
		"MASTER_USE_GTID = slave_pos, MASTER_HEARTBEAT_PERIOD = %d, MASTER_CONNECT_RETRY = 1",
		primary.Port(), replicationUser, password, heartbeatSeconds)
}
