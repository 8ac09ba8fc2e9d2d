package failover_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/failover"
)

// replaced stops a member, and starts another server under its name: with the same data, and a server_uuid of its own.
func (b *bed) replaced(i int) {
	b.Helper()
	require.NoError(b, b.members.Servers[i].Kill())
	require.NoError(b, os.Remove(filepath.Join(b.members.Servers[i].DataFolder(), "auto.cnf")))
}

func (b *bed) start(members ...int) {
	b.Helper()
	for _, i := range members {
		require.NoError(b, b.members.Servers[i].Start(b.Context()))
	}
}

func (b *bed) killed(members ...int) {
	b.Helper()
	for _, i := range members {
		require.NoError(b, b.members.Servers[i].Kill())
	}
}

// elsewhere is a supervisor to which the same servers have other names.
func (b *bed) elsewhere() *failover.Supervisor {
	b.Helper()
	o := b.members.SupervisorOptions(b.log())
	for i := range o.Members {
		o.Members[i] = strings.Replace(o.Members[i], "127.0.0.1", "localhost", 1)
	}
	supervisor, err := failover.New(o)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, supervisor.Close()) })
	return supervisor
}

// TestRecord has what the ledger says of its members keep supervisors from what would lose an order, and from nothing
// else.
func TestRecord(t *testing.T) {
	bed := openBed(t, 3)
	bed.well("all follow")
	t.Run("OtherNames", func(t *testing.T) {
		b := bed.in(t)
		supervisor := b.elsewhere()
		const unlisted = "is not in this supervisor's list"
		require.ErrorContains(t,
			supervisor.Include(t.Context(), strings.Replace(b.name(1), "127.0.0.1", "localhost", 1)), unlisted)
		b.well("nothing was recorded")
	})
	t.Run("WritableAndAlone", func(t *testing.T) {
		b := bed.in(t)
		for i := 1; i <= 2; i++ {
			b.do(i, "STOP REPLICA", "RESET REPLICA ALL")
		}
		b.eventually(func() bool { return b.primary() == "" }, "it has noticed that nobody follows it")
		stop := b.supervise()
		b.well("both follow")
		stop()
		require.NoError(t, b.sell(0, 1))
	})
	t.Run("AnotherServerInPlaceOfThePrimary", func(t *testing.T) { bed.in(t).anotherPrimary() })
	t.Run("AnotherServerInPlaceOfAReplica", func(t *testing.T) { bed.in(t).anotherReplica() })
	t.Run("NothingIsRecorded", func(t *testing.T) {
		b := bed.in(t)
		b.do(b.index(b.primary()), "DELETE FROM cluster_members")
		replica := (b.index(b.primary()) + 1) % 3
		require.NoError(t, b.supervisor.Exclude(t.Context(), b.name(replica), "", false))
		require.NoError(t, b.supervisor.Include(t.Context(), b.name(replica)))
		b.well("included")
		require.Len(t, b.supervisor.Status(t.Context()).Members[0].Record.Counts, 3, "those counted as well, and do")
	})
	t.Run("OnlyOneThatWasLeft", func(t *testing.T) { bed.in(t).onlyOneThatWasLeft() })
	t.Run("AllHaveNewNames", func(t *testing.T) {
		b := bed.in(t)
		b.killed(0, 1, 2)
		b.start(0, 1, 2)
		supervisor := b.elsewhere()
		_, err := supervisor.Open(t.Context(), failover.OpenOptions{})
		require.ErrorContains(t, err, "is not in this supervisor's list")
		opening, err := supervisor.Open(t.Context(), failover.OpenOptions{AcceptLoss: true})
		require.NoError(t, err)
		require.True(t, opening.Loss)
		b.eventually(func() bool { return supervisor.Status(t.Context()).OK }, "all follow under their new names")

		// And other servers under those, as after a restore.
		for i := range 3 {
			b.replaced(i)
		}
		b.start(0, 1, 2)
		_, err = supervisor.Open(t.Context(), failover.OpenOptions{})
		require.ErrorContains(t, err, "it is not the server that counts under its name")
		opening, err = supervisor.Open(t.Context(), failover.OpenOptions{AcceptLoss: true})
		require.NoError(t, err)
		require.True(t, opening.Loss)
		require.Empty(t, opening.Left)
		b.eventually(func() bool { return supervisor.Status(t.Context()).OK }, "all follow")
	})
}

// anotherPrimary has a server that is not the one that died answer under the primary's name: it brings back nothing of
// what a silent replica may have acknowledged.
func (b *bed) anotherPrimary() {
	b.replaced(0)
	b.killed(2)
	b.start(0)
	_, err := b.supervisor.Open(b.Context(), failover.OpenOptions{})
	require.ErrorContains(b, err, b.name(2)+" does not answer and may hold an acknowledged order")
	require.ErrorContains(b, err, b.name(0)+": it is not the server that counts under its name")
	b.protected(0)
	b.protected(1)

	b.start(2)
	opening, err := b.supervisor.Open(b.Context(), failover.OpenOptions{})
	require.NoError(b, err)
	require.Equal(b, []string{b.name(0)}, opening.Left)
	stop := b.supervise()
	b.well("the new server has joined")
	stop()
	b.has(0, []int{1})
}

// anotherReplica has one answer under the name of a replica that may have acknowledged something.
func (b *bed) anotherReplica() {
	primary := b.index(b.primary())
	replica := (primary + 1) % 3
	b.replaced(replica)
	b.killed(primary)
	b.start(replica)
	b.do(replica, "STOP REPLICA", "RESET REPLICA ALL") // as one that has no data yet
	_, err := b.supervisor.Open(b.Context(), failover.OpenOptions{})
	require.ErrorContains(b, err, b.name(replica)+" is another server than the one that counts under this name")
	// The primary has all that the one before may have acknowledged.
	b.start(primary)
	opening, err := b.supervisor.Open(b.Context(), failover.OpenOptions{})
	require.NoError(b, err)
	require.Equal(b, b.name(primary), opening.Primary)
	stop := b.supervise()
	b.well("it counts under its name from now on")
	stop()
	require.NoError(b, b.sell(primary, 2))
}

// onlyOneThatWasLeft leaves only the primary and one that was left behind: that one counts again with the barrier.
func (b *bed) onlyOneThatWasLeft() {
	old := b.index(b.primary())
	b.killed(old)
	opening, err := b.supervisor.Open(b.Context(), failover.OpenOptions{})
	require.NoError(b, err)
	require.Equal(b, []string{b.name(old)}, opening.Left)
	primary := b.index(opening.Primary)
	third := 3 - old - primary
	b.killed(third, primary)
	b.start(primary, old)
	_, err = b.supervisor.Open(b.Context(), failover.OpenOptions{})
	require.NoError(b, err)
	require.NoError(b, b.sell(primary, 3))
	b.start(third)
	stop := b.supervise()
	b.well("all follow")
	stop()
	b.has(old, []int{1, 2, 3})
	b.has(third, []int{1, 2, 3})
}
