//go:build lab

// These take a minute on two busy cores, so only `make test-all` runs them. By hand:
// go test -tags lab ./services/ledger/sqlledger -run Frozen

package sqlledger_test

import (
	"database/sql"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/lab/cluster"
	"interlock/services/failover"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
)

// TestFrozen_ReplicasAndAShutdown asks a primary to shut down while commits wait for replicas that are frozen, and so
// count as connected. Its answer then proves nothing: the ledger says in doubt, and after the failover both keys have
// one answer.
func TestFrozen_ReplicasAndAShutdown(t *testing.T) {
	b := openBed(t)
	require.NoError(t, b.sell("zhao", 5))
	patient := b.options
	patient.CommitTimeout = time.Minute
	l := ledgertest.Open(t, patient)
	db, err := sql.Open("mysql", b.members.Servers[0].DSN(cluster.Database))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() }) // the server may be gone by then
	_, err = db.ExecContext(t.Context(), "CREATE TABLE naive (n INT NOT NULL PRIMARY KEY)")
	require.NoError(t, err)

	b.signal(syscall.SIGSTOP, 1, 2)
	naive, sold, paid := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { _, err := db.Exec("INSERT INTO naive VALUES (1)"); naive <- err }()
	go func() {
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: b.run}, sells("wang", 0))
		sold <- err
	}()
	go func() {
		_, _, err := ledgertest.Pay(t.Context(), l, b.run, firstOrder(b.run, "zhao"), "zhao", "pay0001")
		paid <- err
	}()
	b.eventually(func() bool { return committing(t, db) == 3 }, "they wait")
	b.signal(syscall.SIGTERM, 0)
	t.Logf("whoever believes an OK was told: %v", <-naive)
	require.ErrorIs(t, <-sold, ledger.ErrInDoubt)
	require.ErrorIs(t, <-paid, ledger.ErrInDoubt)
	require.NoError(t, b.members.Servers[0].Kill())
	b.signal(syscall.SIGCONT, 1, 2)
	b.eventually(func() bool {
		_, err := b.supervisor.Open(t.Context(),
			failover.OpenOptions{})
		return err == nil
	}, "another is opened")
	known := b.resolved("wang")
	order, err := b.ledger.OrderByNumber(t.Context(), "N-wang")
	require.NoError(t, err)
	require.Equal(t, known, order != nil)
	_, isPaid, err := ledgertest.Pay(t.Context(), b.ledger, b.run, firstOrder(b.run, "zhao"), "zhao", "pay0001")
	require.NoError(t, err)
	require.True(t, isPaid)
}

// TestFrozen_Primary freezes the primary. The ledger goes over to the one that takes its place, and once the old one
// thaws, writable as it was, nothing is sold on it.
func TestFrozen_Primary(t *testing.T) {
	b := openBed(t)
	require.NoError(t, b.sell("zhao", 5))
	b.signal(syscall.SIGSTOP, 0)
	frozen := time.Now()
	b.eventually(func() bool {
		_, err := b.supervisor.Open(t.Context(),
			failover.OpenOptions{})
		return err == nil
	}, "another is opened")
	opened := time.Now()
	b.resolved("nobody")
	t.Logf("another primary after %v, sold on after another %v", opened.Sub(frozen), time.Since(opened))
	b.signal(syscall.SIGCONT, 0)
	require.NoError(t, b.sell("wang", 0))
	fresh := ledgertest.Open(t, b.options)
	order, err := fresh.OrderByNumber(t.Context(), "N-wang")
	require.NoError(t, err)
	require.NotNil(t, order, "a server that starts now finds the same one")
	found, err := sqlledger.Find(t.Context(), b.options.Members)
	require.NoError(t, err)
	require.NotZero(t, found.Index)
	require.False(t, b.ledger.Stats().TwoPrimaries, "the old one has an older epoch")
}
