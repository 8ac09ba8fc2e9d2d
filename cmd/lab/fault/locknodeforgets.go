package fault

import (
	"context"
	"errors"
	"time"
)

const (
	// lockKey begins the name of a run's lock on its nodes.
	lockKey = "interlock:lock:"
	// heldPoll is how often it is looked whether a lock is held, and by whom.
	heldPoll = 2 * time.Millisecond
	// heldWait is how long: runs that are sold are locked nearly all the time.
	heldWait = 3 * time.Second
)

// lockNodeForgets restarts two of three nodes empty while a run's lock is held on them: the next who asks is told yes by
// those two, while the holder still believes in the yes of all three.
func lockNodeForgets() Fault {
	return Fault{
		Name: "lock_node_restarted_empty", Area: lockArea, Shape: ordinary, Lasts: 2 * time.Second,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			forgetful := s.Random.Perm(len(s.Cluster.Locks))[:2]
			keeper := s.Cluster.Locks[3-forgetful[0]-forgetful[1]].Addr()
			key := lockKey + string(s.Room.Runs()[s.Random.IntN(len(s.Room.Runs()))].RunID)
			limited, cancel := context.WithTimeout(ctx, heldWait)
			defer cancel()
			held := ""
			for held == "" && limited.Err() == nil {
				held = value(limited, s.Cluster.Locks[forgetful[0]].Addr(), key)
				wait(limited, heldPoll)
			}
			var errs []error
			for _, n := range forgetful {
				errs = append(errs, s.Cluster.Locks[n].Kill(), s.Cluster.Locks[n].Start(ctx))
			}
			// Two holders are two names in one lock: the node that did not forget has the first one's until its lease ends.
			two := 0
			limited, cancel = context.WithTimeout(ctx, heldWait)
			defer cancel()
			for two == 0 && limited.Err() == nil {
				kept, other := value(limited, keeper, key), value(limited, s.Cluster.Locks[forgetful[0]].Addr(), key)
				if kept != "" && other != "" && kept != other {
					two++
				}
				wait(limited, heldPoll)
			}
			return func(context.Context) (Injected, error) {
				return Injected{Fired: held != "", Facts: map[string]any{
					"lock_was_held": held != "", "nodes_restarted_empty": len(forgetful), "two_holders_seen": two > 0,
				}}, nil
			}, errors.Join(errs...)
		},
	}
}
