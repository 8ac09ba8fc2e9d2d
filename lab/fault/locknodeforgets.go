package fault

import (
	"context"
	"errors"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/pause"
	"interlock/internal/servers"
)

const (
	// lockKey begins the name of a run's lock on its nodes.
	lockKey = "interlock:lock:"
	// heldPoll is how often it is looked who holds a lock, and heldWait for how long: as long as a lease lasts.
	heldPoll = 2 * time.Millisecond
	heldWait = 3 * time.Second
	// forgettings is how often it is tried: who finds nodes away twice leaves them alone for a second, and may come too late.
	forgettings = 3
)

// lockNodeForgets restarts two of three nodes empty while a run's lock is held on them: the next who asks is told yes by
// those two, while the holder still believes in the yes of all three. The holder's batch is held up meanwhile, since a turn
// with the lock is shorter than a restart.
func lockNodeForgets() Fault {
	return Fault{
		Name: "lock_node_restarted_empty", Area: lockArea, Shape: ordinary, Lasts: 2 * time.Second,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			f := s.chooseForgetful()
			held, two, tries := 0, false, 0
			for !two && tries < forgettings {
				tries++
				batch, release, err := s.hold(ctx, s.sellingServer(), failpoints.AfterLock)
				if err != nil {
					break // nobody sells just now: then nothing is shown
				}
				held = batch.LockNodes
				if err = f.forget(ctx); err == nil {
					two = f.awaitTwo(ctx, lockKey+string(batch.Run))
				}
				release()
				if err != nil {
					return nil, err
				}
			}
			return func(context.Context) (Injected, error) {
				return Injected{Fired: two, Facts: map[string]any{
					"lock_held_on_nodes": held, "nodes_restarted_empty": len(f.nodes), "times": tries, "two_holders_seen": two,
				}}, nil
			}, nil
		},
	}
}

// forgetful are the nodes that forget, and the one that does not.
type forgetful struct {
	nodes  []*servers.RedisServer
	keeper *servers.RedisServer
}

func (s *Scene) chooseForgetful() forgetful {
	order := s.Random.Perm(len(s.Cluster.Locks))
	return forgetful{
		nodes:  []*servers.RedisServer{s.Cluster.Locks[order[0]], s.Cluster.Locks[order[1]]},
		keeper: s.Cluster.Locks[order[2]],
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

// awaitTwo waits until two hold a lock: the node that did not forget has the name of the first, whose batch is held up, and
// both that did have another.
func (f forgetful) awaitTwo(ctx context.Context, key string) bool {
	ctx, cancel := context.WithTimeout(ctx, heldWait)
	defer cancel()
	for ctx.Err() == nil {
		first, second := value(ctx, f.keeper.Addr(), key), value(ctx, f.nodes[0].Addr(), key)
		if second != "" && second == value(ctx, f.nodes[1].Addr(), key) && first != "" && first != second {
			return true
		}
		pause.For(ctx, heldPoll)
	}
	return false
}
