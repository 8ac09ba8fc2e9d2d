//go:build lab

package failover_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/failover"
)

// follows is the source that a member has a receiver for; "" for none.
const follows = "SELECT COALESCE(MAX(PORT), '') FROM performance_schema.replication_connection_configuration"

// refusedPromotion has a promotion refused while the primary goes on.
func (b *bed) refusedPromotion(reason string) {
	b.Helper()
	_, err := b.supervisor.Promote(b.Context(), b.name(1))
	require.ErrorContains(b, err, reason)
	require.Equal(b, "0", b.ask(0, "SELECT @@GLOBAL.read_only"), "the primary goes on")
}

// heirThatReadsTextOtherwise gives the next primary settings that change how text is read. It answers, so that it is
// not taken for dead; it says what is wrong with it, and does not become primary.
func (b *bed) heirThatReadsTextOtherwise() {
	mode := b.ask(1, "SELECT @@GLOBAL.sql_mode")
	b.do(1, "SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'")
	defer b.do(1, "SET GLOBAL sql_mode = '"+mode+"'")
	supervisor := b.newSupervisor() // whose connections are new
	m := supervisor.Status(b.Context()).Members[1]
	require.True(b, m.Answers(), m.Problem)
	require.Len(b, m.Wrong, 1)
	require.Contains(b, m.Wrong[0], "NO_BACKSLASH_ESCAPES")
	b.refusedPromotion(b.name(1) + ": the database server's own sql_mode")
}

func TestPromote_WhatIsInTheWay(t *testing.T) {
	b := openBed(t, 3)
	b.well("all follow")
	for i := range 2 {
		b.do(i, "SET GLOBAL sync_binlog = 0")
		b.refusedPromotion(b.name(i) + ": sync_binlog")
		b.do(i, "SET GLOBAL sync_binlog = 1")
	}
	t.Run("TheHeirReadsTextOtherwise", func(t *testing.T) { b.in(t).heirThatReadsTextOtherwise() })
	t.Run("TheHeirDoesNotKeepUp", func(t *testing.T) { b.in(t).heirThatStands() })
	t.Run("AReceiverOfThePrimary", func(t *testing.T) {
		b.do(0, "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1'")
		_, err := b.supervisor.Epoch(t.Context())
		require.ErrorContains(t, err, "RESET REPLICA ALL")
		b.do(0, "RESET REPLICA ALL")
		_, err = b.supervisor.Epoch(t.Context())
		require.NoError(t, err)
	})
	t.Run("NobodyReachesTheHeir", func(t *testing.T) {
		// With the third away only the old primary, which was seen to know all, tells that it is not missed.
		b := b.in(t)
		b.killed(2)
		login := b.members.SupervisorOptions(b.log()).Replication.User
		b.do(1, "SET GLOBAL super_read_only = OFF", "SET SESSION sql_log_bin = 0",
			"ALTER USER '"+login+"'@'%' ACCOUNT LOCK",
			"SET GLOBAL super_read_only = ON")
		_, err := b.supervisor.Promote(t.Context(), b.name(1))
		require.ErrorContains(t, err, "no replica connects to "+b.name(1))
		require.NotContains(t, err.Error(), "nothing is open")
		require.Equal(t, b.name(0), b.primary())
		require.NoError(t, b.sell(0, 9))
	})
}

// heirThatStands has the heir apply nothing once the primary is read-only, which must be writable again soon.
func (b *bed) heirThatStands() {
	promote := func(ctx context.Context, seat string) (ended chan error, release func()) {
		// A table lock keeps the primary from becoming read-only until the heir stands still.
		writer, err := b.root(0).Conn(b.Context())
		require.NoError(b, err)
		defer writer.Close()
		_, err = writer.ExecContext(b.Context(), "LOCK TABLES interlock.sold WRITE")
		require.NoError(b, err)
		ended = make(chan error, 1)
		go func() { _, err := b.supervisor.Promote(ctx, b.name(1)); ended <- err }()
		b.eventually(func() bool {
			return b.ask(0, "SELECT COUNT(*) FROM performance_schema.processlist "+
				"WHERE INFO LIKE 'SET GLOBAL super_read_only%'") == "1"
		}, "it waits")
		stuck, err := b.root(1).Conn(b.Context())
		require.NoError(b, err)
		_, err = stuck.ExecContext(b.Context(), "FLUSH TABLES WITH READ LOCK")
		require.NoError(b, err)
		for _, s := range []string{"INSERT INTO interlock.sold VALUES (" + seat + ")", "UNLOCK TABLES"} {
			_, err = writer.ExecContext(b.Context(), s)
			require.NoError(b, err)
		}
		b.eventually(func() bool { return b.ask(0, "SELECT @@GLOBAL.read_only") == "1" }, "it is read-only")
		return ended, func() {
			_, err := stuck.ExecContext(b.Context(), "UNLOCK TABLES")
			require.NoError(b, err)
			require.NoError(b, stuck.Close())
		}
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	ended, release := promote(ctx, "101")
	cancel()
	require.ErrorIs(b, <-ended, context.Canceled)
	require.NoError(b, b.sell(0, 102), "whoever gave up has left it open")
	release()
	b.eventually(func() bool { return b.ask(1, "SELECT COALESCE(IS_USED_LOCK('interlock_failover'), 0)") == "0" },
		"the heir's lock is free")

	begun := time.Now()
	ended, release = promote(b.Context(), "103")
	require.ErrorContains(b, <-ended, "it has not applied what it has received within 10s")
	require.Less(b, time.Since(begun), 20*time.Second)
	require.NoError(b, b.sell(0, 104))
	release()
	b.well("all is as before")
}

func TestOpen_FiveOfWhomTwoCount(t *testing.T) {
	b := openBed(t, 5)
	b.well("all follow")
	b.killed(3, 4)
	b.eventually(func() bool {
		return b.ask(0, "SELECT VARIABLE_VALUE FROM performance_schema.global_status "+
			"WHERE VARIABLE_NAME = 'Rpl_semi_sync_source_clients'") == "2"
	}, "the primary has noticed")
	b.refusedPromotion("nobody could be opened without it")

	// The only one that counts besides the primary is away, and would not know of one that was left behind and
	// acknowledges now.
	b.start(3, 4)
	b.well("all follow")
	for i := 1; i <= 3; i++ {
		b.do(0, "UPDATE cluster_members SET state = 'LEFT', server_uuid = '' WHERE member = '"+b.name(i)+"'")
	}
	b.killed(0, 4)
	b.start(0)
	_, err := b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, "nobody who counts would acknowledge its commits (start "+b.name(4))
	b.protected(0)
	opening, err := b.supervisor.Open(t.Context(), failover.OpenOptions{AcceptLoss: true})
	require.NoError(t, err)
	require.Equal(t, b.name(0), opening.Primary)
	require.Equal(t, []string{b.name(4)}, opening.Left)
	require.True(t, opening.Loss)
}

// A replica whose applier cannot be started is neither opened nor moved, and must not receive from the old primary
// either.
func TestOpen_WhoCannotBeMovedIsCutOff(t *testing.T) {
	b := openBed(t, 4)
	b.well("all follow")
	require.NoError(t, b.sell(0, 1))
	b.killed(1)
	logs, err := filepath.Glob(filepath.Join(b.members.Servers[1].DataFolder(), "*-relay-bin.0*"))
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	for _, log := range logs {
		require.NoError(t, os.Remove(log))
	}
	b.start(1)
	require.NotEmpty(t, b.ask(1, follows))
	b.killed(0)
	_, err = b.supervisor.Open(t.Context(), failover.OpenOptions{Member: b.name(1)})
	require.ErrorContains(t, err, "no member may be opened: "+b.name(1)+": its applier cannot be started")
	opening, err := b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.NoError(t, err)
	require.NotEqual(t, b.name(1), opening.Primary)
	require.Empty(t, b.ask(1, follows), "not even after a restart")
	b.start(0)
	stop := b.supervise()
	b.well("it has joined anew")
	stop()
	b.has(1, []int{1})
}

// The setting counts for a receiver that is connected after it.
func TestSupervise_WhoIsSetToAcknowledgeAndDoesNot(t *testing.T) {
	b := openBed(t, 3)
	b.well("all follow")
	const status = "SELECT VARIABLE_VALUE FROM performance_schema.global_status " +
		"WHERE VARIABLE_NAME = 'Rpl_semi_sync_replica_status'"
	mute := func(i int) {
		b.do(i, "SET GLOBAL rpl_semi_sync_replica_enabled = OFF", "STOP REPLICA IO_THREAD", "START REPLICA IO_THREAD")
		b.eventually(func() bool {
			return b.ask(i, "SELECT SERVICE_STATE FROM performance_schema.replication_connection_status") == "ON"
		}, "it is connected")
		b.do(i, "SET GLOBAL rpl_semi_sync_replica_enabled = ON")
		require.Equal(t, "OFF", b.ask(i, status))
	}
	mute(2)
	require.False(t, b.supervisor.Status(t.Context()).Members[2].Acknowledges)
	require.ErrorContains(t, b.supervisor.Exclude(t.Context(), b.name(1), "", false), "no other replica is connected")
	stop := b.supervise()
	b.well("it acknowledges")
	stop()
	require.Equal(t, "ON", b.ask(2, status))

	// And where no replica acknowledges, so that there is no primary.
	mute(1)
	mute(2)
	b.eventually(func() bool { return b.primary() == "" }, "nobody acknowledges")
	b.supervise()
	b.well("both acknowledge")
	require.NoError(t, b.sell(0, 1))
}
