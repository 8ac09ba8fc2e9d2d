package sqlledger

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"interlock/services/mysqlcluster"
)

// Durability is what an acknowledged commit is worth.
type Durability string

// The durabilities.
const (
	// Replicated: at least one replica has it. The ledger refuses to write while semi-synchronous replication is off.
	Replicated Durability = "replicated"
	// Local: the one server has it, and its disk.
	Local Durability = "local"
)

// Options says where the ledger is kept, and how long to wait for it.
type Options struct {
	// DSN is the data source name, for go-sql-driver, of the MySQL or MariaDB primary. Empty, and Members too: SQLite,
	// in the file Path.
	DSN string
	// Members are those of all members of a cluster, in place of DSN: the ledger finds the primary itself, and lists
	// are read on a replica that keeps up.
	Members []string
	// ClusterDatabase is the database on the members whose table cluster has the epoch: for a database beside the
	// ledger's, the ledger's. "": the database that the members name.
	ClusterDatabase string
	// ReplicaDSN is where lists of orders are read; empty: on the primary.
	ReplicaDSN string
	// Path is the SQLite file. It is used only without a DSN.
	Path string
	// Durability is Replicated unless said otherwise; a SQLite file is always Local.
	Durability Durability
	// CommitTimeout bounds a COMMIT with what is written in the same text, and so the wait for a replica. A commit that
	// takes longer is unknown. 0: defaultCommitTimeout.
	CommitTimeout time.Duration
	// StatementTimeout bounds every other statement of a sale. 0: defaultStatementTimeout.
	StatementTimeout time.Duration
	// PipelinedFor is how long a transaction that was begun early waits for its batch. 0: defaultPipelinedFor.
	PipelinedFor time.Duration
	// CaptureWithin is how long an order is PAYING at most: how long the money that its buyer authorised may take to
	// come. 0: defaultCaptureWithin.
	CaptureWithin time.Duration
	// MaxConnections bounds the connections to the primary that sales and payments use; payments get a part of them
	// only, and the other work has fewer of its own. 0: defaultConnections.
	MaxConnections int
	// Keyring seals names and document numbers. It is needed by Open, and the same on all servers: see CheckKeys.
	Keyring Keyring
	// DocumentDigest makes the digests of document numbers that orders are placed with. An audit holds those that are
	// written against the numbers that are sealed; nil: it does not.
	DocumentDigest func(number string) string
	// Wrap, if set, is put around the driver's connectors to the primary: for tests that cut, change or delay what is
	// sent.
	Wrap func(driver.Connector) driver.Connector
	// Clock is this process's clock, by which probes are spaced and nothing else. nil: time.Now.
	Clock func() time.Time
	// Log is told when a cluster's primary changes, is missing, or is two. nil: nothing is logged.
	Log *slog.Logger
}

// What Options are when they do not say.
const (
	// defaultCommitTimeout is long for a healthy cluster (a commit takes milliseconds) and short for a buyer.
	defaultCommitTimeout = 3 * time.Second
	// defaultStatementTimeout is above the second that a statement may wait for a row lock.
	defaultStatementTimeout = 2 * time.Second
	// defaultPipelinedFor is longer than answered buyers take to ask again, and so short that a transaction in vain
	// burdens no other.
	defaultPipelinedFor = 50 * time.Millisecond
	// defaultCaptureWithin is longer than a provider that is away for some minutes, with those who wait for it.
	defaultCaptureWithin = 5 * time.Minute
	// defaultConnections is how many runs one process sells at the same moment. MySQL admits 151 clients by default,
	// and several servers share it.
	defaultConnections = 24
)

// Bounds that are not for anyone to set.
const (
	// maxPipelined is how many transactions are begun early at most: as many as batches are in the ledger at a time.
	maxPipelined = 4
	// paymentsShare is the part of a ledger's connections that payments may use, one third: a buyer who pays has a hold
	// and time, and a worker that waits for a connection keeps hundreds of buyers waiting. Payments have no pool of
	// their own, as that would be idle without a rush and needs connections that MySQL may not have; SQLite has one
	// writer in all.
	paymentsShare = 3
	// backgroundConnections is for the other work on the primary: single orders, publishing, audit.
	backgroundConnections = 8
	// maxReaders is how many of them may read orders at a time. The rest is for work that must not wait behind readers:
	// sweeps, publications, and readiness.
	maxReaders = 6
	// replicaConnections is for lists of orders.
	replicaConnections = 8
	// backgroundStatementTimeout bounds the statements of publishing and audit, which read and write thousands of rows.
	backgroundStatementTimeout = 30 * time.Second
	// rollbackTimeout bounds a ROLLBACK; a connection that cannot even do that is thrown away.
	rollbackTimeout = time.Second
	// dialTimeout is how long to wait for a connection where the DSN does not say.
	dialTimeout = 3 * time.Second
	// saleWaitSeconds is how long the server lets a sale's transaction idle before it ends it: a frozen process must
	// not hold a run for long. saleIdle is below it, so that pooled connections are closed by us first, not by the
	// server.
	saleWaitSeconds = 2
	saleIdle        = 1_200 * time.Millisecond
	// backgroundWaitSeconds and backgroundIdle are the same for the other work, whose transactions think longer between
	// statements. The server still frees a frozen one's runs within 5 s.
	backgroundWaitSeconds = 4
	backgroundIdle        = 2_500 * time.Millisecond
	// saleLockSeconds and backgroundLockSeconds are how long a statement waits for a row lock (MySQL counts whole
	// seconds).
	saleLockSeconds       = 1
	backgroundLockSeconds = 10
	// sqliteBusyStep is how long SQLite waits for another process's write before it looks at the deadline again.
	sqliteBusyStep = 20 * time.Millisecond
	// maxConnectionAge makes connections follow a name that points to another server by now.
	maxConnectionAge = 5 * time.Minute
	// maxArguments bounds the arguments of one statement: MySQL's protocol takes 65,535. SQLite takes 32,766, but its
	// driver looks for each argument among all, which made an import eight times slower.
	maxArguments       = 16_000
	maxSQLiteArguments = 1_000
	// maxStatementBytes bounds the data in one statement: MariaDB takes 16 MB at most by default, and a replica applies
	// a long statement in one go.
	maxStatementBytes = 1 << 20
	// maxIDs bounds the ids in one IN list: enough to make round trips rare, few enough for every optimizer to use the
	// key.
	maxIDs = 500
	// maxMembers is more than any cluster has; every look asks each.
	maxMembers = 9
	// retryAfter is what a client is told when the ledger is busy or gone for a moment: about one lock wait.
	retryAfter = time.Second
)

// fill checks the options, and sets those that do not say.
func (o *Options) fill() error {
	if err := o.checkPlace(); err != nil {
		return err
	}
	switch o.Durability {
	case "":
		o.Durability = Replicated
	case Replicated, Local:
	default:
		return errors.New("ledger: durability is replicated or local")
	}
	o.CommitTimeout = positive(o.CommitTimeout, defaultCommitTimeout)
	o.StatementTimeout = positive(o.StatementTimeout, defaultStatementTimeout)
	o.PipelinedFor = cmp.Or(o.PipelinedFor, defaultPipelinedFor)
	o.CaptureWithin = positive(o.CaptureWithin, defaultCaptureWithin)
	o.MaxConnections = positive(o.MaxConnections, defaultConnections)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return nil
}

// positive is n, or what it is by default where it is not positive.
func positive[N int | time.Duration](n, byDefault N) N {
	if n <= 0 {
		return byDefault
	}
	return n
}

// checkPlace refuses options that do not say where the ledger is, or say it twice. A file is Local.
func (o *Options) checkPlace() error {
	switch {
	case len(o.Members) > 0:
		return o.checkMembers()
	case o.DSN != "":
		return nil
	case o.Path == "":
		return errors.New("ledger: neither a DSN nor a path")
	case o.ReplicaDSN != "":
		return errors.New("ledger: a SQLite file has no replica")
	case o.Durability == Replicated:
		return errors.New("ledger: a SQLite file is never replicated")
	}
	o.Durability = Local
	return nil
}

// checkMembers refuses what no cluster can be.
func (o *Options) checkMembers() error {
	switch {
	case o.DSN != "" || o.ReplicaDSN != "":
		return errors.New("ledger: a cluster's members take the place of a primary's and a replica's data source name")
	case len(o.Members) > maxMembers:
		return fmt.Errorf("ledger: %d members are more than the %d that are looked at", len(o.Members), maxMembers)
	case o.Durability == Local:
		return errors.New("ledger: a cluster is replicated: with the durability local, name the one server")
	}
	database, seen := "", map[string]bool{}
	for _, dsn := range o.Members {
		c, err := parseDSN(dsn)
		if err != nil {
			return err
		}
		if seen[c.Addr] {
			return fmt.Errorf("ledger: the member %s is given twice", c.Addr)
		}
		seen[c.Addr] = true
		if c.DBName == "" || database != "" && c.DBName != database {
			return errors.New("ledger: all members must name the same database")
		}
		database = c.DBName
	}
	return nil
}

// clusterTable is the table that has the epoch, as statements call it.
func (o *Options) clusterTable() string {
	if o.ClusterDatabase == "" {
		return "cluster"
	}
	return mysqlcluster.Quote(o.ClusterDatabase) + ".cluster"
}

// wrapped is a connector to the primary, with what tests put around it.
func (o *Options) wrapped(c driver.Connector) driver.Connector {
	if o.Wrap == nil {
		return c
	}
	return o.Wrap(c)
}
