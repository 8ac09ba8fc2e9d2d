package fault

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"time"

	"interlock/cmd/interlock/failpoints/effects"
	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/fault/clients"
	"interlock/lab/fault/history"
)

// Shape is the cluster that a fault needs.
type Shape struct {
	// Servers is how many `interlock serve` there are.
	Servers int
	// LockNodes is how many lock nodes there are. With LocksApart every server has its own: a lock that always says
	// yes.
	LockNodes  int
	LocksApart bool
	// Supervisors is how many supervisors the members have. With some, the servers know all members.
	Supervisors int
	// Proxied puts a proxy between every server and every member, on which what they say can be kept from arriving.
	Proxied bool
	// Asynchronous servers take every commit for replicated. What is lost then shows why the others ask.
	Asynchronous bool
	// Hold is how long an order may stay unpaid; 0: longer than the fault.
	Hold time.Duration
	// AnyVersion servers do not check the version of a run. What they sell twice shows why the others do.
	AnyVersion bool
	// ClocksApart is how far the first server's clock is ahead, and the second's behind.
	ClocksApart time.Duration
	// MessagesApart gives events a Redis of their own. Else they are in the cache.
	MessagesApart bool
	// Bank has buyers pay at a bank. Else payments are instant.
	Bank bool
	// Balanced has clients ask HAProxy, which shares the requests out.
	Balanced bool
	// Quotas has servers bound how often a client may ask.
	Quotas bool
	// Notify has buyers be told by mail, and partners by webhooks.
	Notify bool
	// FirstDiskBytes is the size of a disk for the first primary's binary log alone; 0: the log is with the data.
	FirstDiskBytes int64
}

// Options are those of a cluster of this shape, whose servers were built with cluster.FaultTag. Flavor, Binary and Log
// are the caller's.
func (s Shape) Options() cluster.Options {
	var quotas []string
	if s.Quotas {
		quotas = cluster.UsualQuotas
	}
	return cluster.Options{
		Servers: s.Servers, LockNodes: s.LockNodes, LocksApart: s.LocksApart, Supervisors: s.Supervisors,
		Proxied: s.Proxied, Hold: s.Hold, Unlimited: true,
		FirstDiskBytes: s.FirstDiskBytes, Breakable: true, AnyVersion: s.AnyVersion, Asynchronous: s.Asynchronous,
		ClocksApart: s.ClocksApart, MessagesApart: s.MessagesApart, Consumers: true,
		Bank: s.Bank, Notify: s.Notify, Balanced: s.Balanced, Quotas: quotas,
	}
}

// within tells whether a fault that needs one shape can be injected into another. Supervisors and proxies disturb no
// fault, and neither does a Redis for events.
func (s Shape) within(other Shape) bool {
	s.Supervisors, s.Proxied = other.Supervisors, other.Proxied
	s.MessagesApart = s.MessagesApart || other.MessagesApart
	return s == other
}

// ordinary is the least that survives what it should.
var ordinary = Shape{Servers: 2, LockNodes: 3}

// Fault is one thing that can break.
type Fault struct {
	// Name is what it is called, Area which row of the table it is in.
	Name, Area string
	Shape      Shape
	// Lasts is how long it is left broken.
	Lasts time.Duration
	// Buyers is how many buy, each as slowly as a person; 0: the usual two dozen, who hardly think.
	Buyers int
	// Slow is how much more time than others it may take.
	Slow time.Duration
	// Judged is how long calls are looked at after the recovery; 0: as usual.
	Judged time.Duration
	// Patience is how long clients wait for an answer; 0: as usual.
	Patience time.Duration
	// Late is how much later than usual the primary's answers come, or are read.
	Late time.Duration
	// RedisLate is how long after the healing Redis may be behind the ledger on what is sold, where that is more than
	// check.SoldTime. RedisWhy is what it needs and does not have by then.
	RedisLate time.Duration
	RedisWhy  string
	// Subscribers is how many follow the runs; 0: a few.
	Subscribers int
	// Returns says that buyers give tickets back and change them.
	Returns bool
	// Spoils says that the cluster is of no more use afterwards, whether the fault passed or failed.
	Spoils bool
	// Reconciles says that `interlock pay reconcile` is run once all buyers have left. Others are judged without it.
	Reconciles bool
	// Alone says that it takes too long to be one of several at once.
	Alone bool
	// Inject breaks it, and returns how it is healed. On an error nothing stays broken.
	Inject func(ctx context.Context, s *Scene) (Heal, error)
}

// Heal makes a fault good again, and proves that it took place. It is called once, also when the context of Inject has
// ended.
type Heal func(ctx context.Context) (Injected, error)

// Injected is the proof of a fault.
type Injected struct {
	// Fired tells that it really happened.
	Fired bool `json:"fired"`
	// Facts are what shows it.
	Facts map[string]any `json:"facts"`
	// Broken are promises about the time of the fault itself that did not hold.
	Broken []string `json:"broken,omitempty"`
	// Unsafe are promises that did not hold and must hold under any faults together.
	Unsafe []string `json:"unsafe,omitempty"`
}

// text are the facts for people.
func (i *Injected) text() string {
	said, err := json.Marshal(i.Facts)
	if err != nil {
		return err.Error()
	}
	return string(said)
}

// Scene is what a fault has to do with.
type Scene struct {
	Cluster  *cluster.Cluster
	Workload *clients.Workload
	// Random is made of the Seed: the same seed chooses the same victims.
	Random *rand.Rand
	Seed   uint64
	Log    *slog.Logger

	// alone are the times without any replica, which faults note as they heal.
	alone []history.Interval
	// log is what the consumers of events have noted.
	log *effects.Log
	// deleted are the members whose data a fault has deleted: they stay away.
	deleted []*servers.SQLServer
	// notifyKills is how often the service of notifications was killed.
	notifyKills int
	// later are looks at what shows only after there was time to recover. Each returns what did not hold.
	later []func(ctx context.Context) (broken []string)
}

// Alone notes a time in which no replica could have acknowledged anything.
func (s *Scene) Alone(from, to time.Time) {
	s.alone = append(s.alone, history.Interval{From: from, To: to})
}

// anyServer chooses one of the servers.
func (s *Scene) anyServer() int { return s.Random.IntN(len(s.Cluster.Servers())) }
