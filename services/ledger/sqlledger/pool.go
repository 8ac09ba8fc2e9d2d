package sqlledger

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strconv"
	"time"

	gormsqlite "github.com/glebarez/sqlite"
	"github.com/go-sql-driver/mysql"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"interlock/services/mysqlcluster"
)

// pool is connections with the same session settings, and gorm on top of them.
type pool struct {
	dialect dialect
	// primary is the one that the connections lead to, nil for a replica's.
	primary *primary
	sql     *sql.DB
	gorm    *gorm.DB
	// multiStatement tells that the connections take several statements at once.
	multiStatement bool
	// statement bounds each statement but COMMIT, wait how long a transaction waits for a connection.
	statement, wait time.Duration
}

func (p *pool) close() error {
	if p == nil {
		return nil
	}
	return p.sql.Close()
}

// newPool puts gorm on a connector. gorm's own transactions and prepared statements are off: transactions are explicit
// here, and the driver puts arguments in by itself, which saves a round trip.
func newPool(d dialect, connector driver.Connector, statement time.Duration) (*pool, error) {
	db := sql.OpenDB(connector)
	var dialector gorm.Dialector
	if d.flavor == SQLite {
		dialector = &gormsqlite.Dialector{Conn: db}
	} else {
		dialector = gormmysql.New(gormmysql.Config{Conn: db, SkipInitializeWithVersion: true})
	}
	g, err := gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard,
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", definite(err))
	}
	db.SetConnMaxLifetime(maxConnectionAge)
	return &pool{dialect: d, sql: db, gorm: g, statement: statement, wait: statement}, nil
}

// session is what a connection to MySQL or MariaDB is set up with.
type session struct {
	waitSeconds, lockSeconds int
	// multiStatement admits several statements at once. The driver escapes arguments either way (mysqlcluster).
	multiStatement bool
}

// parseDSN reads a data source name.
func parseDSN(dsn string) (*mysql.Config, error) {
	c, err := mysqlcluster.Parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("ledger: the data source name: %w", err)
	}
	if c.Timeout == 0 {
		c.Timeout = dialTimeout
	}
	return c, nil
}

// connector makes the connector of one pool.
func (d dialect) connector(c *mysql.Config, s session) (driver.Connector, error) {
	c = c.Clone()
	c.MultiStatements = s.multiStatement
	c.Params = map[string]string{d.isolation: "'READ-COMMITTED'"}
	c.Params["wait_timeout"] = strconv.Itoa(s.waitSeconds)
	c.Params["innodb_lock_wait_timeout"] = strconv.Itoa(s.lockSeconds)
	if d.flavor == MariaDB {
		c.Params["idle_write_transaction_timeout"] = strconv.Itoa(s.waitSeconds)
	}
	return mysqlcluster.Connector(c, (*mysqlcluster.Text).Problem)
}

// openWithout opens a server without choosing a database, for questions that come before there is one.
func openWithout(c *mysql.Config, wrap func(driver.Connector) driver.Connector) (*sql.DB, error) {
	connector, err := mysqlcluster.Connector(mysqlcluster.WithoutDatabase(c), (*mysqlcluster.Text).Problem)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return sql.OpenDB(wrap(connector)), nil
}

// unwrapped leaves connectors as they are.
func unwrapped(c driver.Connector) driver.Connector { return c }
