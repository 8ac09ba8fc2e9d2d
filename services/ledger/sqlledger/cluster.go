package sqlledger

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/services/mysqlcluster"
)

// Bounds of looking for the primary.
const (
	// watchInterval is how often the members are looked at while all is well: how soon a second writable member is
	// seen, and what a replica's lag is measured by.
	watchInterval = 2 * time.Second
	// lookPause lies between two looks while there is no primary, or the primary is suspected. A look costs every
	// member a connection, for every server.
	lookPause = 250 * time.Millisecond
)

// cluster follows the primary of several members. One goroutine looks at them all. Every other goes by what it saw
// last.
//
// What it says is a hint about where to sell. Every sale's own transaction reads the proof: the member is writable,
// replicates semi-synchronously and has the epoch it was found with.
type cluster struct {
	options *Options
	// database is what messages call it.
	database string
	log      *slog.Logger
	// kick has the members looked at at once.
	kick chan struct{}
	end  context.CancelFunc
	done sync.WaitGroup

	mu sync.Mutex
	// current is where to sell. While it is nil, why says why.
	current *primary
	why     error
	// silent tells that the primary there is did not answer the last look.
	silent bool
	// last is the primary that was found last. retired is the one before: transactions on it may still be ending.
	last, retired *primary
	// reached is what the primary had at the look before, and replicas the pools of those whose turn it was to be read
	// on.
	reached  string
	replicas map[string]*pool
	two      bool
	changes  int64
	said     string
}

// openCluster looks at the members once, and goes on looking until close.
func openCluster(ctx context.Context, o *Options, database string) (*cluster, error) {
	c := &cluster{
		options: o, database: database, log: o.Log, kick: make(chan struct{}, 1), replicas: map[string]*pool{},
		why: errors.New("nobody has looked yet"),
	}
	if err := c.look(ctx); err != nil {
		return nil, errors.Join(err, c.closePrimaries())
	}
	life, end := context.WithCancel(context.Background())
	c.end = end
	c.done.Go(func() { c.watch(life) })
	return c, nil
}

func (c *cluster) watch(ctx context.Context) {
	for pause.For(ctx, lookPause) {
		if c.answers() {
			rest := time.NewTimer(watchInterval - lookPause)
			select {
			case <-rest.C:
			case <-c.kick:
			case <-ctx.Done():
			}
			rest.Stop()
		}
		if ctx.Err() != nil {
			return
		}
		if err := c.look(ctx); err != nil {
			c.log.Error("a primary was found, and cannot be used", "error", err)
		}
	}
}

// look looks at the members, and goes by what it saw.
func (c *cluster) look(ctx context.Context) error {
	c.mu.Lock()
	reached := c.reached
	c.mu.Unlock()
	found, err := find(ctx, c.options, reached)
	if ctx.Err() != nil {
		return nil // it is being closed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.two = errors.Is(err, mysqlcluster.ErrTwoPrimaries)
	c.silent = err != nil && c.isOnlySilent(&found)
	if err != nil {
		if !c.silent {
			c.current, c.why = nil, err
		}
		c.tell(err)
		return nil
	}
	if c.last == nil || c.last.dsn != found.DSN || c.last.epoch != found.Epoch {
		if err := c.move(&found); err != nil {
			c.current, c.why = nil, err
			return err
		}
	}
	c.current, c.why = c.last, nil
	c.choose(&found, reached != "")
	c.reached = found.answers[found.Index].applied
	c.tell(nil)
	return nil
}

// isOnlySilent tells that the current primary has not answered a look, and no member knows of a later one. It is kept
// then: a primary that is only slow goes on, and sales on one that is dead end by their own time-outs.
func (c *cluster) isOnlySilent(found *Found) bool {
	if c.current == nil || c.two {
		return false
	}
	for i, m := range found.Members {
		if c.options.Members[i] == c.current.dsn && m.Answers || m.Answers && m.Epoch > c.current.epoch {
			return false
		}
	}
	return true
}

// move makes the member that was found the primary of all that begins from now on.
func (c *cluster) move(found *Found) error {
	p, err := openServer(c.options, found.DSN, found.answers[found.Index].dialect)
	if err != nil {
		return err
	}
	p.clustered, p.epoch = true, found.Epoch
	if c.retired != nil {
		if err := c.retired.close(); err != nil {
			c.log.Warn("the connections to a former primary could not be closed", "error", err)
		}
	}
	if c.retired = c.last; c.retired != nil {
		c.retired.retire()
		c.changes++
	}
	c.last, c.said = p, ""
	return nil
}

// choose has lists read on a replica that has what the primary had at the look before: it lags by two intervals at
// most. Where there is none they are read on the primary.
func (c *cluster) choose(found *Found, measured bool) {
	on := c.last.background
	for i, dsn := range c.options.Members {
		if i == found.Index || !measured || !found.Members[i].Answers || !found.answers[i].keepsUp {
			continue
		}
		if c.replicas[dsn] == nil {
			p, err := openReplica(c.options, dsn, c.last.dialect)
			if err != nil {
				continue // the data source name was read before; lists do without it
			}
			c.replicas[dsn] = p
		}
		on = c.replicas[dsn]
		if c.last.lists.Load() == on {
			break // no need to change
		}
	}
	c.last.lists.Store(on)
}

// tell logs what becomes of the primary: once when it changes, and not at every look.
func (c *cluster) tell(err error) {
	var now string
	switch {
	case c.two:
		now = "two"
	case c.current == nil:
		now = "none"
	case err != nil:
		return // it did not answer one look
	default:
		now = "one"
	}
	if now == c.said {
		return
	}
	c.said = now
	switch now {
	case "two":
		c.log.Error("two members of the cluster are writable: nothing is written on either", "database", c.database,
			"error", err)
	case "none":
		c.log.Warn("there is no primary: nothing is written", "database", c.database, "error", err)
	default:
		c.log.Info("the primary is found", "database", c.database, "member", nameOf(c.current.dsn),
			"epoch", c.current.epoch)
	}
}

// primary is where to sell.
func (c *cluster) primary() (*primary, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		return c.current, nil
	}
	// Members' addresses are for the log.
	message := "the " + c.database + " has no primary just now: nothing was done"
	if c.two {
		message = "two members of the cluster of the " + c.database + " are writable: nothing is done on either"
	}
	return nil, unavailable(message, c.why)
}

// answers tells whether there is a primary that answers; while there is none, another one may be opened at any moment.
func (c *cluster) answers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current != nil && !c.silent
}

// suspicion is how much speaks against a primary.
type suspicion int

const (
	// unsuspected: nothing.
	unsuspected suspicion = iota
	// suspected: a connection broke, or an answer did not come. That may have other reasons.
	suspected
	// deposed: the member said that it is none, or nothing listens at its address.
	deposed
)

// suspicionOf is how much an error speaks against the primary that it came from.
func suspicionOf(err error) suspicion {
	switch mysqlcluster.ErrorNumber(err) {
	case erReadOnlyOption, erReadOnlyTransaction, erReadOnlyMode, erServerShutdown, erOfflineMode:
		return deposed
	}
	var dialling *net.OpError
	switch {
	case errors.As(err, &dialling) && dialling.Op == "dial" && !dialling.Timeout():
		return deposed
	case isBroken(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errUnacknowledged):
		return suspected
	}
	return unsuspected
}

// suspect has the members looked at at once. A primary that is deposed is not used any more.
func (c *cluster) suspect(p *primary, s suspicion, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p != c.current {
		return // Another call has noticed before.
	}
	if s == deposed {
		c.current, c.why = nil, why
	}
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// figures are whether there are two primaries, and how often another one was found.
func (c *cluster) figures() (two bool, changes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.two, c.changes
}

// close ends the looking, and closes every connection.
func (c *cluster) close() error {
	c.end()
	c.done.Wait()
	return c.closePrimaries()
}

func (c *cluster) closePrimaries() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.why = nil, errors.New("it is closed")
	var errs []error
	for _, p := range []*primary{c.last, c.retired} {
		if p != nil {
			errs = append(errs, p.close())
		}
	}
	for _, p := range c.replicas {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}
