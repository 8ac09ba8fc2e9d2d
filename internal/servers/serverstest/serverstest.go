// Package serverstest lends real servers to tests: one MySQL, one MariaDB and one Redis per test binary, started when
// the first test asks, stopped when the last has ended.
//
// A test binary that uses it has
//
//	func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }
//
// INTERLOCK_TEST_SERVERS names the servers that tests use, such as "mysql,redis" or "none"; not set, it is all of them.
// A test whose server it leaves out is skipped. A test whose server is not installed is skipped, too, and says so; with
// INTERLOCK_REQUIRE_SERVERS=1 it fails. The shared servers do not wait for the disk, so no test must measure them.
// Every function may be called from parallel tests, but tests that share the one Redis must not run in parallel with
// each other.
package serverstest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"interlock/internal/servers"
)

// requireVariable makes a missing server a failure: set where it is known to be installed, so that a test cannot be
// skipped unnoticed.
const requireVariable = "INTERLOCK_REQUIRE_SERVERS"

// shared is the test binary's servers. It is the one thing here that is global, because a test binary is.
var shared struct {
	mu        sync.Mutex
	inMain    bool
	mysql     lent[*servers.SQLServer]
	mariadb   lent[*servers.SQLServer]
	redis     lent[*servers.RedisServer]
	databases int
}

// lent is a server that is started for the first test that asks. A failure is kept: it would only repeat itself,
// slowly.
type lent[S interface{ Close() error }] struct {
	asked  bool
	server S
	err    error
}

func (l *lent[S]) get(t testing.TB, start func(context.Context) (S, error)) S {
	t.Helper()
	shared.mu.Lock()
	if !shared.inMain {
		shared.mu.Unlock()
		t.Fatal("this package's TestMain must call serverstest.Main, which stops the servers")
	}
	if !l.asked {
		// The server outlives this test, so it must not depend on the test's context.
		l.asked = true
		l.server, l.err = start(context.Background())
	}
	server, err := l.server, l.err
	shared.mu.Unlock()
	Require(t, err)
	return server
}

func (l *lent[S]) close() error {
	if !l.asked || l.err != nil {
		return nil
	}
	return l.server.Close()
}

// Require ends the test on an error from starting a server: skipped when the server is left out or not
// installed, failed for all else. It is for tests that start servers of their own.
func Require(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, servers.ErrNotAskedFor):
		t.Skip(err)
	case errors.Is(err, servers.ErrNotInstalled) && os.Getenv(requireVariable) != "1":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// Main runs the tests, stops the shared servers, looks for leaked goroutines, and returns the exit code.
func Main(m *testing.M, options ...goleak.Option) int {
	shared.inMain = true
	code := m.Run()
	err := errors.Join(shared.mysql.close(), shared.mariadb.close(), shared.redis.close())
	if err == nil && code == 0 { // after a failed test, leaks are no news
		err = goleak.Find(options...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// maxConnections is far above the default of 151: tests run several services at once, each with a pool of its own.
const maxConnections = "--max-connections=1000"

// MySQL returns the data source name, for go-sql-driver, of a fresh empty database with the server's default collation
// on the shared MySQL. It is dropped when the test ends.
func MySQL(t testing.TB) (dsn string) {
	t.Helper()
	return freshDatabase(t, MySQLServer(t))
}

// MySQLServer returns the shared MySQL itself, for tests that need other databases or users. It must not be stopped.
func MySQLServer(t testing.TB) *servers.SQLServer {
	t.Helper()
	return shared.mysql.get(t, func(ctx context.Context) (*servers.SQLServer, error) {
		return servers.StartMySQL(ctx, servers.SQLOptions{Relaxed: true, Args: []string{maxConnections}})
	})
}

// MariaDB returns the data source name, for go-sql-driver, of a fresh empty database with the server's default
// collation on the shared MariaDB. It is dropped when the test ends.
func MariaDB(t testing.TB) (dsn string) {
	t.Helper()
	return freshDatabase(t, MariaDBServer(t))
}

// MariaDBServer returns the shared MariaDB itself, for tests that need other databases or users. It must not be
// stopped.
func MariaDBServer(t testing.TB) *servers.SQLServer {
	t.Helper()
	return shared.mariadb.get(t, func(ctx context.Context) (*servers.SQLServer, error) {
		return servers.StartMariaDB(ctx, servers.SQLOptions{Relaxed: true, Args: []string{maxConnections}})
	})
}

func freshDatabase(t testing.TB, server *servers.SQLServer) (dsn string) {
	t.Helper()
	shared.mu.Lock()
	shared.databases++
	name := fmt.Sprintf("test_%d", shared.databases)
	shared.mu.Unlock()

	if err := execute(server, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A connection that the test forgot may still hold a lock; the data is thrown away in any case.
		if err := execute(server, "SET lock_wait_timeout = 2", "DROP DATABASE IF EXISTS "+name); err != nil {
			t.Log(err)
		}
	})
	return server.DSN(name)
}

// execute runs the statements on one connection.
func execute(server *servers.SQLServer, statements ...string) error {
	db, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// Redis returns the address of the shared Redis, which is empty now.
func Redis(t testing.TB) (addr string) {
	t.Helper()
	server := shared.redis.get(t, func(ctx context.Context) (*servers.RedisServer, error) {
		return servers.StartRedis(ctx, servers.RedisOptions{})
	})
	if err := server.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server.Addr()
}

// NewRedis returns a Redis of the test's own, which it may stop, kill and start again.
func NewRedis(t testing.TB) *servers.RedisServer {
	t.Helper()
	server, err := servers.StartRedis(t.Context(), servers.RedisOptions{})
	Require(t, err)
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}
