package cluster

import (
	"fmt"
	"strconv"

	"interlock/internal/servers"
)

const (
	// ackTimeoutMilliseconds is the largest that MySQL takes, seven weeks: a primary must never fall back to commits
	// that do not wait.
	ackTimeoutMilliseconds = 4_294_967_295
	// netTimeoutSeconds and heartbeatSeconds are how soon a replica notices that its primary is frozen: the defaults
	// take a minute.
	netTimeoutSeconds = 4
	heartbeatSeconds  = 1
	// maxConnections is what four servers with their pools, and as many baselines, need at once.
	maxConnections = 1_000
	// bufferPool and redoLog keep a quarter of an hour of selling in memory, so that what is measured is the sale and
	// not the disk's reads.
	bufferPool, redoLog = "2G", "4G"
	// rowEvent is above what one statement of a sale writes.
	rowEvent = "4194304"
)

// dialect is what the two databases say differently.
type dialect struct {
	flavor servers.Flavor
	// protect and unprotect switch the last protection against writing on and off. Between unprotect and protect root
	// may write, while the member stays read-only to all other users. MariaDB has no such step.
	protect, unprotect string
}

func dialectOf(flavor servers.Flavor) dialect {
	if flavor == servers.MariaDB {
		return dialect{flavor: flavor}
	}
	return dialect{
		flavor: flavor, protect: "SET GLOBAL super_read_only = ON", unprotect: "SET GLOBAL super_read_only = OFF",
	}
}

// settings are the arguments of the member with an id: the same for all, since each may be primary one day. A member
// that starts is read-only and has its source side off. To open it is a decision.
func (d dialect) settings(id int) []string {
	common := []string{
		"--server-id=" + strconv.Itoa(id),
		"--log-bin=binlog",
		"--sync-binlog=1",
		"--innodb-flush-log-at-trx-commit=1",
		// With recovery on, a replica that was killed throws its relay log away, and with it what it has acknowledged.
		"--relay-log-recovery=OFF",
		"--sync-relay-log=1",
		// A replica syncs its relay log after every event, and a batch of 500 orders is 60 events of the default 8 KiB:
		// its commit took 92 ms, and takes 20 ms since a statement is one event.
		"--binlog-row-event-max-size=" + rowEvent,
		// A seat map is 19 KB, and its image from before the change is of no use.
		"--binlog-row-image=MINIMAL",
		"--max-connections=" + strconv.Itoa(maxConnections),
		"--innodb-buffer-pool-size=" + bufferPool,
	}
	if d.flavor == servers.MariaDB {
		return append(common,
			"--read-only=ON",
			"--binlog-format=ROW", // MIXED would send statements
			"--log-slave-updates=ON",
			"--gtid-strict-mode=ON",
			fmt.Sprintf("--slave-net-timeout=%d", netTimeoutSeconds),
			"--rpl-semi-sync-master-enabled=OFF",
			"--rpl-semi-sync-master-wait-point=AFTER_SYNC", // AFTER_COMMIT shows what no replica has
			"--rpl-semi-sync-master-wait-no-slave=ON",
			fmt.Sprintf("--rpl-semi-sync-master-timeout=%d", ackTimeoutMilliseconds),
			"--rpl-semi-sync-slave-enabled=ON",
			"--max-allowed-packet=64M", // what MySQL has
			"--innodb-log-file-size="+redoLog,
		)
	}
	return append(common,
		"--super-read-only=ON",
		"--gtid-mode=ON", "--enforce-gtid-consistency=ON",
		fmt.Sprintf("--replica-net-timeout=%d", netTimeoutSeconds),
		// Loaded before any replica connects: one that was connected earlier would not count.
		"--plugin-load-add=semisync_source.so", "--plugin-load-add=semisync_replica.so",
		"--plugin-load-add=mysql_clone.so", // a member with a history of its own is rebuilt by it
		"--loose-rpl-semi-sync-source-enabled=OFF",
		"--loose-rpl-semi-sync-source-wait-point=AFTER_SYNC",
		"--loose-rpl-semi-sync-source-wait-for-replica-count=1",
		"--loose-rpl-semi-sync-source-wait-no-replica=ON",
		fmt.Sprintf("--loose-rpl-semi-sync-source-timeout=%d", ackTimeoutMilliseconds),
		"--loose-rpl-semi-sync-replica-enabled=ON",
		"--innodb-redo-log-capacity="+redoLog,
		// For the same reason: compressed, a whole transaction is one event. It halves a small one's commit (9 to 4.5
		// ms), and doubles what 100 runs sell at once, whose commits a replica receives one by one. MariaDB has nothing
		// like it.
		"--binlog-transaction-compression=ON", "--binlog-transaction-compression-level-zstd=1",
	)
}
