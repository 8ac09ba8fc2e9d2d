//go:build lab

// The figures of docs/consistency.md: go test -tags lab ./services/ledger -run '^$' -bench Synchrony

package sqlledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
)

// BenchmarkSynchrony commits rows of the size of a small batch on three members: until one replica has them on its
// disk, until both have, and in a group, until a majority has received them. Once by one client and once by 64.
func BenchmarkSynchrony(b *testing.B) {
	members, err := cluster.StartMembers(b.Context(), servers.MySQL, 3)
	serverstest.Require(b, err)
	defer members.Close()
	require.NoError(b, members.Open(context.WithoutCancel(b.Context()), nil))
	primary := rootOf(b, members.Servers[0])
	for _, replicas := range []int{1, 2} {
		_, err := primary.ExecContext(b.Context(),
			fmt.Sprintf("SET GLOBAL rpl_semi_sync_source_wait_for_replica_count = %d", replicas))
		require.NoError(b, err)
		b.Run(fmt.Sprintf("Acknowledgements%d", replicas), func(b *testing.B) { commits(b, primary) })
	}
	for _, m := range members.Servers { // the group has the machine to itself
		require.NoError(b, m.Kill())
	}
	b.Run("Group", func(b *testing.B) { commits(b, startGroup(b)) })
}

func commits(b *testing.B, db *sql.DB) {
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS synchrony", "DROP TABLE IF EXISTS synchrony.sold",
		"CREATE TABLE synchrony.sold (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, what VARCHAR(2000) NOT NULL)",
	} {
		_, err := db.ExecContext(b.Context(), statement)
		require.NoError(b, err)
	}
	const clients = 64
	db.SetMaxIdleConns(clients)
	row := strings.Repeat("23B ", 500)
	commit := func() error {
		_, err := db.ExecContext(context.Background(), "INSERT INTO synchrony.sold (what) VALUES (?)", row)
		return err
	}
	b.Run("One", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, commit())
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	})
	b.Run("Many", func(b *testing.B) {
		b.SetParallelism(clients / 2) // of two processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := commit(); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	})
}

// startGroup starts three members of a replication group with a single primary, as safe on disk as the others.
func startGroup(b *testing.B) *sql.DB {
	var addresses []string
	for range 3 {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		addresses = append(addresses, free.Addr().String())
		require.NoError(b, free.Close())
	}
	var primary *sql.DB
	for i, address := range addresses {
		server, err := servers.StartMySQL(b.Context(), servers.SQLOptions{Args: []string{
			fmt.Sprintf("--server-id=%d", i+1), "--log-bin=binlog", "--gtid-mode=ON",
			"--enforce-gtid-consistency=ON", "--sync-relay-log=1",
			"--binlog-transaction-compression=ON", "--report-host=127.0.0.1", "--plugin-load-add=group_replication.so",
			"--loose-group-replication-group-name=23b23b23-0000-4000-8000-000000000000",
			"--loose-group-replication-start-on-boot=OFF",
			"--loose-group-replication-local-address=" + address,
			"--loose-group-replication-group-seeds=" + strings.Join(addresses, ","),
			"--loose-group-replication-single-primary-mode=ON",
			"--loose-group-replication-consistency=BEFORE_ON_PRIMARY_FAILOVER",
		}})
		serverstest.Require(b, err)
		b.Cleanup(func() { require.NoError(b, server.Close()) })
		db := rootOf(b, server)
		begin := []string{"START GROUP_REPLICATION USER = 'root', PASSWORD = ''"}
		if primary == nil {
			primary = db
			begin = []string{
				"SET GLOBAL group_replication_bootstrap_group = ON", "START GROUP_REPLICATION",
				"SET GLOBAL group_replication_bootstrap_group = OFF",
			}
		}
		for _, statement := range begin {
			_, err := db.ExecContext(b.Context(), statement)
			require.NoError(b, err)
		}
		require.Eventually(b, func() bool {
			var online int
			err := primary.QueryRow("SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE " +
				"MEMBER_STATE = 'ONLINE'").Scan(&online)
			return err == nil && online == i+1
		}, time.Minute, 100*time.Millisecond, "it is in the group")
	}
	return primary
}

func rootOf(b *testing.B, server *servers.SQLServer) *sql.DB {
	db, err := sql.Open("mysql", server.DSN(""))
	require.NoError(b, err)
	b.Cleanup(func() { _ = db.Close() })
	return db
}
