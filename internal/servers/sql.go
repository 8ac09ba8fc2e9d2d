package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/go-sql-driver/mysql"
)

// Flavor says which of the two databases a server is. They differ in how they are set up.
type Flavor string

// The flavors.
const (
	MySQL   Flavor = "MySQL"
	MariaDB Flavor = "MariaDB"
)

// SQLOptions says how to start a MySQL or a MariaDB. The zero value is a lone server on a free port, in a temporary
// folder, that flushes to the disk all that it has promised.
type SQLOptions struct {
	// Folder is where the server keeps everything. Data that is there already is used. Empty: a temporary folder, which
	// Close removes.
	Folder string
	// Port is the port to listen on; 0: a free one.
	Port int
	// Relaxed leaves flushing to the operating system. It is much faster, and a killed server still loses nothing: only
	// a dead machine would. It is for tests of what is right, never for figures, or for what a primary promises.
	Relaxed bool
	// SmallDiskBytes keeps the binary log on a disk of its own with so many bytes, in memory; 0: with the data. What is
	// on it does not outlive the server's process, so such a server cannot be started again.
	SmallDiskBytes int64
	// Args are further arguments, like "--server-id=2". They come last, so that they win.
	Args []string
}

// SQLServer is a MySQL or a MariaDB. Its user root has no password and may come from this machine only.
//
// Beware of Stop on a semi-synchronous primary: ended in order, it answers its waiting commits OK without any replica
// having them. Kill does not.
type SQLServer struct {
	server
	flavor  Flavor
	relaxed bool
	small   int64
	args    []string
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
	s := &SQLServer{
		server: server{binary: b, folder: f}, flavor: flavor, relaxed: o.Relaxed, small: o.SmallDiskBytes, args: o.Args,
	}
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

// prepare makes the server's folders, with fresh data where there is none.
func (s *SQLServer) prepare() error {
	for _, folder := range []string{s.folder.join("tmp"), s.smallFolder()} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if _, err := os.Stat(s.DataFolder()); err == nil {
		return nil
	}
	return newData(s.flavor, s.binary, s.DataFolder())
}

// Start starts a server that was stopped or killed again, on the same data and address, and returns once it answers.
// A running one is left alone.
func (s *SQLServer) Start(ctx context.Context) error {
	config := s.config("")
	config.Logger = &mysql.NopLogger{} // it would report each refused connection while the server starts
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	cmd := s.binary.command(s.arguments()...)
	if s.small > 0 {
		cmd = onSmallDisk(cmd, s.smallFolder(), s.small)
	}
	return s.startCommand(ctx, cmd, func(ctx context.Context) error {
		var data string
		if err := db.QueryRowContext(ctx, "SELECT @@datadir").Scan(&data); err != nil {
			return err
		}
		if filepath.Clean(data) != s.DataFolder() { // another server's, on a port that ours will not get
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
	args = append(args, s.args...)
	if s.small > 0 {
		args = append(args, "--log-bin="+filepath.Join(s.smallFolder(), "binlog"))
		if os.Geteuid() != 0 {
			args = append(args, "--user=root") // its user in a namespace of its own
		}
	}
	return args
}

// Flavor says which database this is.
func (s *SQLServer) Flavor() Flavor { return s.flavor }

// DSN is the data source name, for go-sql-driver, of the database with that name, as root; an empty name is no
// database.
func (s *SQLServer) DSN(database string) string { return s.config(database).FormatDSN() }

func (s *SQLServer) config(database string) *mysql.Config {
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = "root", "tcp", s.Addr(), database
	return config
}

func (s *SQLServer) smallFolder() string { return s.folder.join("small") }

// DataFolder is where the data is. It may be looked into, copied or spoilt while the server does not run.
func (s *SQLServer) DataFolder() string { return s.folder.join("data") }
