//go:build lab

// The figures of docs/decisions/0029: go test -tags lab ./services/ledger -run '^$' -bench Commit

package sqlledger_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// BenchmarkCommit_Replicated sells nothing, over and over, on a real cluster with two replicas: what is left is the
// cost of a batch's round trips and of its commit. Beside it is what the question behind the commit costs, asked in two
// ways.
func BenchmarkCommit_Replicated(b *testing.B) {
	for _, flavor := range []servers.Flavor{servers.MySQL, servers.MariaDB} {
		b.Run(string(flavor), func(b *testing.B) {
			members, err := cluster.StartMembers(b.Context(), flavor, 3)
			serverstest.Require(b, err)
			defer members.Close()
			require.NoError(b, members.Open(context.WithoutCancel(b.Context()), nil))
			o := sqlledger.Options{
				DSN:     members.DSN(members.Servers[0], cluster.Database),
				Keyring: ledgertest.Keyring(b),
			}
			require.NoError(b, sqlledger.Migrate(b.Context(), o))
			l, err := sqlledger.Open(b.Context(), o)
			require.NoError(b, err)
			defer l.Close()
			run := ledgertest.NewRun(ledgertest.NewTrain("T12"), day)
			_, err = l.Publish(b.Context(), []*rail.Run{run}, "an admin", false)
			require.NoError(b, err)
			b.Run("Batch", func(b *testing.B) {
				for b.Loop() {
					_, err := l.Sell(b.Context(), ledger.Batch{RunID: run.ID}, nothing)
					require.NoError(b, err)
				}
			})
			db := ledgertest.DB(b, o)
			conn, err := db.Conn(b.Context())
			require.NoError(b, err)
			prefix, table := "rpl_semi_sync_source_", "performance_schema.global_status"
			if flavor == servers.MariaDB {
				prefix, table = "rpl_semi_sync_master_", "information_schema.GLOBAL_STATUS"
			}
			for name, question := range map[string]string{
				"Nothing": "DO 0",
				"Show":    "SHOW GLOBAL STATUS LIKE '" + prefix + "%'",
				"Select": "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM " + table +
					" WHERE VARIABLE_NAME IN ('" + prefix + "status', '" +
					prefix + "no_times')",
			} {
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						_, err := conn.ExecContext(b.Context(), question)
						require.NoError(b, err)
					}
				})
			}
			require.NoError(b, conn.Close())
		})
	}
}
