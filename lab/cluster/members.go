package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"interlock/internal/servers"
	"interlock/services/failover"
	"interlock/services/ledger/sqlledger"
)

// Members are the servers of one database cluster.
type Members struct {
	Servers []*servers.SQLServer

	dialect dialect
	secrets secrets
}

// StartMembers starts servers that may become a cluster: read-only, with the users they need, and strangers to each
// other. They are the caller's to Close.
func StartMembers(ctx context.Context, flavor servers.Flavor, count int) (*Members, error) {
	return startMembers(ctx, flavor, count, 0)
}

// startMembers is StartMembers with the first binary log on a disk of firstDiskBytes; 0: it is with the data.
func startMembers(ctx context.Context, flavor servers.Flavor, count int, firstDiskBytes int64) (*Members, error) {
	m := &Members{Servers: make([]*servers.SQLServer, count), dialect: dialectOf(flavor), secrets: newSecrets()}
	start := servers.StartMySQL
	if flavor == servers.MariaDB {
		start = servers.StartMariaDB
	}
	starting, ctx := errgroup.WithContext(ctx)
	for i := range m.Servers {
		starting.Go(func() (err error) {
			o := servers.SQLOptions{Args: m.dialect.settings(i + 1)}
			if i == 0 {
				o.SmallDiskBytes = firstDiskBytes
			}
			if m.Servers[i], err = start(ctx, o); err != nil {
				return err
			}
			root, err := asRoot(m.Servers[i])
			if err != nil {
				return err
			}
			return errors.Join(m.makeUsers(ctx, root), root.close())
		})
	}
	if err := starting.Wait(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// makeUsers makes the users on one member for itself: in the binary log they would be transactions that only this
// member has.
func (m *Members) makeUsers(ctx context.Context, on *member) error {
	statements := []string{
		m.dialect.unprotect,
		"SET SESSION sql_log_bin = 0",
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", replicationUser, m.secrets.replication),
		fmt.Sprintf("GRANT REPLICATION SLAVE ON *.* TO '%s'@'%%'", replicationUser),
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", serverUser, m.secrets.database),
		// The lab measures in databases beside the ledger's, whose names begin alike.
		fmt.Sprintf("GRANT ALL ON `%s%%`.* TO '%s'@'%%'", Database, serverUser),
	}
	if m.dialect.flavor == servers.MySQL {
		statements = append(statements,
			fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", supervisorUser, m.secrets.supervisor),
			// What the supervisor needs, and no more.
			fmt.Sprintf("GRANT ALL ON `%s`.* TO '%s'@'%%'", Database, supervisorUser),
			fmt.Sprintf("GRANT SELECT ON performance_schema.* TO '%s'@'%%'", supervisorUser),
			fmt.Sprintf("GRANT PROCESS, RELOAD, REPLICATION CLIENT, SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN, "+
				"REPLICATION_SLAVE_ADMIN, BACKUP_ADMIN, CLONE_ADMIN, SYSTEM_USER ON *.* TO '%s'@'%%'", supervisorUser),
		)
	}
	return on.do(ctx, append(statements, "SET SESSION sql_log_bin = 1", m.dialect.protect)...)
}

// Open makes the first member writable.
func (m *Members) Open(ctx context.Context, log *slog.Logger) error {
	if m.dialect.flavor == servers.MariaDB {
		return m.openMariaDB(ctx)
	}
	g, err := failover.New(m.SupervisorOptions(log))
	if err != nil {
		return err
	}
	_, err = g.Open(ctx, failover.OpenOptions{Member: m.Servers[0].Addr()})
	return errors.Join(err, g.Close())
}

// SupervisorOptions are the options of a supervisor of these members.
func (m *Members) SupervisorOptions(log *slog.Logger) failover.Options {
	o := failover.Options{
		Replication: failover.Login{User: replicationUser, Password: m.secrets.replication}, Log: log, Who: "lab",
		Prepare: func(ctx context.Context, dsn string) error {
			return sqlledger.Migrate(ctx, sqlledger.Options{DSN: dsn})
		},
		JumpVersions: sqlledger.JumpVersionsBeforeOpening,
	}
	for _, s := range m.Servers {
		o.Members = append(o.Members, dsn(s.Addr(), supervisorUser, m.secrets.supervisor, Database))
	}
	return o
}

// SupervisorEnv are the variables of an `interlock failover` of these members.
func (m *Members) SupervisorEnv() []string {
	o := m.SupervisorOptions(nil)
	return []string{
		"INTERLOCK_FAILOVER_MEMBERS=" + strings.Join(o.Members, ","),
		"INTERLOCK_REPLICATION_USER=" + o.Replication.User,
		"INTERLOCK_REPLICATION_PASSWORD=" + o.Replication.Password,
	}
}

// DSN is the data source name of a database on a member, as the user that the servers are.
func (m *Members) DSN(s *servers.SQLServer, database string) string {
	return dsn(s.Addr(), serverUser, m.secrets.database, database)
}

func dsn(addr, user, password, database string) string {
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net, config.Addr, config.DBName = user, password, "tcp", addr, database
	return config.FormatDSN()
}

// Close kills the members.
func (m *Members) Close() error {
	var errs []error
	for _, s := range m.Servers {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
