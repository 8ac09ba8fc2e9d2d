//go:build lab

// These take minutes on two busy cores, so only `make test-all` runs them. By hand:
// go test -tags lab ./services/failover

package failover_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/failover"
	"interlock/services/ledger/sqlledger"
)

func TestFrozen_AnswersNobody(t *testing.T) {
	t.Run("Servers", func(t *testing.T) { b := openBed(t, 3); b.frozen(b.db(0)) })
	// Going offline spares these: the supervisor hangs up on them itself.
	t.Run("Administrators", func(t *testing.T) { b := openBed(t, 3); b.frozen(b.root(0)) })
}

// frozen has the primary freeze, and somebody write to it when it is back.
func (b *bed) frozen(old *sql.DB) {
	t := b.T
	stopSupervisor := b.supervise()
	// A look that is under way already would be one of those that miss the primary, before a replica can have.
	b.eventually(func() bool {
		return b.ask(0, "SELECT COUNT(*) FROM performance_schema.processlist "+
			"WHERE USER = 'failover' AND COMMAND = 'Sleep'") != "0"
	}, "the supervisor has looked")
	require.NoError(t, b.sell(0, 1))
	frozen := time.Now()
	require.NoError(t, b.members.Servers[0].Signal(syscall.SIGSTOP))
	// As servers look: a supervisor's status would wait for the frozen one each time.
	b.eventually(func() bool { _, err := sqlledger.Find(t.Context(), b.serverDSNs()); return err == nil },
		"another primary")
	took := time.Since(frozen)
	t.Logf("another primary after %v", took)
	require.Less(t, took, 6*time.Second,
		"before the receivers wait for an answer to a new connection, and cannot be stopped")
	stopSupervisor()

	require.NoError(t, b.members.Servers[0].Signal(syscall.SIGCONT))
	answered := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_, err := old.ExecContext(ctx, "INSERT INTO interlock.sold VALUES (23)")
		answered <- err
	}()
	b.eventually(func() bool {
		return b.ask(0, "SELECT VARIABLE_VALUE FROM performance_schema.global_status "+
			"WHERE VARIABLE_NAME = 'Rpl_semi_sync_source_wait_sessions'") == "1"
	}, "a commit waits on the old primary")
	found, err := sqlledger.Find(t.Context(), b.serverDSNs())
	require.NoError(t, err)
	require.NotEqual(t, 0, found.Index, "servers find the new one")

	b.supervise()
	require.ErrorContains(t, <-answered, "invalid connection", "it is hung up on, and never told OK")
	// It has a history of its own now. It is rebuilt, and ends, since nothing here starts it again.
	<-b.members.Servers[0].Done()
	require.NoError(t, b.members.Servers[0].Start(t.Context()))
	b.eventually(func() bool { return b.supervisor.Status(t.Context()).OK }, "rebuilt, it follows")
	require.Equal(t, "0", b.ask(0, "SELECT COUNT(*) FROM interlock.sold WHERE seat = 23"), "not merged")
	b.has(0, []int{1})
}

func TestFailover_RefusesWhatMayLoseAnOrder(t *testing.T) {
	b := openBed(t, 5)
	require.NoError(t, b.sell(0, 1))
	b.well("all follow")

	// One replica is away: it may be the only one that acknowledged something.
	require.NoError(t, b.members.Servers[4].Kill())
	require.ErrorContains(t, b.supervisor.Exclude(t.Context(), b.name(4), "", false),
		"nobody knows whether it still receives")
	require.NoError(t, b.members.Servers[0].Kill())
	_, err := b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, b.name(4)+" does not answer and may hold an acknowledged order")
	for i := 1; i <= 3; i++ {
		b.protected(i)
		require.Equal(t, "CONNECTING",
			b.ask(i, "SELECT SERVICE_STATE FROM performance_schema.replication_connection_status"), "as before")
	}

	// The primary is back, and has all that the silent replica can have.
	require.NoError(t, b.members.Servers[0].Start(t.Context()))
	opening, err := b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.NoError(t, err)
	require.Equal(t, b.name(0), opening.Primary)
	require.Empty(t, opening.Left, "it goes on counting")
	require.NoError(t, b.members.Servers[4].Start(t.Context()))
	b.well("all follow")

	// Excluded while it could not acknowledge, it is not missed.
	const source = "SELECT COALESCE(MAX(HOST), '') FROM performance_schema.replication_connection_configuration"
	require.NoError(t, b.supervisor.Exclude(t.Context(), b.name(4), "a new disk", false))
	require.Empty(t, b.ask(4, source))
	require.NoError(t, b.sell(0, 2))
	require.NoError(t, b.members.Servers[4].Kill())
	require.NoError(t, b.members.Servers[0].Kill())
	opening, err = b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{b.name(0)}, opening.Left)
	heir := b.index(opening.Primary)
	b.has(heir, []int{1, 2})

	// Supervised, the old primary comes back by itself, and who was excluded by hand does not.
	require.NoError(t, b.members.Servers[0].Start(t.Context()))
	require.NoError(t, b.members.Servers[4].Start(t.Context()))
	stop := b.supervise()
	b.well("all that count follow")
	require.Empty(t, b.ask(4, source))
	stop()
	require.NoError(t, b.supervisor.Include(t.Context(), b.name(4)))
	b.well("included")
	require.Empty(t, b.supervisor.Status(t.Context()).Members[heir].Record.Absent)
	b.has(4, []int{1, 2})

	// With the primary and a replica gone for good, a person may accept the loss, and versions jump.
	b.do(heir, "INSERT INTO runs (id, train_number, train_id, service_date, sale_opens_at, closes_before_seconds, "+
		"status, reason, version, touched_at, publication) "+
		"VALUES ('T12@2019-10-12', 'T12', 't', '2019-10-12', 0, 300, 'ON_SALE', '', 105, 0, 1)")
	require.NoError(t, b.members.Servers[4].Kill())
	require.NoError(t, b.members.Servers[heir].Kill())
	_, err = b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, "may hold an acknowledged order")

	// Where they do not jump, nothing is opened, by another supervisor neither.
	options := b.members.SupervisorOptions(slog.New(slog.DiscardHandler))
	options.JumpVersions = func(context.Context, string) error { return errors.New("no room") }
	clumsy, err := failover.New(options)
	require.NoError(t, err)
	_, err = clumsy.Open(t.Context(), failover.OpenOptions{AcceptLoss: true})
	require.ErrorContains(t, err, "no room")
	require.NoError(t, clumsy.Close())
	_, err = b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, "may hold an acknowledged order")

	opening, err = b.supervisor.Open(t.Context(), failover.OpenOptions{AcceptLoss: true})
	require.NoError(t, err)
	require.True(t, opening.Loss)
	require.Equal(t, "1000105", b.ask(b.index(opening.Primary), "SELECT version FROM interlock.runs"))

	// What they may have that was given up cannot be told from what comes now. So they are rebuilt, whatever they seem
	// to have.
	now := b.index(opening.Primary)
	b.do(now, "DELETE FROM runs")
	stop = b.supervise()
	for _, lost := range []int{4, heir} {
		require.NoError(t, b.members.Servers[lost].Start(t.Context()))
		<-b.members.Servers[lost].Done() // rebuilt, it ends, since nothing here restarts it
		require.NoError(t, b.members.Servers[lost].Start(t.Context()))
	}
	b.well("all follow")
	stop()
	require.Empty(t, b.supervisor.Status(t.Context()).Members[now].Record.Absent)
}

// An excluded member that receives all the same may be the only one that acknowledged an order. One that cannot even be
// read must not keep a failover from happening.
func TestFailover_WhoWasPutOut(t *testing.T) {
	b := openBed(t, 4)
	b.well("all follow")
	require.NoError(t, b.supervisor.Exclude(t.Context(), b.name(3), "a new disk", false))
	login := b.members.SupervisorOptions(b.log()).Replication
	b.do(3, fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = %d, "+
		"SOURCE_USER = '%s', SOURCE_PASSWORD = '%s', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1",
		b.members.Servers[0].Port(), login.User, login.Password),
		"START REPLICA")
	b.eventually(func() bool {
		return b.ask(3, "SELECT SERVICE_STATE FROM performance_schema.replication_connection_status") == "ON"
	}, "it receives")
	for i := 1; i <= 2; i++ {
		b.do(i, "STOP REPLICA IO_THREAD")
	}
	require.NoError(t, b.sell(0, 1), "it acknowledges")
	b.killed(0)
	_, err := b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, "it lacks what "+b.name(3)+" has")

	b.start(0)
	stop := b.supervise()
	b.well("it is put out again, and the others have what it has")
	stop()
	b.has(1, []int{1})
	require.Empty(t, b.ask(3, "SELECT COALESCE(MAX(HOST), '') FROM "+
		"performance_schema.replication_connection_configuration"))

	primary := b.index(b.primary())
	b.do(3, "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1' FOR CHANNEL 'another'")
	b.killed(primary)
	_, err = b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.NoError(t, err)
}

func TestSupervisors_OneActs(t *testing.T) {
	b := openBed(t, 3)
	for range 3 {
		b.supervise()
	}
	require.NoError(t, b.members.Servers[0].Kill())
	b.eventually(func() bool { return b.primary() != "" }, "another primary")
	require.Never(t, func() bool { return b.supervisor.Status(t.Context()).Epoch > 2 }, 5*time.Second,
		200*time.Millisecond)
	require.Equal(t, int64(2), b.supervisor.Status(t.Context()).Epoch, "taken over once")
}

func TestOpen_NobodyLeftToAcknowledge(t *testing.T) {
	b := openBed(t, 3)
	b.well("all follow")
	require.NoError(t, b.supervisor.Exclude(t.Context(), b.name(1), "", false))
	require.ErrorContains(t, b.supervisor.Exclude(t.Context(), b.name(2), "", false), "no other replica is connected")
	stop := b.supervise()
	require.NoError(t, b.members.Servers[0].Kill())
	require.Never(t, func() bool { return b.primary() != "" }, 6*time.Second, 200*time.Millisecond)
	stop()
	_, err := b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, "no replica would be left")
	b.protected(2)

	require.NoError(t, b.members.Servers[2].Kill())
	_, err = b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, "only 1 of 3 members answer")
	b.protected(1)

	// The dead are started again, and all goes on.
	b.supervise()
	require.NoError(t, b.members.Servers[0].Start(t.Context()))
	require.NoError(t, b.members.Servers[2].Start(t.Context()))
	b.well("open")
	require.NoError(t, b.sell(0, 1))
}

// A supervisor whose barrier commit gets no acknowledgement hangs up, and its session on the member keeps the lock. The
// next supervisor ends that session once it is certain that its supervisor is gone, and goes on.
func TestSupervisor_ThatLeftItsLockBehind(t *testing.T) {
	b := openBed(t, 3)
	for i := 1; i <= 2; i++ {
		_, err := b.root(i).ExecContext(t.Context(), "STOP REPLICA IO_THREAD")
		require.NoError(t, err)
	}
	_, err := b.root(0).ExecContext(t.Context(), "SET GLOBAL read_only = ON") // as it is when a barrier is committed
	require.NoError(t, err)
	dead, err := b.root(0).Conn(t.Context())
	require.NoError(t, err)
	defer dead.Close()
	_, err = dead.ExecContext(t.Context(), "SELECT GET_LOCK('interlock_failover', 0)")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = dead.ExecContext(ctx, "INSERT INTO interlock.sold VALUES (1)")
	require.ErrorIs(t, err, context.DeadlineExceeded)

	_, err = b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, "another supervisor is at work", "it may be alive still")
	b.eventually(func() bool { _, err := b.supervisor.Open(t.Context(), failover.OpenOptions{}); return err == nil },
		"it was not")
	require.NoError(t, b.sell(b.index(b.primary()), 2))
}

// A stopped supervisor's lock ends by itself, and its statements with it.
func TestSupervisor_ThatIsCutOff(t *testing.T) {
	b := openBed(t, 3)
	o := b.members.SupervisorOptions(b.log())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	supervisor, err := failover.New(o)
	require.NoError(t, err)
	defer supervisor.Close()
	// A replica that cannot finish a statement: the attempt waits for it, and its locks are kept meanwhile.
	stuck, err := b.root(2).Conn(t.Context())
	require.NoError(t, err)
	defer stuck.Close()
	_, err = stuck.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	require.NoError(t, err)
	require.NoError(t, b.sell(0, 1))
	promoted := make(chan error, 1)
	go func() { _, err := supervisor.Promote(ctx, b.name(2)); promoted <- err }()
	b.eventually(func() bool { return b.ask(0, "SELECT COALESCE(IS_USED_LOCK('interlock_failover'), 0)") != "0" },
		"at work")
	require.Never(t, func() bool { return b.ask(1, "SELECT COALESCE(IS_USED_LOCK('interlock_failover'), 0)") == "0" },
		5*time.Second, 100*time.Millisecond, "longer than an idle connection would live")
	b.kill(1)
	err = <-promoted
	require.ErrorContains(t, err, "the lock on a member is lost")
	require.Equal(t, "0", b.ask(0, "SELECT @@GLOBAL.read_only"), "the primary goes on")
	require.False(t, strings.Contains(b.primary(), b.name(2)))
}
