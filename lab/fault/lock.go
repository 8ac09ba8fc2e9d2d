package fault

import (
	"context"
	"errors"
	"syscall"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/pause"
	"interlock/internal/servers"
)

// nodesLast is longer than a lease, so that every lock is asked for anew meanwhile.
const nodesLast = 5 * time.Second

func lockNodeKilled() Fault {
	return lockNodes("lock_node_killed", ordinary, 1, "interlock_lock_nodes_down", (*servers.RedisServer).Kill, restart)
}

func twoLockNodesKilled() Fault {
	return lockNodes("two_of_five_lock_nodes_killed", Shape{Servers: 2, LockNodes: 5}, 2, "interlock_lock_nodes_down",
		(*servers.RedisServer).Kill, restart)
}

func lockNodeHung() Fault {
	return lockNodes("lock_node_hung", ordinary, 1, "interlock_lock_nodes_down", freeze, thaw)
}

// lockQuorumLost leaves one node of three. No server can tell which of them has a lock, and the sale goes on under the
// ledger's compare-and-set.
func lockQuorumLost() Fault {
	return lockNodes("lock_quorum_lost", ordinary, 2, "interlock_lock_no_quorum_total",
		(*servers.RedisServer).Kill, restart)
}

// lockNodes takes some lock nodes away. sign is the figure of the servers that rises when they notice. The sale has to
// go on meanwhile.
func lockNodes(name string, shape Shape, count int, sign string, away func(*servers.RedisServer) error,
	back func(context.Context, *servers.RedisServer) error,
) Fault {
	return Fault{
		Name: name, Area: lockArea, Shape: shape, Lasts: nodesLast,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			before := s.sum(ctx, sign)
			var gone []*servers.RedisServer
			giveBack := func(ctx context.Context) error {
				var errs []error
				for _, node := range gone {
					errs = append(errs, back(ctx, node))
				}
				return errors.Join(errs...)
			}
			for _, n := range s.Random.Perm(len(s.Cluster.Locks))[:count] {
				node := s.Cluster.Locks[n]
				if err := away(node); err != nil {
					return nil, errors.Join(err, giveBack(ctx))
				}
				gone = append(gone, node)
			}
			begun := time.Now()
			return func(ctx context.Context) (Injected, error) {
				noticed, placed := s.sum(ctx, sign)-before, s.Workload.Placed(begun, "")
				proof := Injected{Fired: noticed > 0, Facts: map[string]any{
					"nodes_away": count, sign: noticed, "placed_meanwhile": placed,
				}}
				if placed == 0 {
					proof.Broken = append(proof.Broken, "nothing was sold while lock nodes were away")
				}
				return proof, giveBack(ctx)
			}, nil
		},
	}
}

func restart(ctx context.Context, node *servers.RedisServer) error { return node.Start(ctx) }

func freeze(node *servers.RedisServer) error { return node.Signal(syscall.SIGSTOP) }

func thaw(_ context.Context, node *servers.RedisServer) error { return node.Signal(syscall.SIGCONT) }

// lockSaysYes lets four servers sell the same runs, each with a lock of its own that always says yes. The
// compare-and-sets that they lose show what would else have been sold twice.
func lockSaysYes() Fault {
	const lost = "interlock_ledger_compare_and_sets_lost_total"
	return Fault{
		Name: "lock_says_yes", Area: lockArea, Shape: Shape{Servers: 4, LockNodes: 3, LocksApart: true},
		Lasts: 6 * time.Second,
		// A commit may take a second. The three other servers wait for its row, and then fail their buyers once.
		Judged: 3 * judged,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			before, begun := s.sum(ctx, lost), time.Now()
			return func(ctx context.Context) (Injected, error) {
				n := s.sum(ctx, lost) - before
				return Injected{Fired: n > 0, Facts: map[string]any{
					"compare_and_sets_lost": n, "placed_meanwhile": s.Workload.Placed(begun, ""),
				}}, nil
			}, nil
		},
	}
}

const (
	// lockKey begins the name of a run's lock on its nodes.
	lockKey = "interlock:lock:"
	// heldPoll is how often the holder of a lock is looked up, and heldWait for how long: as long as a lease lasts.
	heldPoll = 2 * time.Millisecond
	heldWait = 3 * time.Second
	// forgettings is how often it is tried. A server that finds nodes away twice leaves them alone for a second, and
	// may come too late.
	forgettings = 3
)

// lockNodeForgets restarts two of three nodes empty while a run's lock is held on them. The next server that asks is
// told yes by those two, while the holder still believes in the yes of all three. The holder's batch is held up
// meanwhile: it would have the lock for less time than a restart takes.
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
					break // no server sells just now: then nothing is shown
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
					"lock_held_on_nodes": held, "nodes_restarted_empty": len(f.nodes), "times": tries,
					"two_holders_seen": two,
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

// awaitTwo waits until two hold a lock. The node that did not forget has the name of the first, whose batch is held up.
// Both that did forget have another name.
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
