package fault

import (
	"context"
	"errors"
	"time"

	"interlock/cmd/lab/servers"
)

const (
	// lockKey begins the name of a run's lock on its nodes.
	lockKey = "interlock:lock:"
	// heldPoll is how often it is looked whether a lock is held, and by whom.
	heldPoll = 2 * time.Millisecond
	// heldWait is how long: runs that are sold are locked nearly all the time.
	heldWait = 3 * time.Second
	// forgettings is how often it is tried: a holder that notices at once gives its lock back, and then there is one only.
	forgettings = 3
)

// lockNodeForgets restarts two of three nodes empty while a run's lock is held on them: the next who asks is told yes by
// those two, while the holder still believes in the yes of all three.
func lockNodeForgets() Fault {
	return Fault{
		Name: "lock_node_restarted_empty", Area: lockArea, Shape: ordinary, Lasts: 2 * time.Second,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			f := s.chooseForgetful()
			held, two, tries := "", false, 0
			for ; !two && tries < forgettings && ctx.Err() == nil; tries++ {
				if held = f.awaitHeld(ctx); held == "" {
					break
				}
				if err := f.forget(ctx); err != nil {
					return nil, err
				}
				two = f.awaitTwo(ctx)
			}
			return func(context.Context) (Injected, error) {
				return Injected{Fired: two, Facts: map[string]any{
					"lock_was_held": held != "", "nodes_restarted_empty": len(f.nodes), "times": tries, "two_holders_seen": two,
				}}, nil
			}, nil
		},
	}
}

// forgetful are the nodes that forget, the one that does not, and the lock.
type forgetful struct {
	nodes  []*servers.RedisServer
	keeper *servers.RedisServer
	key    string
}

func (s *Scene) chooseForgetful() forgetful {
	order, runs := s.Random.Perm(len(s.Cluster.Locks)), s.Room.Runs()
	return forgetful{
		nodes:  []*servers.RedisServer{s.Cluster.Locks[order[0]], s.Cluster.Locks[order[1]]},
		keeper: s.Cluster.Locks[order[2]],
		key:    lockKey + string(runs[s.Random.IntN(len(runs))].RunID),
	}
}

// forget restarts the nodes empty, both away before the first is back.
func (f forgetful) forget(ctx context.Context) error {
	var errs []error
	for _, n := range f.nodes {
		errs = append(errs, n.Kill())
	}
	for _, n := range f.nodes {
		errs = append(errs, n.Start(ctx))
	}
	return errors.Join(errs...)
}

// awaitHeld waits until somebody has the lock on all nodes, and is who; "" where nobody has for too long.
func (f forgetful) awaitHeld(ctx context.Context) (holder string) {
	f.poll(ctx, func(ctx context.Context) bool {
		holder = f.majority(ctx)
		if holder != value(ctx, f.keeper.Addr(), f.key) {
			holder = ""
		}
		return holder != ""
	})
	return holder
}

// awaitTwo waits until two hold the lock: the node that did not forget has the first one's name until its lease ends, and
// both that did have another. Every lease has a name of its own, and who knows that it has lost one gives it back before it
// asks for the next.
func (f forgetful) awaitTwo(ctx context.Context) bool {
	return f.poll(ctx, func(ctx context.Context) bool {
		kept := value(ctx, f.keeper.Addr(), f.key)
		other := f.majority(ctx)
		return kept != "" && other != "" && kept != other && kept == value(ctx, f.keeper.Addr(), f.key)
	})
}

// majority is whom both forgetful nodes have for the holder; "" where they do not agree.
func (f forgetful) majority(ctx context.Context) string {
	name := value(ctx, f.nodes[0].Addr(), f.key)
	if name != value(ctx, f.nodes[1].Addr(), f.key) {
		return ""
	}
	return name
}

// poll looks until something holds; false where it does not for too long.
func (f forgetful) poll(ctx context.Context, holds func(context.Context) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, heldWait)
	defer cancel()
	for ctx.Err() == nil {
		if holds(ctx) {
			return true
		}
		wait(ctx, heldPoll)
	}
	return false
}
