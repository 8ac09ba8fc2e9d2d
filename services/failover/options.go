package failover

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"

	"interlock/services/mysqlcluster"
)

// Bounds of everything that is waited for.
const (
	// connectTimeout is how long a member may take to answer a new connection. A frozen one never does.
	connectTimeout = time.Second
	// glanceTimeout bounds one look of a supervisor at one member. A healthy member takes milliseconds. One that is
	// missed by mistake is looked at again before anything is done.
	glanceTimeout = time.Second
	// lookTimeout bounds every other look.
	lookTimeout = 3 * time.Second
	// statementTimeout bounds a statement that changes something and does not wait for a replica, also on a busy disk.
	statementTimeout = 10 * time.Second
	// stopTimeout bounds stopping a receiver and throwing its files away. On a disk that others keep busy 20 s were too
	// short at times, and breaking off would only begin anew.
	stopTimeout = time.Minute
	// barrierTimeout bounds the barrier commit: a replica that is connected acknowledges in milliseconds.
	barrierTimeout = 10 * time.Second
	// prepareTimeout bounds making the tables of a new ledger.
	prepareTimeout = 2 * time.Minute
	// applyTimeout bounds applying what was received. A member that is further behind needs a person's decision.
	applyTimeout = 10 * time.Minute
	// handOverTimeout bounds the same in a promotion, while the cluster takes no order. The new primary had caught up a
	// moment before. If it now lacks more than a few commits, its applier is at fault, and buyers must not wait for
	// that.
	handOverTimeout = 10 * time.Second
	// applySlice is how long one statement waits for it: short enough that a lost lock is noticed meanwhile.
	applySlice = time.Second
	// followTimeout is how long replicas may take to connect; they try once a second.
	followTimeout = 30 * time.Second
	// poll is how often a state is looked at that should come about in milliseconds.
	poll = 50 * time.Millisecond
	// waitSeconds is how long a member keeps the lock of a supervisor that says nothing any more.
	waitSeconds = 3
	// keepInterval is how often a lock's connection is used, well below waitSeconds.
	keepInterval = time.Second
	// deadHolder is how long the holder of a lock may wait for a replica until its supervisor must have hung up: the
	// time for a barrier commit, and the time in which a member's answer is read.
	deadHolder = barrierTimeout + lookTimeout
	// lockWaitSeconds bounds a statement's wait for a member's own locks, above all setting it read-only while a commit
	// waits for its replica.
	lockWaitSeconds = 5
	// lookInterval is how often the cluster is looked at.
	lookInterval = 500 * time.Millisecond
	// lostLooks is how many looks in a row must miss the primary before it counts as lost. One lost connection is no
	// reason to fail over.
	lostLooks = 3
	// silentHeartbeats is how many heartbeats a replica may miss until it has lost its primary. Heartbeats are a second
	// apart. The replica must know before replica_net_timeout is over: after that its receiver waits as long again for
	// an answer to its new connection, and cannot be stopped meanwhile.
	silentHeartbeats = 2
	// actionPause follows an action that failed or was refused: its cause is hardly gone sooner. Half of it is random,
	// so that supervisors that were in each other's way part.
	actionPause = 2 * time.Second
	// netTimeoutSeconds is the longest replica_net_timeout that is accepted. With the default a frozen primary is
	// noticed after a minute.
	netTimeoutSeconds = 10
	// maxMembers bounds a look, which asks every member.
	maxMembers = 9
)

// lockName is the lock that a supervisor holds on a majority of the members.
const lockName = "interlock_failover"

// Login is a user and its password.
type Login struct{ User, Password string }

// Options say which cluster to supervise.
type Options struct {
	// Members are the data source names, for go-sql-driver, of all members, with a user that may administer them. Each
	// names the ledger's database. Members reach each other by the same addresses.
	Members []string
	// Replication is the login of a replica at its primary.
	Replication Login
	// Prepare makes the ledger's tables through a data source name. The member is being opened for the first time, and
	// still read-only but for administrators. nil: the tables must be there.
	Prepare func(ctx context.Context, dsn string) error
	// JumpVersions raises every run's version through a data source name. The member is about to be opened with a loss.
	// nil: a loss cannot be accepted.
	JumpVersions func(ctx context.Context, dsn string) error
	// Who is recorded beside what a person had done. Empty: "unknown".
	Who string
	// Log is told what is done and why. nil: nothing is logged.
	Log *slog.Logger
}

// endpoint is where a member is, and how to log in.
type endpoint struct {
	name   string // host:port
	host   string
	port   uint16
	config *mysql.Config
	// dsn is the data source name as it was given.
	dsn string
}

func newEndpoint(dsn string) (endpoint, error) {
	c, err := mysqlcluster.Parse(dsn)
	if err != nil {
		return endpoint{}, fmt.Errorf("the supervisor: a member's data source name: %w", err)
	}
	if c.Net != "tcp" || c.DBName == "" {
		return endpoint{}, fmt.Errorf("the supervisor: the member %s: a TCP address and the ledger's database "+
			"are needed", c.Addr)
	}
	host, digits, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return endpoint{}, fmt.Errorf("the supervisor: the member %s: %w", c.Addr, err)
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || host == "" {
		return endpoint{}, fmt.Errorf("the supervisor: the member %s: an address is host:port", c.Addr)
	}
	c.Timeout = connectTimeout
	return endpoint{name: c.Addr, host: host, port: uint16(port), config: c, dsn: dsn}, nil
}

// connector connects without choosing the database: there may be none yet. A member whose own settings change how text
// is read must answer all the same. Its settings are a problem to be told, and not its death.
func (e endpoint) connector() (driver.Connector, error) {
	c := mysqlcluster.WithoutDatabase(e.config)
	c.Params = map[string]string{"lock_wait_timeout": strconv.Itoa(lockWaitSeconds)}
	connector, err := mysqlcluster.Connector(c, (*mysqlcluster.Text).SessionProblem)
	if err != nil {
		return nil, fmt.Errorf("the supervisor: %s: %w", e.name, err)
	}
	return connector, nil
}

func endpoints(dsns []string) ([]endpoint, error) {
	if len(dsns) < 2 || len(dsns) > maxMembers {
		return nil, fmt.Errorf("the supervisor: 2 to %d members are needed, not %d", maxMembers, len(dsns))
	}
	members := make([]endpoint, len(dsns))
	seen := map[string]bool{}
	for i, dsn := range dsns {
		var err error
		if members[i], err = newEndpoint(dsn); err != nil {
			return nil, err
		}
		if seen[members[i].name] {
			return nil, fmt.Errorf("the supervisor: the member %s is given twice", members[i].name)
		}
		seen[members[i].name] = true
		if members[i].config.DBName != members[0].config.DBName {
			return nil, errors.New("the supervisor: all members must name the same database")
		}
	}
	return members, nil
}
