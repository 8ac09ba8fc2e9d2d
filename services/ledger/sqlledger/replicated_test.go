package sqlledger_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// TestReplicated_SellsOnlyWhileReplicated takes a primary of its own through what a primary can be: without
// semi-synchronous replication, with it off, with it and no replica, and read-only.
func TestReplicated_SellsOnlyWhileReplicated(t *testing.T) {
	for _, flavor := range []struct {
		name    string
		start   func(context.Context, servers.SQLOptions) (*servers.SQLServer, error)
		args    []string
		install string
		prefix  string
		alone   string
	}{
		{
			"MySQL", servers.StartMySQL, nil, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
			"rpl_semi_sync_source_", "wait_no_replica",
		},
		{"MariaDB", servers.StartMariaDB, []string{"--log-bin"}, "DO 0", "rpl_semi_sync_master_", "wait_no_slave"},
	} {
		t.Run(flavor.name, func(t *testing.T) {
			server, err := flavor.start(t.Context(), servers.SQLOptions{Relaxed: true, Args: flavor.args})
			serverstest.Require(t, err)
			t.Cleanup(func() {
				// Never in order: that would wait for the commit that waits for a replica.
				require.NoError(t, server.Kill())
				require.NoError(t, server.Close())
			})
			c := &clock{}
			o := sqlledger.Options{DSN: server.DSN("interlock"), CommitTimeout: 500 * time.Millisecond, Clock: c.read}
			require.NoError(t, sqlledger.Migrate(t.Context(), o))
			local := o
			local.Durability, local.CommitTimeout = sqlledger.Local, 0
			run := ledgertest.NewRun(ledgertest.NewTrain("T12"), day)
			alone := ledgertest.Open(t, local)
			_, err = alone.Publish(t.Context(), []*rail.Run{run}, "an admin", false)
			require.NoError(t, err)
			_, err = alone.Sell(t.Context(), ledger.Batch{RunID: run.ID}, sells("zhao", 5))
			require.NoError(t, err)

			db, err := sql.Open("mysql", server.DSN(""))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			set := func(statement string) {
				t.Helper()
				_, err := db.ExecContext(t.Context(), statement)
				require.NoError(t, err)
			}
			l := ledgertest.Open(t, o)
			refuses := func(why string) {
				t.Helper()
				c.advance(time.Minute) // so that it looks again
				require.ErrorContains(t, l.Ready(t.Context()), why)
				_, err := l.Sell(t.Context(), ledger.Batch{RunID: run.ID}, nothing)
				require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
				_, _, err = ledgertest.Pay(t.Context(), l, run.ID, firstOrder(run.ID, "zhao"), "zhao", "pay0001")
				require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
				_, _, err = ledgertest.Pay(t.Context(), l, run.ID, "no such order", "zhao", "pay0001")
				require.Equal(t, rail.Unavailable, rail.CodeOf(err),
					"a server like that cannot even say that there is none: %v", err)
				_, err = l.Sell(t.Context(), ledger.Batch{RunID: "T13@2019-10-12"}, nothing)
				require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
				_, err = l.SetStatus(t.Context(), run.ID, rail.Suspended, "snow", "an admin")
				require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
				_, err = l.JumpVersions(t.Context())
				require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
				rows, err := l.TakeEvents(t.Context(), "", ledger.MaxTake)
				require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
				require.Empty(t, rows)
			}
			refuses("semi-synchronous replication is off") // not even loaded
			set(flavor.install)
			refuses("semi-synchronous replication is off")
			set("SET GLOBAL " + flavor.prefix + "enabled = 1")
			set("SET GLOBAL " + flavor.prefix + "wait_point = AFTER_COMMIT")
			refuses("AFTER_SYNC")
			set("SET GLOBAL " + flavor.prefix + "wait_point = AFTER_SYNC")
			set("SET GLOBAL " + flavor.prefix + "timeout = 10000")
			refuses("would fall back")
			set("SET GLOBAL " + flavor.prefix + "timeout = 4294967295")
			require.ErrorContains(t, l.Ready(t.Context()), "no replica is connected")

			// The commit waits for a replica that does not come: it is in doubt, and cannot be read.
			c.advance(time.Minute)
			_, err = l.Sell(t.Context(), ledger.Batch{RunID: run.ID}, sells("wang", 0))
			require.ErrorIs(t, err, ledger.ErrInDoubt)
			order, err := l.OrderByNumber(t.Context(), "N-wang")
			require.NoError(t, err)
			require.Nil(t, order, "what waits for its replica is invisible")
			_, err = l.Sell(t.Context(), keyOf(run.ID, "wang"), nothing)
			require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
			require.True(t, l.Stats().Probing)

			// The batch that would resolve it waits for the lost one's lock, and sends no COMMIT that would hang as
			// well.
			c.advance(time.Minute)
			_, err = l.Sell(t.Context(), keyOf(run.ID, "wang"), func(*ledger.BatchState) (ledger.BatchChanges, error) {
				t.Error("it must not be decided yet")
				return ledger.BatchChanges{}, nil
			})
			require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
			require.EqualValues(t, 1, l.Stats().CommitsInDoubt)

			// Once the lost commit is through, the next locking batch finds it.
			set("SET GLOBAL " + flavor.prefix + "enabled = 0")
			_, err = alone.Sell(t.Context(), keyOf(run.ID, "wang"),
				func(s *ledger.BatchState) (ledger.BatchChanges, error) {
					require.Len(t, s.Replays, 1)
					return ledger.BatchChanges{}, nil
				})
			require.NoError(t, err)

			set("SET GLOBAL read_only = 1") // which root may ignore, and the ledger does not
			require.ErrorContains(t, alone.Ready(t.Context()), "read-only")
			_, err = alone.Sell(t.Context(), ledger.Batch{RunID: run.ID}, nothing)
			require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
			status, err := alone.Status(t.Context())
			require.NoError(t, err)
			require.True(t, status.ReadOnly)
			require.False(t, status.SemiSync)
		})
	}
}

// TestSell_FrozenServer freezes one server in the middle of a sale, with the run locked. The others sell the same run
// again within five seconds, during the fault.
func TestSell_FrozenServer(t *testing.T) {
	for _, flavor := range ledgertest.Flavors()[1:] {
		t.Run(flavor.Name, func(t *testing.T) {
			o := flavor.New(t)
			run := ledgertest.NewRun(ledgertest.NewTrain("T12"), day)
			frozen, other := ledgertest.Open(t, o), ledgertest.Open(t, o)
			_, err := frozen.Publish(t.Context(), []*rail.Run{run}, "an admin", false)
			require.NoError(t, err)
			locked, thaw, done := make(chan struct{}), make(chan struct{}), make(chan error)
			go func() {
				_, err := frozen.Sell(t.Context(), ledger.Batch{RunID: run.ID, Locking: true},
					func(s *ledger.BatchState) (ledger.BatchChanges, error) {
						close(locked)
						<-thaw
						return sellSeat(s, "wang", 0)
					})
				done <- err
			}()
			<-locked
			start := time.Now()
			for {
				_, err := other.Sell(t.Context(), ledger.Batch{RunID: run.ID, Locking: true}, sells("li", 0))
				if err == nil {
					break
				}
				require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
			}
			require.Less(t, time.Since(start), 5*time.Second)
			close(thaw)
			require.ErrorIs(t, <-done, ledger.ErrInDoubt, "what the thawed server sends at once is in vain")
			order, err := other.OrderByNumber(t.Context(), "N-wang")
			require.NoError(t, err)
			require.Nil(t, order)
		})
	}
}

// TestOrders_FromTheReplica lists from the replica and nowhere else, and does without it in all the rest. A second
// database stands for a replica that lags.
func TestOrders_FromTheReplica(t *testing.T) {
	o := ledgertest.MySQL(t)
	o.ReplicaDSN = ledgertest.MySQL(t).DSN
	run := ledgertest.NewRun(ledgertest.NewTrain("T12"), day)
	l := ledgertest.Open(t, o)
	_, err := l.Publish(t.Context(), []*rail.Run{run}, "an admin", false)
	require.NoError(t, err)
	_, err = l.Sell(t.Context(), ledger.Batch{RunID: run.ID}, sells("wang", 0))
	require.NoError(t, err)
	order, err := l.OrderByNumber(t.Context(), "N-wang")
	require.NoError(t, err)
	require.NotNil(t, order, "one's own order is read from the primary")
	list, err := l.Orders(t.Context(), ledger.OrderFilter{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, list)

	o.ReplicaDSN = "root@tcp(127.0.0.1:1)/nobody"
	l = ledgertest.Open(t, o)
	_, err = l.Orders(t.Context(), ledger.OrderFilter{Limit: 10})
	require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
	_, err = l.Sell(t.Context(), ledger.Batch{RunID: run.ID}, nothing)
	require.NoError(t, err)
}
