package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/go-sql-driver/mysql"
)

// Flavor says which of the two databases a server is; what differs between them concerns who sets them up.
type Flavor string

// The flavors.
const (
	MySQL   Flavor = "MySQL"
	MariaDB Flavor = "MariaDB"
)

// SQLOptions says how to start a MySQL or a MariaDB. The zero value is a lone server on a free port, in a temporary
// folder, that flushes to the disk whatever it has promised.
type SQLOptions struct {
	// Folder is where the server keeps everything. Data that is there already is used. Empty: a temporary folder, which
	// Close removes.
	Folder string
	// Port is the port to listen on; 0: a free one.
	Port int
	// Relaxed leaves flushing to the operating system: much faster, and still nothing is lost when the server is killed,
	// only when the machine is. For tests of what is right; never for figures, or for what a primary promises.
	Relaxed bool
	// Args are further arguments, like "--server-id=2". They come last, so that they win.
	Args []string
}

// SQLServer is a MySQL or a MariaDB. Its user root has no password and may come from this machine only.
type SQLServer struct {
	flavor  Flavor
	binary  Binary
	folder  *folder
	port    int
	relaxed bool
	args    []string

	mu      sync.Mutex
	process *process // nil before the first start
}

// StartMySQL starts a MySQL and returns once it answers.
func StartMySQL(ctx context.Context, o SQLOptions) (*SQLServer, error) {
	b, err := FindMySQL()
	if err != nil {
		return nil, err
	}
	return startSQL(ctx, MySQL, b, o)
}

// StartMariaDB starts a MariaDB and returns once it answers.
func StartMariaDB(ctx context.Context, o SQLOptions) (*SQLServer, error) {
	b, err := FindMariaDB()
	if err != nil {
		return nil, err
	}
	return startSQL(ctx, MariaDB, b, o)
}

func startSQL(ctx context.Context, flavor Flavor, b Binary, o SQLOptions) (*SQLServer, error) {
	f, err := openFolder(o.Folder)
	if err != nil {
		return nil, err
	}
	s := &SQLServer{flavor: flavor, binary: b, folder: f, relaxed: o.Relaxed, args: o.Args}
	err = s.prepare()
	if err == nil {
		err = startOnPort(o.Port, func(port int) error {
			s.port = port
			return s.Start(ctx)
		})
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}

// startOnPort starts a server on the port that is asked for, or on free ones until one is not taken by somebody else
// before the server has it.
func startOnPort(wanted int, start func(port int) error) error {
	if wanted != 0 {
		return start(wanted)
	}
	for range portTries {
		port, err := freePort()
		if err != nil {
			return err
		}
		if err := start(port); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return errPortTaken
}

// prepare makes the server's folders, with fresh data where there is none.
func (s *SQLServer) prepare() error {
	if err := os.MkdirAll(s.folder.join("tmp"), 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(s.DataFolder()); err == nil {
		return nil
	}
	return newData(s.flavor, s.binary, s.DataFolder())
}

// Start starts a server that was stopped or killed again, on the same data and address, and returns once it answers.
// A running one is left alone.
func (s *SQLServer) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && s.process.running() {
		return nil
	}
	p, err := startProcess(s.binary.command(s.arguments()...), s.LogPath())
	if err != nil {
		return err
	}
	config := s.config("")
	config.Logger = &mysql.NopLogger{} // it would report each refused connection while the server starts
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return errors.Join(err, p.kill())
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	s.process = p
	return p.await(ctx, s.LogPath(), func(ctx context.Context) error {
		var data string
		if err := db.QueryRowContext(ctx, "SELECT @@datadir").Scan(&data); err != nil {
			return err
		}
		if filepath.Clean(data) != s.DataFolder() { // somebody else's server, on a port that ours will not get
			return fmt.Errorf("%s answers for %s", s.Addr(), data)
		}
		return nil
	})
}

// basicArgs are the arguments of every run of a program, also of the one that makes its data.
func basicArgs(flavor Flavor, b Binary, data string) []string {
	args := []string{"--no-defaults", "--datadir=" + data} // --no-defaults must come first
	if os.Geteuid() == 0 {
		args = append(args, "--user=root") // else it refuses to run as root
	}
	if b.Root != "" {
		args = append(args,
			"--basedir="+filepath.Join(b.Root, "usr"),
			"--lc-messages-dir="+filepath.Join(b.Root, "usr/share/mysql"),
			"--plugin-dir="+filepath.Join(b.Root, "usr/lib/mysql/plugin"))
	}
	if flavor == MySQL {
		args = append(args, "--secure-file-priv=NULL", "--mysqlx=OFF")
	}
	return args
}

func (s *SQLServer) arguments() []string {
	args := append(basicArgs(s.flavor, s.binary, s.DataFolder()),
		"--bind-address="+host,
		"--port="+strconv.Itoa(s.port),
		"--socket=mysqld.sock", // relative to the data, since a socket's whole path may have 107 characters only
		"--pid-file=mysqld.pid",
		"--tmpdir="+s.folder.join("tmp"),
	)
	if s.relaxed {
		// Each write reaches the operating system before the answer, none waits for the disk.
		args = append(args, "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0",
			"--innodb-doublewrite=OFF", "--innodb-flush-method=nosync")
	} else {
		args = append(args, "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1")
	}
	return append(args, s.args...)
}

// Flavor says which database this is.
func (s *SQLServer) Flavor() Flavor { return s.flavor }

// Version is the program's version, like "9.7.4".
func (s *SQLServer) Version() string { return s.binary.Version }

// Addr is the address the server listens on; it stays the same over every restart.
func (s *SQLServer) Addr() string { return address(s.port) }

// Port is the port of Addr.
func (s *SQLServer) Port() int { return s.port }

// DSN is the data source name, for go-sql-driver, of the database with that name, as root; an empty name is no database.
func (s *SQLServer) DSN(database string) string { return s.config(database).FormatDSN() }

func (s *SQLServer) config(database string) *mysql.Config {
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = "root", "tcp", s.Addr(), database
	return config
}

// DataFolder is where the data is. It may be looked into, copied or spoilt while the server does not run.
func (s *SQLServer) DataFolder() string { return s.folder.join("data") }

// LogPath is the server's error log.
func (s *SQLServer) LogPath() string { return s.folder.join("server.log") }

// Pid is the process id, also of a server that has ended.
func (s *SQLServer) Pid() int { return s.current().pid() }

// Done is closed when the server has ended, for whatever reason. Each Start makes a new one.
func (s *SQLServer) Done() <-chan struct{} { return s.current().done }

// Signal sends a signal: SIGSTOP freezes a server, SIGCONT thaws it. To a server that has ended it does nothing.
func (s *SQLServer) Signal(sig os.Signal) error { return s.current().signal(sig) }

// Stop ends the server in order, and by force when that takes too long, which is an error. Beware: a semi-synchronous
// primary that is stopped in order answers its waiting commits OK without any replica having them. Kill does not.
func (s *SQLServer) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.stop(ctx)
}

// Kill ends the server as a crash would, and returns once it has ended.
func (s *SQLServer) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.kill()
}

// Close kills the server, and removes its folder if that was a temporary one.
func (s *SQLServer) Close() error { return errors.Join(s.Kill(), s.folder.close()) }

func (s *SQLServer) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}
