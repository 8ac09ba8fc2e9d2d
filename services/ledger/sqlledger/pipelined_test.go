package sqlledger_test

import (
	"context"
	"database/sql/driver"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/ledger/sqlledger/intercept"
	"interlock/services/rail"
)

// sent remembers the texts that are sent to the database.
type sent struct {
	mu    sync.Mutex
	texts []string
}

func (s *sent) intercept(_ context.Context, statement *intercept.Statement) error {
	s.mu.Lock()
	s.texts = append(s.texts, statement.Query)
	s.mu.Unlock()
	return statement.Send()
}

// take is what was sent since it was asked last, of what a sale sends.
func (s *sent) take() (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range s.texts {
		if strings.Contains(text, "START TRANSACTION") || strings.Contains(text, "COMMIT") ||
			strings.Contains(text, "ROLLBACK") {
			texts = append(texts, text)
		}
	}
	s.texts = nil
	return texts
}

// TestSell_Pipelined sells batches that follow each other: each but the first is one text, on a state that was read
// before it came.
func TestSell_Pipelined(t *testing.T) {
	b := openBed(t)
	var s sent
	o := b.options
	o.Wrap = func(c driver.Connector) driver.Connector { return intercept.Intercept(c, s.intercept) }
	// Nothing here is to depend on how fast the machine is.
	o.PipelinedFor, o.CommitTimeout = time.Minute, time.Minute
	l, other := ledgertest.Open(t, o), ledgertest.Open(t, b.options)
	b.eventually(func() bool {
		return l.Ready(t.Context()) == nil &&
			other.Ready(t.Context()) == nil
	}, "both know the primary")
	known := int64(0)
	follows := func() ledger.Batch { return ledger.Batch{RunID: b.run, MoreExpected: true, KnownVersion: known} }
	sell := func(l *sqlledger.Ledger, batch ledger.Batch, buyer string, seat int) error {
		t.Helper()
		version, err := l.Sell(t.Context(), batch, sells(buyer, seat))
		if batch.MoreExpected && err == nil {
			known = version
		}
		return err
	}

	require.NoError(t, sell(l, follows(), "zhao", 0))
	require.Len(t, s.take(), 2, "it opens, and commits")
	require.NoError(t, sell(l, follows(), "qian", 1))
	texts := s.take()
	require.Len(t, texts, 1, "it was opened by the text that committed the one before")
	require.Less(t, strings.Index(texts[0], "COMMIT"), strings.Index(texts[0], "START TRANSACTION"))

	// Another server sells in between: what was read early is old, and the compare-and-set says so.
	require.NoError(t, sell(other, ledger.Batch{RunID: b.run}, "sun", 2))
	require.ErrorIs(t, sell(l, follows(), "li", 2), ledger.ErrVersionConflict)
	require.EqualValues(t, 1, l.Stats().LostCompareAndSets)
	// The next attempt opens with a lock, as a worker's does.
	require.NoError(t, sell(l, ledger.Batch{RunID: b.run, Locking: true, MoreExpected: true}, "li", 3))
	s.take()

	// A batch without the maps of what was read early reads again.
	known--
	require.NoError(t, sell(l, follows(), "feng", 4))
	require.Equal(t, "ROLLBACK", s.take()[0])
	// One that opens with a lock reads again, and what was begun early is ended beside it.
	require.NoError(t, sell(l, ledger.Batch{RunID: b.run, Locking: true}, "zhou", 5))
	var all []string
	b.eventually(func() bool { all = append(all, s.take()...); return len(all) == 3 }, "it is ended")
	require.Contains(t, all, "ROLLBACK")

	// No batch comes: it ends by itself, and the next batch opens as ever.
	o.PipelinedFor = time.Millisecond
	l = ledgertest.Open(t, o)
	b.eventually(func() bool { return l.Ready(t.Context()) == nil }, "it knows the primary")
	s.take()
	_, err := l.Sell(t.Context(), follows(), nothing)
	require.NoError(t, err)
	all = nil
	b.eventually(func() bool { all = append(all, s.take()...); return len(all) == 3 }, "it ends by itself")
	require.Equal(t, "ROLLBACK", all[2])
	_, err = l.Sell(t.Context(), ledger.Batch{RunID: b.run}, nothing)
	require.NoError(t, err)
	require.Len(t, s.take(), 2)
	require.Zero(t, l.Stats().CommitsInDoubt)
}

// TestSell_PipelinedIsLost has what comes behind a commit's answer fail: the batch is committed, that is known, and the
// next one opens as ever.
func TestSell_PipelinedIsLost(t *testing.T) {
	b := openBed(t)
	var s sent
	o := b.options
	o.Wrap = func(c driver.Connector) driver.Connector {
		return intercept.Intercept(c, func(ctx context.Context, statement *intercept.Statement) error {
			// What would begin the next transaction is no SQL: everything before it has been executed by then.
			statement.Query = strings.Replace(statement.Query, "; START TRANSACTION; SELECT",
				"; START TRANSACTION; SELEKT", 1)
			return s.intercept(ctx, statement)
		})
	}
	l := ledgertest.Open(t, o)
	b.eventually(func() bool { return l.Ready(t.Context()) == nil }, "it knows the primary")
	for seat, buyer := range []string{"zhao", "qian"} {
		_, err := l.Sell(t.Context(), ledger.Batch{RunID: b.run, MoreExpected: true}, sells(buyer, seat))
		require.NoError(t, err)
		require.Len(t, s.take(), 2)
	}
	require.Zero(t, l.Stats().CommitsInDoubt)
}

// TestSell_TheQuestionFails has the question behind a COMMIT refused for want of rights: the batch is committed, which
// no answer has said. It is in doubt, not refused.
func TestSell_TheQuestionFails(t *testing.T) {
	b := openBed(t)
	var armed atomic.Bool
	o := b.options
	o.Wrap = func(c driver.Connector) driver.Connector {
		return intercept.Intercept(c, func(_ context.Context, statement *intercept.Statement) error {
			if at := strings.LastIndex(statement.Query, "COMMIT; SELECT"); at >= 0 &&
				armed.CompareAndSwap(true, false) {
				// which the ledger's user may not
				statement.Query = statement.Query[:at] + "COMMIT; SELECT * FROM mysql.user"
			}
			return statement.Send()
		})
	}
	l := ledgertest.Open(t, o)
	b.eventually(func() bool { return l.Ready(t.Context()) == nil }, "it knows the primary")
	armed.Store(true)
	_, err := l.Sell(t.Context(), ledger.Batch{RunID: b.run}, sells("zhao", 0))
	require.ErrorIs(t, err, ledger.ErrInDoubt)
	require.True(t, b.resolved("zhao"), "it was committed")
}

// TestSell_PipelinedHangs has what comes behind a commit's answer hang: buyers are answered all the same, and the next
// batch gives it up and opens as ever.
func TestSell_PipelinedHangs(t *testing.T) {
	b := openBed(t)
	var s sent
	o := b.options
	o.PipelinedFor, o.CommitTimeout, o.StatementTimeout = time.Minute, time.Minute, 500*time.Millisecond
	o.Wrap = func(c driver.Connector) driver.Connector {
		return intercept.Intercept(c, func(ctx context.Context, statement *intercept.Statement) error {
			statement.Query = strings.Replace(statement.Query, "; START TRANSACTION; SELECT",
				"; DO SLEEP(50); START TRANSACTION; SELECT", 1)
			return s.intercept(ctx, statement)
		})
	}
	l := ledgertest.Open(t, o)
	b.eventually(func() bool { return l.Ready(t.Context()) == nil }, "it knows the primary")
	version, begun := int64(0), time.Now()
	for seat, buyer := range []string{"zhao", "qian"} {
		var err error
		version, err = l.Sell(t.Context(), ledger.Batch{
			RunID: b.run, KnownVersion: version,
			MoreExpected: true,
		}, sells(buyer, seat))
		require.NoError(t, err)
		require.Len(t, s.take(), 2)
	}
	require.Less(t, time.Since(begun), 50*time.Second, "no batch has waited for what hangs")
	require.Zero(t, l.Stats().CommitsInDoubt)
}

// TestSell_PipelinedOnMariaDB has each batch but the first be one text there as well.
func TestSell_PipelinedOnMariaDB(t *testing.T) {
	members, err := cluster.StartMembers(t.Context(), servers.MariaDB, 2)
	serverstest.Require(t, err)
	t.Cleanup(func() { require.NoError(t, members.Close()) })
	require.NoError(t, members.Open(context.WithoutCancel(t.Context()), nil))
	var s sent
	o := sqlledger.Options{
		DSN: members.DSN(members.Servers[0], cluster.Database), PipelinedFor: time.Minute,
		CommitTimeout: time.Minute,
	}
	require.NoError(t, sqlledger.Migrate(t.Context(), o))
	o.Wrap = func(c driver.Connector) driver.Connector { return intercept.Intercept(c, s.intercept) }
	l := ledgertest.Open(t, o)
	run := ledgertest.NewRun(ledgertest.NewTrain("T12"), day)
	_, err = l.Publish(t.Context(), []*rail.Run{run}, "an admin", false)
	require.NoError(t, err)
	require.NoError(t, l.CheckKeys(t.Context()))
	s.take()
	version := int64(0)
	for seat, buyer := range []string{"zhao", "qian", "sun"} {
		version, err = l.Sell(t.Context(), ledger.Batch{
			RunID: run.ID, KnownVersion: version,
			MoreExpected: true,
		}, sells(buyer, seat))
		require.NoError(t, err)
		texts := s.take()
		require.Len(t, texts, map[bool]int{true: 2, false: 1}[seat == 0])
	}
	require.Zero(t, l.Stats().CommitsInDoubt)
}
