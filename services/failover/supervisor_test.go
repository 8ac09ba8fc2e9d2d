package failover_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/services/failover"
	"interlock/services/ledger/sqlledger"
	"interlock/services/mysqlcluster"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// bed is the members of a cluster, and one supervisor of it.
type bed struct {
	*testing.T
	members    *cluster.Members
	supervisor *failover.Supervisor
}

// newBed starts members that were never opened.
func newBed(t *testing.T, count int) *bed {
	t.Helper()
	members, err := cluster.StartMembers(t.Context(), servers.MySQL, count)
	serverstest.Require(t, err)
	t.Cleanup(func() { require.NoError(t, members.Close()) })
	b := &bed{T: t, members: members}
	b.supervisor = b.newSupervisor()
	return b
}

// openBed starts members of which the first is open and has a table to write to.
func openBed(t *testing.T, count int) *bed {
	t.Helper()
	b := newBed(t, count)
	_, err := b.supervisor.Open(t.Context(), failover.OpenOptions{Member: b.name(0)})
	require.NoError(t, err)
	b.do(0, "CREATE TABLE sold (seat INT NOT NULL PRIMARY KEY)")
	return b
}

// in is the same bed in a subtest.
func (b *bed) in(t *testing.T) *bed { return &bed{T: t, members: b.members, supervisor: b.supervisor} }

// kill ends the connection that holds the lock of a member.
func (b *bed) kill(i int) {
	b.Helper()
	_, err := b.root(i).ExecContext(b.Context(), "KILL "+b.ask(i, "SELECT IS_USED_LOCK('interlock_failover')"))
	require.NoError(b, err)
}

// revive starts a member until the supervisor has nothing to say. One that was rebuilt ends, and nothing else here
// starts it again.
func (b *bed) revive(i int) {
	b.Helper()
	b.eventually(func() bool {
		require.NoError(b, b.members.Servers[i].Start(b.Context()))
		return b.supervisor.Status(b.Context()).OK
	}, "it follows")
}

func (b *bed) newSupervisor() *failover.Supervisor {
	b.Helper()
	supervisor, err := failover.New(b.members.SupervisorOptions(b.log()))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, supervisor.Close()) })
	return supervisor
}

// log writes what supervisors say into the test's own log, which is shown when it fails.
func (b *bed) log() *slog.Logger { return slog.New(slog.NewTextHandler(logWriter{b.T}, nil)) }

type logWriter struct{ t *testing.T }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

func (b *bed) name(i int) string { return b.members.Servers[i].Addr() }

// supervise runs a supervisor until the returned function is called.
func (b *bed) supervise() (stop func()) {
	supervisor := b.newSupervisor()
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = supervisor.Supervise(ctx) })
	stop = func() { cancel(); running.Wait() }
	b.Cleanup(stop)
	return stop
}

// db is a member as the servers see it.
func (b *bed) db(i int) *sql.DB {
	b.Helper()
	db, err := sql.Open("mysql", b.members.DSN(b.members.Servers[i], cluster.Database))
	require.NoError(b, err)
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// root is a member as its administrator sees it.
func (b *bed) root(i int) *sql.DB {
	b.Helper()
	db, err := sql.Open("mysql", b.members.Servers[i].DSN(""))
	require.NoError(b, err)
	b.Cleanup(func() { _ = db.Close() })
	return db
}

func (b *bed) do(i int, statements ...string) {
	b.Helper()
	db := b.root(i)
	db.SetMaxOpenConns(1)
	for _, s := range append([]string{"USE " + cluster.Database}, statements...) {
		ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
		_, err := db.ExecContext(ctx, s)
		cancel()
		require.NoError(b, err, s)
	}
	require.NoError(b, db.Close())
}

func (b *bed) ask(i int, query string) string {
	b.Helper()
	db := b.root(i)
	defer db.Close()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	var answer sql.NullString
	require.NoError(b, db.QueryRowContext(ctx, query).Scan(&answer), query)
	return answer.String
}

// sell writes one row, as a server would, and is nil once it is acknowledged.
func (b *bed) sell(i, seat int) error {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 3*time.Second)
	defer cancel()
	_, err := b.db(i).ExecContext(ctx, "INSERT INTO sold VALUES (?)", seat)
	return err
}

// sellers write rows as fast as they are acknowledged until stopped, and tell which were.
func (b *bed) sellers(i, count int) (stop func() (acknowledged []int)) {
	db := b.db(i)
	ctx, cancel := context.WithCancel(b.Context())
	var selling sync.WaitGroup
	var mu sync.Mutex
	var sold []int
	for n := range count {
		selling.Go(func() {
			for seat := 1_000_000 * (n + 1); ctx.Err() == nil; seat++ {
				limited, cancel := context.WithTimeout(b.Context(), 2*time.Second)
				_, err := db.ExecContext(limited, "INSERT INTO sold VALUES (?)", seat)
				cancel()
				if err != nil {
					return // dead, or read-only
				}
				mu.Lock()
				sold = append(sold, seat)
				mu.Unlock()
			}
		})
	}
	return func() []int { cancel(); selling.Wait(); return sold }
}

// has checks that rows are on a member, once it has applied what the primary has.
func (b *bed) has(i int, seats []int) {
	b.Helper()
	for _, m := range b.supervisor.Status(b.Context()).Members {
		if m.Name == b.primary() {
			require.Equal(b, "0", b.ask(i, fmt.Sprintf("SELECT WAIT_FOR_EXECUTED_GTID_SET('%s', 8)", m.Executed)))
		}
	}
	there := map[int]bool{}
	rows, err := b.root(i).QueryContext(b.Context(), "SELECT seat FROM "+cluster.Database+".sold")
	require.NoError(b, err)
	defer rows.Close()
	for rows.Next() {
		var seat int
		require.NoError(b, rows.Scan(&seat))
		there[seat] = true
	}
	require.NoError(b, rows.Err())
	for _, seat := range seats {
		require.True(b, there[seat], "the acknowledged %d is lost", seat)
	}
}

// serverDSNs are the members as servers list them.
func (b *bed) serverDSNs() (dsns []string) {
	for _, s := range b.members.Servers {
		dsns = append(dsns, b.members.DSN(s, cluster.Database))
	}
	return dsns
}

func (b *bed) index(name string) int {
	b.Helper()
	i := slices.IndexFunc(b.members.Servers, func(s *servers.SQLServer) bool { return s.Addr() == name })
	require.GreaterOrEqual(b, i, 0, name)
	return i
}

// well waits until the supervisor has nothing to say.
func (b *bed) well(what string) {
	b.Helper()
	b.eventually(func() bool { return b.supervisor.Status(b.Context()).OK }, what)
}

func (b *bed) primary() string { return b.supervisor.Status(b.Context()).Primary }

func (b *bed) eventually(holds func() bool, what string) {
	b.Helper()
	require.Eventually(b, holds, time.Minute, 50*time.Millisecond, what)
}

// protected checks that a member keeps everybody from writing.
func (b *bed) protected(i int) {
	b.Helper()
	require.Equal(b, "1 1", b.ask(i, "SELECT CONCAT(@@GLOBAL.read_only, ' ', @@GLOBAL.super_read_only)"))
}

func TestOpen(t *testing.T) {
	bed := newBed(t, 3)
	t.Run("ASupervisorThatLosesALockStops", func(t *testing.T) {
		b := bed.in(t)
		// Its last step before the barrier is to make the tables; meanwhile it loses the lock on another member.
		o := b.members.SupervisorOptions(b.log())
		o.Prepare = func(ctx context.Context, dsn string) error {
			b.kill(2)
			return sqlledger.Migrate(ctx, sqlledger.Options{DSN: dsn})
		}
		supervisor, err := failover.New(o)
		require.NoError(t, err)
		defer supervisor.Close()
		_, err = supervisor.Open(t.Context(), failover.OpenOptions{})
		require.ErrorContains(t, err, "lock")
		require.Equal(t, "1", b.ask(0, "SELECT @@GLOBAL.read_only"))
		require.Zero(t, b.supervisor.Status(t.Context()).Members[0].Record.Epoch, "no barrier either")
	})
	t.Run("OneSupervisorAtATime", func(t *testing.T) {
		b := bed.in(t)
		other, err := b.root(1).Conn(t.Context())
		require.NoError(t, err)
		_, err = other.ExecContext(t.Context(), "SELECT GET_LOCK('interlock_failover', 0)")
		require.NoError(t, err)
		_, err = b.supervisor.Open(t.Context(), failover.OpenOptions{})
		require.ErrorContains(t, err, "another supervisor is at work")
		_ = other.Raw(func(any) error { return driver.ErrBadConn }) // it dies
	})
	t.Run("First", func(t *testing.T) { bed.in(t).opensFirst() })
	t.Run("AListThatLacksAMember", func(t *testing.T) { bed.in(t).halfAList() })
	t.Run("TwoWritableMembers", func(t *testing.T) { bed.in(t).twoWritable() })
	t.Run("ASupervisorReopensWhatRestarted", func(t *testing.T) {
		b := bed.in(t)
		require.NoError(t, b.members.Servers[0].Kill())
		require.NoError(t, b.members.Servers[0].Start(t.Context()))
		b.protected(0)
		stop := b.supervise()
		b.well("open again")
		stop()
		require.Greater(t, b.supervisor.Status(t.Context()).Epoch, int64(1))
	})
	t.Run("AnotherTool", func(t *testing.T) {
		b := bed.in(t)
		before := b.supervisor.Status(t.Context()).Epoch
		opening, err := b.supervisor.Epoch(t.Context())
		require.NoError(t, err)
		require.Equal(t, before+1, opening.Epoch)
		require.Equal(t, before+1, b.supervisor.Status(t.Context()).Epoch)
	})
}

// halfAList has a supervisor that was not told of a member which may hold an acknowledged order. It opens and promotes
// no member, until a supervisor with the whole list has excluded that one.
func (b *bed) halfAList() {
	o := b.members.SupervisorOptions(b.log())
	o.Members = o.Members[:2]
	short, err := failover.New(o)
	require.NoError(b, err)
	defer short.Close()
	unlisted := b.name(2) + " may hold an acknowledged order and is not in this supervisor's list"
	require.False(b, short.Status(b.Context()).OK)
	require.Contains(b, short.Status(b.Context()).Reason, unlisted)
	_, err = short.Promote(b.Context(), b.name(1))
	require.ErrorContains(b, err, unlisted)
	require.NoError(b, b.sell(0, 100), "the primary goes on")

	require.NoError(b, b.members.Servers[0].Kill())
	_, err = short.Open(b.Context(), failover.OpenOptions{})
	require.ErrorContains(b, err, "only 1 of 2 members answer", "with the primary dead it is no majority either")
	require.NoError(b, b.members.Servers[0].Start(b.Context()))
	_, err = short.Open(b.Context(), failover.OpenOptions{})
	require.ErrorContains(b, err, unlisted)
	b.protected(0)
	_, err = b.supervisor.Open(b.Context(), failover.OpenOptions{})
	require.NoError(b, err)
	b.well("all follow")

	require.NoError(b, b.supervisor.Exclude(b.Context(), b.name(2), "it moves", false))
	b.eventually(func() bool { return short.Status(b.Context()).OK },
		"nothing is missing, once the primary has noticed that it left")
	require.NoError(b, b.supervisor.Include(b.Context(), b.name(2)))
	b.well("included")
}

// twoWritable makes a second member writable by hand, with the epoch that all have. Neither is the primary then. A
// supervisor says so, and does not choose.
func (b *bed) twoWritable() {
	set := func(statements ...string) {
		for _, s := range statements {
			_, err := b.root(1).ExecContext(b.Context(), s)
			require.NoError(b, err)
		}
	}
	set("SET GLOBAL rpl_semi_sync_source_enabled = ON", "SET GLOBAL super_read_only = OFF",
		"SET GLOBAL read_only = OFF")
	s := b.supervisor.Status(b.Context())
	require.False(b, s.OK)
	require.Empty(b, s.Primary)
	require.Contains(b, s.Reason, "two members are writable with the epoch 2")
	_, err := sqlledger.Find(b.Context(), b.serverDSNs())
	require.ErrorIs(b, err, mysqlcluster.ErrTwoPrimaries)
	_, err = b.supervisor.Open(b.Context(), failover.OpenOptions{})
	require.ErrorContains(b, err, "is writable: a second primary would be opened beside it")
	stop := b.supervise()
	const readOnly = "SELECT @@GLOBAL.read_only"
	require.Never(b, func() bool { return b.ask(0, readOnly)+b.ask(1, readOnly) != "00" }, 2*time.Second,
		100*time.Millisecond)
	stop()
	set("SET GLOBAL read_only = ON", "SET GLOBAL rpl_semi_sync_source_enabled = OFF", "SET GLOBAL super_read_only = ON")
	b.well("one is left")
}

func (b *bed) opensFirst() {
	t := b.T
	for _, m := range b.supervisor.Status(t.Context()).Members {
		require.True(t, m.ReadOnly)
	}
	require.Contains(t, b.supervisor.Status(t.Context()).Reason, "no member of the cluster is writable")
	opening, err := b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.NoError(t, err)
	require.Equal(t, failover.Opening{Primary: b.name(0), Epoch: 1}, opening)
	b.well("all follow")
	b.protected(1)
	b.protected(2)
	require.Equal(t, "1", b.ask(0, "SELECT @@GLOBAL.rpl_semi_sync_source_enabled"))
	b.do(0, "CREATE TABLE sold (seat INT NOT NULL PRIMARY KEY)")
	require.NoError(t, b.sell(0, 1))

	found, err := sqlledger.Find(t.Context(), b.serverDSNs())
	require.NoError(t, err)
	require.Equal(t, 0, found.Index)
	require.Equal(t, int64(1), found.Epoch)

	again, err := b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.NoError(t, err)
	require.Equal(t, failover.Opening{Primary: b.name(0), Epoch: 1, Already: true}, again)
}

func TestOpen_RefusesWhoeverLacksSomething(t *testing.T) {
	b := newBed(t, 3)
	b.stray(1, "a")
	_, err := b.supervisor.Open(t.Context(), failover.OpenOptions{Member: b.name(0)})
	require.ErrorContains(t, err, b.name(0)+": it lacks what "+b.name(1)+" has")
	b.stray(2, "b")
	_, err = b.supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, "no member may be opened")
	for i := range 3 {
		b.protected(i)
		require.Equal(t, "0", b.ask(i, "SELECT @@GLOBAL.rpl_semi_sync_source_enabled"))
	}
}

// stray makes a transaction that only one member has.
func (b *bed) stray(i int, name string) {
	b.Helper()
	db := b.root(i)
	for _, s := range []string{
		"SET GLOBAL super_read_only = OFF", "CREATE DATABASE " + name, "SET GLOBAL super_read_only = ON",
	} {
		_, err := db.ExecContext(b.Context(), s)
		require.NoError(b, err)
	}
}

func TestPromote_UnderLoad(t *testing.T) {
	b := openBed(t, 3)
	stop := b.sellers(0, 8)
	b.eventually(func() bool { return b.ask(0, "SELECT COUNT(*) FROM interlock.sold") > "20" }, "some are sold")
	begun := time.Now()
	opening, err := b.supervisor.Promote(t.Context(), b.name(2))
	require.NoError(t, err)
	t.Logf("promoted within %v", time.Since(begun))
	require.Equal(t, failover.Opening{Primary: b.name(2), Epoch: 2}, opening)
	sold := stop()
	b.has(2, sold)
	b.protected(0)
	require.NoError(t, b.sell(2, 1))
	b.well("all follow")
	b.has(0, append(sold, 1))
	require.Equal(t, strconv.Itoa(len(sold)+1), b.ask(0, "SELECT COUNT(*) FROM interlock.sold"),
		"one that was refused was not sold")
}

func TestFailover_AfterAKillWithCommitsWaiting(t *testing.T) {
	b := openBed(t, 3)
	stopSupervisor := b.supervise()
	stop := b.sellers(0, 8)
	b.eventually(func() bool { return b.ask(0, "SELECT COUNT(*) FROM interlock.sold") > "20" }, "some are sold")
	killed := time.Now()
	require.NoError(t, b.members.Servers[0].Kill())
	sold := stop()
	b.eventually(func() bool { return b.primary() != "" }, "another primary")
	t.Logf("another primary after %v", time.Since(killed))
	i := b.index(b.primary())
	b.has(i, sold)
	require.NoError(t, b.sell(i, 1))
	require.Equal(t, int64(2), b.supervisor.Status(t.Context()).Epoch)
	b.eventually(func() bool { return b.ask(3-i, "SELECT COUNT(*) FROM interlock.sold WHERE seat = 1") == "1" },
		"the other follows")

	// It comes back read-only, and follows.
	b.revive(0)
	stopSupervisor()
	b.has(0, append(sold, 1))
	b.protected(0)
}

func TestNew_WhatItRefuses(t *testing.T) {
	login := failover.Login{User: "r"}
	for name, c := range map[string]struct {
		members []string
		reason  string
	}{
		"too few":           {[]string{"g@tcp(a:3306)/x"}, "2 to 9 members"},
		"one given twice":   {[]string{"g@tcp(a:3306)/x", "g@tcp(a)/x"}, "given twice"},
		"no database":       {[]string{"g@tcp(a:3306)/", "g@tcp(b:3306)/x"}, "database"},
		"another database":  {[]string{"g@tcp(a:3306)/x", "g@tcp(b:3306)/y"}, "the same database"},
		"a character set":   {[]string{"g@tcp(a:3306)/x?charset=gbk", "g@tcp(b:3306)/x"}, `"charset" may not be given`},
		"no reachable name": {[]string{"g@unix(/tmp/a)/x", "g@tcp(b:3306)/x"}, "TCP address"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := failover.New(failover.Options{Members: c.members, Replication: login})
			require.ErrorContains(t, err, c.reason)
		})
	}
	_, err := failover.New(failover.Options{Members: []string{"g@tcp(a)/x", "g@tcp(b)/x"}})
	require.ErrorContains(t, err, "the user that replicas log in as")
}

func TestOpen_RefusesMariaDB(t *testing.T) {
	server := serverstest.MariaDBServer(t)
	members := []string{server.DSN("x"), strings.Replace(server.DSN("x"), "127.0.0.1", "localhost", 1)}
	supervisor, err := failover.New(failover.Options{Members: members, Replication: failover.Login{User: "r"}})
	require.NoError(t, err)
	defer supervisor.Close()
	_, err = supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, "the supervisor is for MySQL; MariaDB")
	require.Contains(t, supervisor.Status(t.Context()).Members[0].Problem, "the supervisor is for MySQL; MariaDB")
}

// One server under two names would be a majority of three by itself.
func TestOpen_RefusesOneServerUnderTwoNames(t *testing.T) {
	server := serverstest.MySQLServer(t)
	members := []string{server.DSN("x"), strings.Replace(server.DSN("x"), "127.0.0.1", "localhost", 1)}
	supervisor, err := failover.New(failover.Options{Members: members, Replication: failover.Login{User: "r"}})
	require.NoError(t, err)
	defer supervisor.Close()
	_, err = supervisor.Open(t.Context(), failover.OpenOptions{})
	require.ErrorContains(t, err, "are one server")
}
