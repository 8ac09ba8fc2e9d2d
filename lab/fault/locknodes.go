package fault

import (
	"context"
	"errors"
	"syscall"
	"time"

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

// lockQuorumLost leaves one node of three: nobody can say who has a lock, and the sale goes on under the ledger's compare-and-set.
func lockQuorumLost() Fault {
	return lockNodes("lock_quorum_lost", ordinary, 2, "interlock_lock_no_quorum_total", (*servers.RedisServer).Kill, restart)
}

// lockNodes takes some lock nodes away. sign is the servers' figure that rises when they notice; the sale has to go on
// meanwhile in any case.
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
