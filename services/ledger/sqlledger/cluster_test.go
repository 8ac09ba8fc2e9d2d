package sqlledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/services/failover"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// bed is a real cluster of three members, its supervisor, and a ledger that finds its primary.
type bed struct {
	*testing.T
	members    *cluster.Members
	supervisor *failover.Supervisor
	options    sqlledger.Options
	ledger     *sqlledger.Ledger
	run        rail.RunID
}

// openBed starts the members, opens the first, and puts T12 on sale.
func openBed(t *testing.T) *bed {
	t.Helper()
	members, err := cluster.StartMembers(t.Context(), servers.MySQL, 3)
	serverstest.Require(t, err)
	t.Cleanup(func() { require.NoError(t, members.Close()) })
	log := slog.New(slog.NewTextHandler(logWriter{t}, nil))
	g, err := failover.New(members.SupervisorOptions(log))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	b := &bed{T: t, members: members, supervisor: g, options: sqlledger.Options{Log: log}}
	for _, s := range members.Servers {
		b.options.Members = append(b.options.Members, members.DSN(s, cluster.Database))
	}
	_, err = g.Open(t.Context(), failover.OpenOptions{Member: members.Servers[0].Addr()})
	require.NoError(t, err)
	b.ledger = ledgertest.Open(t, b.options)
	run := ledgertest.NewRun(ledgertest.NewTrain("T12"), day)
	_, err = b.ledger.Publish(t.Context(), []*rail.Run{run}, "an admin", false)
	require.NoError(t, err)
	require.NoError(t, b.ledger.CheckKeys(t.Context()))
	b.run = run.ID
	return b
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

// root runs statements on a member as its administrator.
func (b *bed) root(i int, statements ...string) {
	b.Helper()
	db, err := sql.Open("mysql", b.members.Servers[i].DSN(""))
	require.NoError(b, err)
	defer db.Close()
	for _, s := range statements {
		_, err := db.ExecContext(b.Context(), s)
		require.NoError(b, err, s)
	}
}

func (b *bed) signal(to syscall.Signal, members ...int) {
	b.Helper()
	for _, i := range members {
		require.NoError(b, b.members.Servers[i].Signal(to))
	}
}

func (b *bed) eventually(holds func() bool, what string) {
	b.Helper()
	require.Eventually(b, holds, time.Minute, 50*time.Millisecond, what)
}

// sell sells a seat to a buyer, and is nil once that is acknowledged.
func (b *bed) sell(buyer string, seat int) error {
	_, err := b.ledger.Sell(b.Context(), ledger.Batch{RunID: b.run}, sells(buyer, seat))
	return err
}

// resolved is what became of a buyer's order: the locking batch with its key says so, as soon as one commits.
func (b *bed) resolved(buyer string) (found bool) {
	b.Helper()
	b.eventually(func() bool {
		_, err := b.ledger.Sell(b.Context(), keyOf(b.run, buyer),
			func(s *ledger.BatchState) (ledger.BatchChanges, error) {
				found = len(s.Replays) == 1
				return ledger.BatchChanges{}, nil
			})
		if err != nil {
			require.Contains(b, []rail.Code{rail.Unavailable}, rail.CodeOf(err), "%v", err)
		}
		return err == nil
	}, "it is resolved")
	return found
}

// TestCluster_FollowsThePrimary kills a primary while an order and a payment wait for their replicas, which are frozen,
// has another member opened, and asks with the same keys: there is one answer to each, nothing is sold twice, and
// nothing that was answered is lost.
func TestCluster_FollowsThePrimary(t *testing.T) {
	b := openBed(t)
	require.NoError(t, b.sell("wang", 0))
	stats := b.ledger.Stats()
	require.True(t, stats.HasPrimary)
	require.EqualValues(t, 1, stats.Epoch)
	require.Zero(t, stats.PrimaryChanges)

	// Lists come from a replica that has kept up, and from the primary while none does.
	lists := func() []*rail.Order {
		orders, err := b.ledger.Orders(t.Context(), ledger.OrderFilter{Limit: 10})
		require.NoError(t, err)
		return orders
	}
	b.eventually(func() bool {
		before := b.ledger.Stats().ListsOnPrimary
		return len(lists()) == 1 && b.ledger.Stats().ListsOnPrimary == before
	}, "a replica keeps up")

	b.signal(syscall.SIGSTOP, 1, 2)
	require.Len(t, lists(), 1, "a replica that does not answer is not waited for twice")
	require.Positive(t, b.ledger.Stats().ListsOnPrimary)
	sold, paid := make(chan error, 1), make(chan error, 1)
	go func() { sold <- b.sell("li", 1) }()
	go func() {
		_, _, err := ledgertest.Pay(context.WithoutCancel(t.Context()), b.ledger, b.run,
			firstOrder(b.run, "wang"), "wang", "pay0001")
		paid <- err
	}()
	require.ErrorIs(t, <-sold, ledger.ErrInDoubt)
	require.ErrorIs(t, <-paid, ledger.ErrInDoubt)

	require.NoError(t, b.members.Servers[0].Kill())
	died := time.Now()
	b.signal(syscall.SIGCONT, 1, 2)
	b.eventually(func() bool { return !b.ledger.Stats().HasPrimary || b.sell("nobody", 5) == nil }, "it is missed")
	var e *rail.Error
	require.ErrorAs(t, b.sell("nobody", 5), &e)
	require.Equal(t, rail.Unavailable, e.Code)
	require.Positive(t, e.RetryAfter)
	require.NotContains(t, e.Message, "127.0.0.1", "addresses are for the log")
	require.ErrorContains(t, b.ledger.Ready(t.Context()), "no primary")

	b.eventually(func() bool {
		opening, err := b.supervisor.Open(t.Context(), failover.OpenOptions{})
		return err == nil && opening.Primary != b.members.Servers[0].Addr()
	}, "another member is opened")
	opened := time.Now()
	known := b.resolved("li")
	t.Logf("another primary after %v, found after another %v; the order that nobody knew of is there: %v",
		opened.Sub(died), time.Since(opened), known)
	require.EqualValues(t, 1, b.ledger.Stats().PrimaryChanges)
	require.EqualValues(t, 2, b.ledger.Stats().Epoch)
	require.False(t, b.ledger.Stats().Probing, "what hung on the dead one says nothing of this one")

	order, isPaid, err := ledgertest.Pay(t.Context(), b.ledger, b.run, firstOrder(b.run, "wang"), "wang", "pay0001")
	require.NoError(t, err)
	require.True(t, isPaid)
	require.EqualValues(t, 2, order.Version, "it was paid once")
	li, err := b.ledger.OrderByNumber(t.Context(), "N-li")
	require.NoError(t, err)
	require.Equal(t, known, li != nil)
	if !known {
		require.NoError(t, b.sell("li", 1))
	}
	require.ErrorContains(t, b.sell("zhao", 1), "seat", "it is sold")

	// The old primary comes back, and is not used any more.
	require.NoError(t, b.members.Servers[0].Start(t.Context()))
	require.NoError(t, b.sell("sun", 2))
	snapshots := ledgertest.AuditSnapshots(t, b.ledger, "", 10)
	seats := map[string]string{}
	for _, o := range snapshots[0].Live() {
		require.Empty(t, seats[o.Tickets[0].Seat], "sold twice")
		seats[o.Tickets[0].Seat] = o.Buyer
	}
	require.Len(t, seats, 3)

	b.twoPrimaries()
	b.openedBesideAFrozenOne()
}

// openedBesideAFrozenOne opens a member while a look at the cluster waits for one that is frozen: the look finds it,
// and does not say after two seconds that there was none when it began.
func (b *bed) openedBesideAFrozenOne() {
	found, err := sqlledger.Find(b.Context(), b.options.Members)
	require.NoError(b, err)
	frozen, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections, and says nothing
	require.NoError(b, err)
	defer frozen.Close()
	members := append(slices.Clone(b.options.Members), "interlock@tcp("+frozen.Addr().String()+")/"+cluster.Database)
	b.root(found.Index, "SET GLOBAL read_only = ON")
	type outcome struct {
		found sqlledger.Found
		err   error
	}
	looked := make(chan outcome, 1)
	begun := time.Now()
	go func() {
		found, err := sqlledger.Find(b.Context(), members)
		looked <- outcome{found, err}
	}()
	b.eventually(func() bool { return time.Since(begun) > 700*time.Millisecond }, "everybody else has said no")
	b.root(found.Index, "SET GLOBAL read_only = OFF")
	again := <-looked
	require.NoError(b, again.err)
	require.Equal(b, found.DSN, again.found.DSN)
}

// twoPrimaries opens a second member behind everybody's back: nothing is sold on either until there is one again.
func (b *bed) twoPrimaries() {
	found, err := sqlledger.Find(b.Context(), b.options.Members)
	require.NoError(b, err)
	other := 3 - found.Index // of the members 1 and 2
	b.root(other, "SET GLOBAL rpl_semi_sync_source_enabled = ON", "SET GLOBAL super_read_only = OFF",
		"SET GLOBAL read_only = OFF")
	b.eventually(func() bool { return b.ledger.Stats().TwoPrimaries }, "it is noticed")
	require.Equal(b, rail.Unavailable, rail.CodeOf(b.sell("qian", 3)))
	require.ErrorContains(b, b.ledger.Ready(b.Context()), "two members")
	_, err = sqlledger.Find(b.Context(), b.options.Members)
	require.ErrorIs(b, err, mysqlcluster.ErrTwoPrimaries)
	b.root(other, "SET GLOBAL read_only = ON", "SET GLOBAL rpl_semi_sync_source_enabled = OFF",
		"SET GLOBAL super_read_only = ON")
	b.eventually(func() bool { return b.ledger.Stats().HasPrimary }, "one is left")
	require.NoError(b, b.sell("qian", 3))

	// A transaction that meets another epoch than the one that its primary was found with is on no primary.
	b.root(found.Index, fmt.Sprintf("UPDATE %s.cluster SET epoch = epoch + 1", cluster.Database))
	require.Equal(b, rail.Unavailable, rail.CodeOf(b.sell("zhou", 4)))
	b.eventually(func() bool { return b.ledger.Stats().HasPrimary }, "it is looked for again")
	require.NoError(b, b.sell("zhou", 4))
	require.EqualValues(b, found.Epoch+1, b.ledger.Stats().Epoch)
}
