package sqlpay_test

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/services/failover"
	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/pay/sqlpay"
	"interlock/services/rail"
)

// clock is a test's own, by which a store looks at replication again.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// TestReplicated_WritesOnlyWhileReplicated takes a primary of its own through what a primary can be: without
// semi-synchronous replication, with it off, with it and no replica, and read-only.
func TestReplicated_WritesOnlyWhileReplicated(t *testing.T) {
	for _, flavor := range []struct {
		name    string
		start   func(context.Context, servers.SQLOptions) (*servers.SQLServer, error)
		args    []string
		install string
		prefix  string
	}{
		{
			"MySQL", servers.StartMySQL, nil, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
			"rpl_semi_sync_source_",
		},
		{"MariaDB", servers.StartMariaDB, []string{"--log-bin"}, "DO 0", "rpl_semi_sync_master_"},
	} {
		t.Run(flavor.name, func(t *testing.T) {
			server, err := flavor.start(t.Context(), servers.SQLOptions{Relaxed: true, Args: flavor.args})
			serverstest.Require(t, err)
			t.Cleanup(func() {
				// Never in order: that would wait for the commit that waits for a replica.
				require.NoError(t, server.Kill())
				require.NoError(t, server.Close())
			})
			c := &clock{now: time.Now()}
			o := sqlledger.Options{
				DSN: server.DSN("interlock_pay"), CommitTimeout: 500 * time.Millisecond, Clock: c.read,
			}
			local := o
			local.Durability, local.CommitTimeout = sqlledger.Local, 0
			alone := open(t, migrated(t, local))
			p := create(t, alone, "p1")
			_, err = paytest.Change(t.Context(), alone, []pay.Change{to(create(t, alone, "p2"), pay.Authorised)})
			require.NoError(t, err)
			require.NoError(t, paytest.Heed(t.Context(), alone, "bank", pay.Notice{ID: "e1"}, nil))

			db, err := sql.Open("mysql", server.DSN("interlock_pay"))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			set := func(statement string) { t.Helper(); exec(t, db, statement) }
			s := open(t, o)
			refuses := func(why string) {
				t.Helper()
				c.advance(time.Minute) // so that it looks again
				require.ErrorContains(t, s.Ready(t.Context()), why)
				unavailable := func(err error) {
					t.Helper()
					require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
				}
				_, _, err := paytest.Start(t.Context(), s, paytest.NewPayment("p3", paytest.Order(1)), time.Minute)
				unavailable(err)
				_, _, err = paytest.Start(t.Context(), s, paytest.NewPayment("p1", paytest.Order(1)), time.Minute)
				unavailable(err)
				_, err = paytest.Change(t.Context(), s, []pay.Change{to(p, pay.Open)})
				unavailable(err)
				_, err = s.Payments(t.Context(), []string{"nobody"})
				unavailable(err)
				unavailable(paytest.Heed(t.Context(), s, "bank", pay.Notice{ID: "e2"}, nil))
				rows, err := s.TakeEvents(t.Context(), "", ledger.MaxTake)
				unavailable(err)
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
			require.ErrorContains(t, s.Ready(t.Context()), "no replica is connected")

			// The commit waits for a replica that does not come: it is in doubt, and cannot be read.
			c.advance(time.Minute)
			_, err = paytest.Change(t.Context(), s, []pay.Change{to(p, pay.Authorised)})
			require.ErrorIs(t, err, ledger.ErrInDoubt)
			require.Equal(t, p, read(t, s, "p1"), "what waits for its replica is invisible")
			_, _, err = paytest.Start(t.Context(), s, paytest.NewPayment("p3", paytest.Order(1)), time.Minute)
			require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
			require.True(t, s.Stats().Probing)
			require.EqualValues(t, 1, s.Stats().CommitsInDoubt)

			// Once the lost commit is through, asking again finds it.
			set("SET GLOBAL " + flavor.prefix + "enabled = 0")
			errs, err := paytest.Change(t.Context(), alone, []pay.Change{to(p, pay.Authorised)})
			require.NoError(t, err)
			require.ErrorIs(t, errs[0], pay.ErrStale)

			set("SET GLOBAL read_only = 1") // which root may ignore, and the store does not
			require.ErrorContains(t, alone.Ready(t.Context()), "read-only")
			_, err = paytest.Change(t.Context(), alone, []pay.Change{to(read(t, alone, "p1"), pay.Capturing)})
			require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
		})
	}
}

// TestCluster_FollowsThePrimary keeps payments beside the ledger, on the members of its cluster: the epoch is in the
// ledger's own database. A primary is killed while a change waits for its replicas, which are frozen. Another member is
// opened, and what was answered is there; asked for again, what was in doubt has one effect.
func TestCluster_FollowsThePrimary(t *testing.T) {
	const database = cluster.Database + "_pay"
	members, err := cluster.StartMembers(t.Context(), servers.MySQL, 3)
	serverstest.Require(t, err)
	t.Cleanup(func() { require.NoError(t, members.Close()) })
	log := slog.New(slog.NewTextHandler(logWriter{t}, nil))
	supervisor, err := failover.New(members.SupervisorOptions(log))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, supervisor.Close()) })
	_, err = supervisor.Open(t.Context(), failover.OpenOptions{Member: members.Servers[0].Addr()})
	require.NoError(t, err)

	o := sqlledger.Options{Members: dsns(members, database), ClusterDatabase: cluster.Database, Log: log}
	require.NoError(t, sqlpay.Migrate(t.Context(), o))
	// From here on by a user who may do no more than docs/operations.md says.
	root := asRoot(t, members.Servers[0])
	for _, statement := range []string{
		"CREATE USER 'pay'@'%' IDENTIFIED BY 'pay'",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON " + database + ".* TO 'pay'@'%'",
		"GRANT SELECT ON " + cluster.Database + ".cluster TO 'pay'@'%'",
	} {
		exec(t, root, statement)
	}
	for i, dsn := range o.Members {
		c, err := mysql.ParseDSN(dsn)
		require.NoError(t, err)
		c.User, c.Passwd = "pay", "pay"
		o.Members[i] = c.FormatDSN()
	}
	s := open(t, o)
	eventually := func(holds func() bool, what string) {
		t.Helper()
		require.Eventually(t, holds, time.Minute, 50*time.Millisecond, what)
	}
	eventually(func() bool { return s.Ready(t.Context()) == nil }, "it is found") // once the replicas know the user
	require.EqualValues(t, 1, s.Stats().Epoch, "the ledger's")
	p := create(t, s, "p1")

	for _, i := range []int{1, 2} {
		require.NoError(t, members.Servers[i].Signal(syscall.SIGSTOP))
	}
	_, err = paytest.Change(t.Context(), s, []pay.Change{to(p, pay.Authorised)})
	require.ErrorIs(t, err, ledger.ErrInDoubt)
	require.NoError(t, members.Servers[0].Kill())
	for _, i := range []int{1, 2} {
		require.NoError(t, members.Servers[i].Signal(syscall.SIGCONT))
	}
	eventually(func() bool { _, err := s.Now(t.Context()); return err != nil && !s.Stats().HasPrimary }, "it is missed")
	_, _, err = paytest.Start(t.Context(), s, paytest.NewPayment("p2", paytest.Order(1)), time.Minute)
	require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
	require.ErrorContains(t, s.Ready(t.Context()), "the payments' database has no primary")
	eventually(func() bool {
		_, err := supervisor.Open(t.Context(), failover.OpenOptions{})
		return err == nil
	}, "another member is opened")
	eventually(func() bool { return s.Ready(t.Context()) == nil }, "it is found")
	require.EqualValues(t, 2, s.Stats().Epoch)
	require.EqualValues(t, 1, s.Stats().PrimaryChanges)

	again, created, err := paytest.Start(t.Context(), s, paytest.NewPayment("p1", paytest.Order(1)), time.Minute)
	require.NoError(t, err)
	require.False(t, created, "what was answered is there")
	require.Equal(t, p.CreatedAt, again.CreatedAt)
	if again.State == pay.Created {
		_, err = paytest.Change(t.Context(), s, []pay.Change{to(again, pay.Authorised)})
		require.NoError(t, err)
	}
	is := read(t, s, "p1")
	require.Equal(t, pay.Authorised, is.State)
	require.EqualValues(t, 2, is.Version, "it is authorised once")
	rows, err := s.TakeEvents(t.Context(), "", ledger.MaxTake)
	require.NoError(t, err)
	require.Len(t, rows, 1, "and told once")

	// A transaction that meets another epoch than the one that its primary was found with is on no primary.
	found, err := sqlledger.Find(t.Context(), dsns(members, cluster.Database))
	require.NoError(t, err)
	exec(t, asRoot(t, members.Servers[found.Index]), "UPDATE "+cluster.Database+".cluster SET epoch = epoch + 1")
	_, err = paytest.Change(t.Context(), s, []pay.Change{to(is, pay.Capturing)})
	require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
	eventually(func() bool {
		errs, err := paytest.Change(t.Context(), s, []pay.Change{to(is, pay.Capturing)})
		return err == nil && errs[0] == nil
	}, "it is looked for again")
	require.EqualValues(t, 3, s.Stats().Epoch)

	// On members of its own, a supervisor opens the payments' database as if it were a ledger's.
	own := sqlledger.Options{Members: dsns(members, cluster.Database), Log: log}
	require.NoError(t, sqlpay.Migrate(t.Context(), own))
	s = open(t, own)
	require.NoError(t, s.Ready(t.Context()))
	require.EqualValues(t, 3, s.Stats().Epoch)
	create(t, s, "p1")
}

// asRoot is a member as its administrator sees it.
func asRoot(t *testing.T, s *servers.SQLServer) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", s.DSN(""))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() }) // the server may be gone by then
	return db
}

func dsns(members *cluster.Members, database string) (all []string) {
	for _, s := range members.Servers {
		all = append(all, members.DSN(s, database))
	}
	return all
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}
