package servers_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
)

func TestMain(m *testing.M) {
	if os.Getenv(parentVariable) != "" {
		os.Exit(parent())
	}
	os.Exit(serverstest.Main(m))
}

// flavors are what every test of a SQL server runs on.
var flavors = []struct {
	flavor servers.Flavor
	start  func(context.Context, servers.SQLOptions) (*servers.SQLServer, error)
	shared func(testing.TB) *servers.SQLServer
}{
	{servers.MySQL, servers.StartMySQL, serverstest.MySQLServer},
	{servers.MariaDB, servers.StartMariaDB, serverstest.MariaDBServer},
}

func TestSQL_KeepsItsDataThroughKillAndStop(t *testing.T) {
	for _, f := range flavors {
		t.Run(string(f.flavor), func(t *testing.T) {
			server, err := f.start(t.Context(), servers.SQLOptions{Relaxed: true})
			serverstest.Require(t, err)
			closeAtEnd(t, server)
			require.Equal(t, f.flavor, server.Flavor())
			require.Regexp(t, `^\d+\.\d+\.\d+`, server.Version())
			require.NoError(t, server.Start(t.Context()), "starting a running server changes nothing")

			db := open(t, server)
			run(t, db, "CREATE DATABASE lab", "CREATE TABLE lab.seats (label VARCHAR(8) PRIMARY KEY)")
			run(t, db, "INSERT INTO lab.seats VALUES ('23A')")
			pid, addr := server.Pid(), server.Addr()
			require.NoError(t, server.Kill())
			<-server.Done()
			require.Error(t, db.PingContext(t.Context()))

			require.NoError(t, server.Start(t.Context()))
			require.NotEqual(t, pid, server.Pid())
			require.Equal(t, addr, server.Addr())
			require.Equal(t, "1", ask(t, db, "SELECT count(*) FROM lab.seats"),
				"a kill loses nothing, also when relaxed")
			run(t, db, "INSERT INTO lab.seats VALUES ('23B')")
			require.NoError(t, server.Stop(t.Context()))
			require.NoError(t, server.Stop(t.Context()), "stopping a stopped server changes nothing")

			require.NoError(t, server.Start(t.Context()))
			require.Equal(t, "2", ask(t, db, "SELECT count(*) FROM lab.seats"))
		})
	}
}

func TestSQL_TwoAreApart(t *testing.T) {
	const flushes = "SELECT concat(@@innodb_flush_log_at_trx_commit, ' ', @@sync_binlog)"
	for _, f := range flavors {
		t.Run(string(f.flavor), func(t *testing.T) {
			own, err := f.start(t.Context(), servers.SQLOptions{Args: []string{"--server-id=7"}})
			serverstest.Require(t, err)
			closeAtEnd(t, own)
			shared := f.shared(t)

			require.Equal(t, "7", ask(t, open(t, own), "SELECT @@server_id"))
			require.Equal(t, "1 1", ask(t, open(t, own), flushes), "safe unless relaxed")
			require.Equal(t, "1", ask(t, open(t, shared), "SELECT @@server_id"))
			require.Equal(t, "2 0", ask(t, open(t, shared), flushes))
			if f.flavor == servers.MySQL { // whose template's copies would else be one server to each other
				const identity = "SELECT @@server_uuid"
				require.NotEqual(t, ask(t, open(t, own), identity), ask(t, open(t, shared), identity))
			}
		})
	}
}

func TestSQL_TellsWhyItDoesNotStart(t *testing.T) {
	for _, f := range flavors {
		t.Run(string(f.flavor), func(t *testing.T) {
			_, err := f.start(t.Context(), servers.SQLOptions{Args: []string{"--no-such-setting=1"}})
			if errors.Is(err, servers.ErrNotInstalled) || errors.Is(err, servers.ErrNotAskedFor) {
				serverstest.Require(t, err)
			}
			require.ErrorContains(t, err, "no-such-setting")
		})
	}
}

func TestSQL_GivesUpWithItsContext(t *testing.T) {
	serverstest.MySQLServer(t) // so that its data template exists, and the time goes into the start
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := servers.StartMySQL(ctx, servers.SQLOptions{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestSQL_KeepsANamedFolder(t *testing.T) {
	for _, f := range flavors {
		t.Run(string(f.flavor), func(t *testing.T) {
			// Longer than a socket's path may be.
			folder := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
			options := servers.SQLOptions{Folder: folder, Relaxed: true}
			server, err := f.start(t.Context(), options)
			serverstest.Require(t, err)
			run(t, open(t, server), "CREATE DATABASE lab")
			require.NoError(t, server.Stop(t.Context()))
			require.NoError(t, server.Close())

			server, err = f.start(t.Context(), options)
			require.NoError(t, err)
			closeAtEnd(t, server)
			require.Equal(t, "lab", ask(t, open(t, server), "SHOW DATABASES LIKE 'lab'"))
		})
	}
}

// TestSQL_SmallDisk fills the disk of a MySQL's binary log: commits wait, reads go on, and the log says why.
func TestSQL_SmallDisk(t *testing.T) {
	namespace := []string{"--mount"}
	if os.Geteuid() != 0 {
		namespace = append(namespace, "--user", "--map-root-user")
	}
	if said, err := exec.Command("unshare", append(namespace, "true")...).CombinedOutput(); err != nil {
		t.Skipf("no mount namespace can be made here: %v: %s", err, said)
	}
	server, err := servers.StartMySQL(t.Context(), servers.SQLOptions{SmallDiskBytes: 16 << 20})
	serverstest.Require(t, err)
	closeAtEnd(t, server)
	db := open(t, server)
	run(t, db, "CREATE DATABASE lab", "CREATE TABLE lab.seats (label VARCHAR(8) PRIMARY KEY, why LONGTEXT)")
	run(t, db, "INSERT INTO lab.seats VALUES ('23A', '')")
	disk, err := server.SmallDisk()
	require.NoError(t, err)
	require.NoError(t, disk.Fill())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = db.ExecContext(ctx, "INSERT INTO lab.seats VALUES ('23B', REPEAT('x', 100000))")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var seats int
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM lab.seats").Scan(&seats))
	require.Equal(t, 1, seats)
	log, err := os.ReadFile(server.LogPath())
	require.NoError(t, err)
	require.Contains(t, string(log), "No space left on device")
	require.NoError(t, disk.Free())

	plain := serverstest.MySQLServer(t)
	_, err = plain.SmallDisk()
	require.ErrorContains(t, err, "has no disk of its own")
}

func TestRedis_KeepsWhatItIsToldToKeep(t *testing.T) {
	folder := t.TempDir()
	server, err := servers.StartRedis(t.Context(), servers.RedisOptions{
		Folder: folder, Args: []string{"--appendonly", "yes", "--appendfsync", "always"},
	})
	serverstest.Require(t, err)
	closeAtEnd(t, server)
	client := connect(t, server)
	require.NoError(t, client.Set(t.Context(), "seat", "23B", 0).Err())
	pid := server.Pid()

	require.NoError(t, server.Kill())
	<-server.Done()
	require.Error(t, client.Ping(t.Context()).Err())
	require.NoError(t, server.Start(t.Context()))
	require.NotEqual(t, pid, server.Pid())
	require.Equal(t, "23B", client.Get(t.Context(), "seat").Val())

	require.NoError(t, server.FlushAll(t.Context()))
	require.Zero(t, client.DBSize(t.Context()).Val())
	require.NoError(t, server.Stop(t.Context()))
	require.DirExists(t, folder)
}

func TestRedis_MayBeFrozen(t *testing.T) {
	server := serverstest.NewRedis(t)
	client := connect(t, server)
	require.NoError(t, client.Ping(t.Context()).Err())

	require.NoError(t, server.Freeze(t.Context()))
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", server.Pid()))
	require.NoError(t, err)
	require.NotEmpty(t, threads)
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		require.NoError(t, err)
		require.Contains(t, string(status), "State:\tT (stopped)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, client.Ping(ctx).Err(), "timeout")
	require.NoError(t, server.Signal(syscall.SIGCONT))
	require.NoError(t, client.Ping(t.Context()).Err())

	// Frozen, it cannot end in order; then it is killed, and Stop says so.
	require.NoError(t, server.Signal(syscall.SIGSTOP))
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, server.Stop(ctx), context.DeadlineExceeded)
	<-server.Done()
}

func TestStart_TakesTheWantedPort(t *testing.T) {
	server := serverstest.NewRedis(t)
	port := server.Port()
	_, err := servers.StartRedis(t.Context(), servers.RedisOptions{Port: port})
	require.ErrorContains(t, err, fmt.Sprintf("port %d is taken", port))
	require.NoError(t, server.Kill())

	heir, err := servers.StartRedis(t.Context(), servers.RedisOptions{Port: port})
	require.NoError(t, err)
	closeAtEnd(t, heir)
	require.Equal(t, server.Addr(), heir.Addr())
}

func TestFind_SaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("INTERLOCK_CACHE", t.TempDir())
	t.Setenv("INTERLOCK_TEST_SERVERS", "redis")
	_, err := servers.StartRedis(t.Context(), servers.RedisOptions{})
	require.ErrorIs(t, err, servers.ErrNotInstalled)
	require.ErrorContains(t, err, "redis-server is not installed")
}

func TestFind_LeavesOutWhatIsNotAskedFor(t *testing.T) {
	find := map[string]func() (servers.Binary, error){
		"mysql": servers.FindMySQL, "mariadb": servers.FindMariaDB, "redis": servers.FindRedis,
	}
	for asked, left := range map[string][]string{
		"none": {"mysql", "mariadb", "redis"}, "": {"mysql", "mariadb", "redis"},
		"mysql,redis": {"mariadb"}, "mariadb": {"mysql", "redis"},
	} {
		t.Setenv("INTERLOCK_TEST_SERVERS", asked)
		for name, find := range find {
			_, err := find()
			require.Equal(t, slices.Contains(left, name), errors.Is(err, servers.ErrNotAskedFor), "%s of %q",
				name, asked)
		}
	}
}

func TestFindMySQL_PassesOverMariaDB(t *testing.T) {
	namesake := filepath.Join(t.TempDir(), "mysqld")
	require.NoError(t, os.WriteFile(namesake, []byte("#!/bin/sh\necho mysqld Ver 10.11.1-MariaDB for Linux\n"), 0o755))
	t.Setenv("PATH", filepath.Dir(namesake)+":"+os.Getenv("PATH"))
	mysql, err := servers.FindMySQL()
	serverstest.Require(t, err)
	require.NotEqual(t, namesake, mysql.Path)
}

// parentVariable makes this test binary the parent in TestParent_TakesItsServersAlong.
const parentVariable = "INTERLOCK_TEST_PARENT"

// parent starts a Redis, says where it is, and waits to be killed.
func parent() int {
	server, err := servers.StartRedis(context.Background(), servers.RedisOptions{})
	if err != nil {
		return 1
	}
	_, _ = os.Stdout.WriteString(server.Addr() + " " + server.LogPath() + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func TestParent_TakesItsServersAlong(t *testing.T) {
	serverstest.NewRedis(t) // skips this test where there is none
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), parentVariable+"=1")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	addr, logPath, _ := strings.Cut(strings.TrimSpace(line), " ")

	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server has ended too, and so has the connection")

	// What it left behind goes with the next start.
	serverstest.NewRedis(t)
	require.NoDirExists(t, filepath.Dir(logPath))
}

func closeAtEnd(t *testing.T, server io.Closer) {
	t.Cleanup(func() { require.NoError(t, server.Close()) })
}

func open(t *testing.T, server *servers.SQLServer) *sql.DB {
	db, err := sql.Open("mysql", server.DSN(""))
	require.NoError(t, err)
	db.SetMaxIdleConns(0) // after a kill, the driver reports each connection that it still kept
	closeAtEnd(t, db)
	return db
}

func run(t *testing.T, db *sql.DB, statements ...string) {
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

func ask(t *testing.T, db *sql.DB, query string) (answer string) {
	require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&answer))
	return answer
}

func connect(t *testing.T, server *servers.RedisServer) *redis.Client {
	client := redis.NewClient(&redis.Options{
		Addr:                     server.Addr(),
		MaxRetries:               -1,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	closeAtEnd(t, client)
	return client
}

func TestProgram_KeepsItsAddressAndEnvironment(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	program, err := servers.StartProgram(t.Context(), servers.ProgramOptions{
		Path: shell,
		Args: func(addr string) []string {
			return []string{"-c", `echo "$SECRET at ` + addr + `" >> said; exec sleep 60`}
		},
		Env:   []string{"SECRET=word"},
		Ready: func(context.Context, string) error { return nil },
	})
	require.NoError(t, err)
	closeAtEnd(t, program)
	said := filepath.Join(filepath.Dir(program.LogPath()), "said")
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(said)
		return string(text) == "word at "+program.Addr()+"\n"
	}, 10*time.Second, 10*time.Millisecond)
	pid := program.Pid()
	require.NoError(t, program.Stop(t.Context()))
	require.NoError(t, program.Start(t.Context()))
	require.NotEqual(t, pid, program.Pid())
}

func TestProgram_ThatFailsSaysWhy(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	_, err = servers.StartProgram(t.Context(), servers.ProgramOptions{
		Path:  shell,
		Args:  func(string) []string { return []string{"-c", "echo no such setting >&2; exit 3"} },
		Ready: func(context.Context, string) error { return errors.New("not yet") },
	})
	require.ErrorContains(t, err, "no such setting")
}

// TestProcessorTime sees this process run.
func TestProcessorTime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	const enough = 50 * time.Millisecond
	before := servers.ProcessorTime(os.Getpid())
	for servers.ProcessorTime(os.Getpid())-before < enough {
		require.NoError(t, t.Context().Err()) // it takes what it takes; go test has the limit
	}
	require.Zero(t, servers.ProcessorTime(-1), "nobody has this number")
}
