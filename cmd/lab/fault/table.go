package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"interlock/cmd/interlock/points"
)

// The areas of the table.
const (
	lockArea        = "lock"
	serverArea      = "server"
	databaseArea    = "database link"
	replicationArea = "replication"
	cacheArea       = "cache"
	buyersArea      = "buyers"
)

// needsProxy is why faults on the way to the database are not injected yet.
const needsProxy = "there is no proxy between servers and the primary yet"

// Table is every fault there is, those that cannot be injected yet included.
func Table() []Fault {
	return []Fault{
		lockSaysYes(), lockNodeKilled(), twoLockNodesKilled(), lockNodeHung(), lockQuorumLost(), lockNodeForgets(),
		serverFrozen(), serverFrozenAt(points.BeforeUpdate), serverFrozenAt(points.BeforeCommit),
		serverKilled(), serverKilledAtEachPoint(),
		missing("commit_answer_cut", databaseArea, needsProxy),
		missing("database_black_hole", databaseArea, needsProxy),
		missing("database_slow", databaseArea, needsProxy),
		missing("server_partitioned", databaseArea, needsProxy),
		replicaKilled(), replicasStopped(),
		primaryKilled(), primaryFrozen(),
		primaryTerminatedAlone(), primaryRestarted(), primaryAndReplicaKilled(), readOnly(),
		diskFull(),
		cacheFlushed(), cacheKilled(), cacheHung(), pubSubCut(), subscribersReconnect(),
		missing("old_snapshot_delivered", cacheArea, "nothing can hold a message to Redis back yet"),
		missing("reader_stalls", cacheArea, "lab watch shows it; it is not a fault here yet"),
		sameKey(), sameKeyAcrossFailover(), holdsExpire(), clocksApart(),
	}
}

func missing(name, area, why string) Fault { return Fault{Name: name, Area: area, Missing: why} }

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

// overlapping is up to three faults of different areas at once, on a cluster that all of them can be injected into.
func overlapping(seed uint64) Fault {
	random := rand.New(rand.NewPCG(seed, 3))
	table := Table()
	random.Shuffle(len(table), func(i, j int) { table[i], table[j] = table[j], table[i] })
	var chosen []Fault
	areas := map[string]bool{}
	for _, f := range table {
		if f.Missing == "" && f.Shape == ordinary && !f.Alone && !areas[f.Area] && len(chosen) < maxOverlap {
			chosen = append(chosen, f)
			areas[f.Area] = true
		}
	}
	return together(chosen)
}

// maxOverlap is how many faults are there at once.
const maxOverlap = 3

// longest is how long the longest of some faults lasts.
func longest(faults []Fault) (d time.Duration) {
	for _, f := range faults {
		d = max(d, f.Lasts)
	}
	return d
}
