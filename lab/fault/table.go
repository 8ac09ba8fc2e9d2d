package fault

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"interlock/cmd/interlock/failpoints"
)

// The areas of the table.
const (
	lockArea        = "lock"
	serverArea      = "server"
	balancerArea    = "balancer"
	databaseArea    = "database"
	replicationArea = "replication"
	cacheArea       = "cache"
	messagesArea    = "messages"
	paymentsArea    = "payments"
	refundsArea     = "refunds"
	notifyArea      = "notifications"
	quotasArea      = "quotas"
	buyersArea      = "buyers"
)

// Table is every fault there is.
func Table() []Fault {
	return []Fault{
		lockSaysYes(), lockNodeKilled(), twoLockNodesKilled(), lockNodeHung(), lockQuorumLost(), lockNodeForgets(),
		serverFrozen(), serverFrozenAt(failpoints.BeforeUpdate), serverFrozenAt(failpoints.BeforeCommit),
		serverKilled(), serverKilledAtEachPoint(),
		rollingRestart(), serverBlackHoled(),
		commitAnswerCut(), blackHole(), databaseSlow(), serverPartitioned(),
		replicaKilled(), replicasStopped(),
		primaryKilled(), primaryFrozen(),
		primaryTerminatedAlone(), primaryRestarted(), primaryAndReplicaKilled(), readOnly(),
		diskFull(),
		cacheFlushed(), cacheKilled(), cacheHung(), pubSubCut(), subscribersReconnect(),
		oldSnapshot(), lastMessageLost(), readerStalls(),
		relayKilled(), consumerKilled(), messagesRedisKilled(), messagesRedisFlushed(),
		payKilled(), providerSlow(), providerDead(), providerLate(),
		webhookLost(), webhookTripled(), webhookOutOfOrder(), webhookForged(), primaryKilledDuringPayments(),
		withParties(changeKilled()), withParties(primaryKilledDuringRefunds()), withParties(refundAndChangeAtOnce()),
		withParties(withdrawnWhilePaying()),
		notifyKilled(), smtpHangs(), webhookTargetHangs(),
		quotasRedisKilled(), quotasRedisHung(), quotasRedisFlushed(),
		sameKey(1), sameKeyAcrossFailover(), holdsExpire(), clocksApart(),
	}
}

// Short stands for the whole table where there are minutes for it, and not an hour: the lock off, a server's death at
// each point, a COMMIT cut, and three ends of a primary, two of them unfenced. As much as possible is played on one
// cluster.
func Short() []Fault {
	faults := []Fault{
		lockSaysYes(), serverKilledAtEachPoint(), commitAnswerCut(), primaryKilled(), primaryFrozen(),
		primaryTerminatedAlone(),
	}
	for i, f := range faults {
		if f.Shape.within(proxied) {
			faults[i].Shape = proxied
		}
	}
	return faults
}

// Overlap is the name of the fault that is up to three of the others, chosen by the seed.
const Overlap = "overlap"

// ErrUnknown says that there is no such fault.
var ErrUnknown = errors.New("there is no such fault")

// Find is the fault with a name.
func Find(name string, seed uint64) (Fault, error) {
	if name == Overlap {
		return overlapping(seed), nil
	}
	var names []string
	for _, f := range Table() {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Fault{}, fmt.Errorf("%w: %s; there are all, %s, %s", ErrUnknown, name, Overlap, strings.Join(names, ", "))
}

// overlapping is up to three faults of different areas at once, on a cluster that fits all of them. What each promises
// of its own time need not hold beside the others. One may hide the proof of another, so two proofs are asked for. What
// must never happen, and what is promised of every order, holds in any case.
func overlapping(seed uint64) Fault {
	random := rand.New(rand.NewPCG(seed, 3))
	table := Table()
	random.Shuffle(len(table), func(i, j int) { table[i], table[j] = table[j], table[i] })
	var chosen []Fault
	areas := map[string]bool{}
	for _, f := range table {
		if f.Shape.within(proxied) && !f.Alone && !areas[overlapArea(f)] && len(chosen) < maxOverlap {
			chosen = append(chosen, f)
			areas[overlapArea(f)] = true
		}
	}
	// What waits for a batch is to find one, and the primary is to be there while the others look for it.
	slices.SortStableFunc(chosen, func(a, b Fault) int { return cmp.Compare(rank(a), rank(b)) })
	f := combined(chosen)
	f.Name, f.Shape = Overlap, proxied
	return f.healed(func(s *Scene, proof *Injected) {
		proof.Broken, s.later = nil, nil
		fired := 0
		for _, one := range proof.Facts {
			if one.(Injected).Fired {
				fired++
			}
		}
		proof.Fired = fired >= minOverlap
	})
}

// maxOverlap is how many faults there are at once. minOverlap is how many of them must be proved.
const maxOverlap, minOverlap = 3, 2

// overlapArea is a fault's area among several at once. Faults that take the primary away are in each other's way, so
// they are one area.
func overlapArea(f Fault) string {
	if f.Spoils {
		return replicationArea
	}
	return f.Area
}

// rank puts faults that may hold a batch first, and faults that may take the primary away last.
func rank(f Fault) int {
	switch overlapArea(f) {
	case serverArea, lockArea:
		return -1
	case replicationArea:
		return 1
	default:
		return 0
	}
}
