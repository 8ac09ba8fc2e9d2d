package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"interlock/internal/servers"
	"interlock/services/identity"
	"interlock/services/ledger/sqlledger"
)

const (
	// replicas is the least that survives one member's death and still acknowledges commits.
	replicas = 2
	// lockNodes is the least that survives one node's death with a majority; Options may ask for more.
	lockNodes = 3
	// startTimeout is for everything together: a MySQL starts in seconds, on a machine ten times overloaded in a
	// minute.
	startTimeout = 5 * time.Minute
	// Database is the ledger's name.
	Database = "interlock"
)

// Options say what to start. The zero value is one server on MySQL.
type Options struct {
	Flavor servers.Flavor
	// Servers is how many `interlock serve` there are.
	Servers int
	// Binary is the interlock program; Build makes one.
	Binary string
	// LockNodes is how many lock Redis there are; 0: three.
	LockNodes int
	// LocksApart gives every server lock nodes that no other server uses, so that each is told yes whenever it asks: a
	// lock that always says yes.
	LocksApart bool
	// Supervisors is how many `interlock failover` supervise the members, of MySQL only. With some, every server is
	// told of all members, and finds the primary itself.
	Supervisors int
	// Proxied puts a proxy between every server and every member that it knows.
	Proxied bool
	// FirstDiskBytes puts the binary log of the member that is opened first on a disk of that size, which can be
	// filled; 0: the log is with the data. See servers.SQLOptions.
	FirstDiskBytes int64
	// Hold is how long an order may stay unpaid; 0: longer than any measurement.
	Hold time.Duration
	// Unlimited servers let a buyer hold as much as there is, where buyers are few and buy all the time.
	Unlimited bool
	// Strict servers keep the default limits of a client address, though all clients come from this machine.
	Strict bool
	// Quotas are how often a client may ask, as the setting of that name has them; none: as often as it can. UsualQuotas
	// are those that servers have without the setting.
	Quotas []string
	// Breakable servers hold batches at exact points when they are asked to at their Control. Like AnyVersion,
	// Asynchronous and ClocksApart this takes a Binary that was built with FaultTag. Any other ignores it.
	Breakable bool
	// AnyVersion takes the check of a run's version away from the servers, and with it what keeps seats from being sold
	// twice.
	AnyVersion bool
	// Asynchronous has the servers take every commit for replicated, whatever the primary says.
	Asynchronous bool
	// MessagesApart gives events a Redis of their own, which keeps them on its disk. Without it they are in the cache.
	MessagesApart bool
	// Consumers starts processes that consume events and note their effects. They are of a Binary that was built with
	// FaultTag, and Breakable as the servers are.
	Consumers bool
	// Bank starts a sandbox bank, and a service of payments that deals with it. Without it payments are instant.
	Bank bool
	// Balanced puts a HAProxy in front of the servers, at most four. Where they are Proxied, too, there is a proxy
	// between it and each server.
	Balanced bool
	// Notify starts a service of notifications, and a mail server and two partners that it tells.
	Notify bool
	// MailFolder is where servers write mails to buyers who give an address; "": notifications are off.
	MailFolder string
	// ClocksApart puts the first server's clock so far ahead, and the second's so far behind, and so on in turn.
	ClocksApart time.Duration
	// Log is told how far the start is; nil: no log.
	Log *slog.Logger
}

// UsualQuotas are for Options.Quotas.
var UsualQuotas = []string{"selling=off"}

// Cluster is a running cluster. Its methods may be called from several goroutines. Each single server is for one
// goroutine at a time.
type Cluster struct {
	options Options
	secrets secrets
	members *Members
	tokens  *identity.Development

	// Primary and Replicas are the database's members as they were opened.
	Primary  *servers.SQLServer
	Replicas []*servers.SQLServer
	Locks    []*servers.RedisServer
	Cache    *servers.RedisServer
	// Messages is where events are published: the cache, where they have no Redis of their own.
	Messages *servers.RedisServer

	mu      sync.Mutex
	servers []*servers.Program
	// apart are the lock nodes of servers that share none.
	apart       []*servers.RedisServer
	supervisors []*servers.Program
	proxies     []*Proxy
	consumers   []*servers.Program
	payments    *Payments
	told        *Notifications
	balancer    *Balancer
}

// Start starts a cluster and returns once every server of it is ready to sell.
func Start(ctx context.Context, o Options) (_ *Cluster, err error) {
	if o.Flavor == "" {
		o.Flavor = servers.MySQL
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.LockNodes == 0 {
		o.LockNodes = lockNodes
	}
	if o.Hold == 0 {
		o.Hold = hold
	}
	c := &Cluster{
		options: o, secrets: newSecrets(), members: &Members{}, Locks: make([]*servers.RedisServer, o.LockNodes),
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.tokens, err = identity.NewDevelopment([]byte(c.secrets.token)); err != nil {
		return nil, err
	}
	// A server whose clock is behind takes no token that was issued later than its own now.
	c.tokens.Now = func() time.Time { return time.Now().Add(-o.ClocksApart) }
	if err := c.startStores(ctx); err != nil {
		return nil, err
	}
	o.Log.Info("the members run, read-only", "flavor", o.Flavor, "version", c.Primary.Version())
	if err := c.members.Open(ctx, o.Log); err != nil {
		return nil, fmt.Errorf("opening the primary: %w", err)
	}
	o.Log.Info("the primary is open: a replica has acknowledged the barrier commit")
	if err := sqlledger.Migrate(ctx, sqlledger.Options{DSN: c.DSN(Database)}); err != nil {
		return nil, err
	}
	if err := c.startSupervisors(ctx); err != nil {
		return nil, err
	}
	// They come before the first event: one that is published while there are no groups is kept for none.
	if err := c.startConsumers(ctx); err != nil {
		return nil, err
	}
	if err := c.startPayments(ctx); err != nil {
		return nil, err
	}
	if err := c.startNotifications(ctx); err != nil {
		return nil, err
	}
	for range o.Servers {
		if _, err := c.AddServer(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.startBalancer(ctx); err != nil {
		return nil, err
	}
	if err := c.told.begin(ctx, c); err != nil {
		return nil, err
	}
	o.Log.Info("the cluster is up", "servers", o.Servers)
	return c, nil
}

// startStores starts the databases and the Redis side by side: each waits mostly for its disk.
func (c *Cluster) startStores(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		members, err := startMembers(ctx, c.options.Flavor, 1+replicas, c.options.FirstDiskBytes)
		if err != nil {
			return err
		}
		c.members, c.Primary, c.Replicas = members, members.Servers[0], members.Servers[1:]
		return nil
	})
	node := func(into **servers.RedisServer, args ...string) {
		all.Go(func() error {
			server, err := servers.StartRedis(ctx, servers.RedisOptions{Args: args})
			*into = server
			return err
		})
	}
	for i := range c.Locks {
		node(&c.Locks[i])
	}
	node(&c.Cache)
	if c.options.MessagesApart {
		node(&c.Messages, "--appendonly", "yes")
	}
	err := all.Wait()
	if c.Messages == nil {
		c.Messages = c.Cache
	}
	return err
}

// Members are the database's servers, for the supervisor.
func (c *Cluster) Members() *Members { return c.members }

// Flavor is the kind of database.
func (c *Cluster) Flavor() servers.Flavor { return c.options.Flavor }

// Tokens signs tokens that the servers take.
func (c *Cluster) Tokens() *identity.Development { return c.tokens }

// Close ends everything: the servers in order, the rest by force.
func (c *Cluster) Close() error {
	errs := []error{c.balancer.close()}
	c.mu.Lock()
	running := c.servers
	c.servers = nil
	c.mu.Unlock()
	var stopping sync.WaitGroup
	stopped := make([]error, len(running))
	for i, s := range running {
		stopping.Go(func() { stopped[i] = stop(s) })
	}
	stopping.Wait()
	errs = append(errs, stopped...)
	errs = append(errs, closeProxies(c.Proxies()))
	errs = append(errs, c.told.close(), c.payments.Close())
	for _, s := range c.consumers {
		errs = append(errs, s.Close())
	}
	for _, s := range c.supervisors {
		errs = append(errs, s.Close()) // by force: a member that is on its way down must not be opened again
	}
	errs = append(errs, c.members.Close())
	redis := slices.Concat([]*servers.RedisServer{c.Cache}, c.Locks, c.apart)
	if c.Messages != c.Cache {
		redis = append(redis, c.Messages)
	}
	for _, s := range redis {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
