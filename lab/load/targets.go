package load

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"interlock/services/rail"
)

// MoveOnPercent is how much of a run is sold before the load moves on to a fresh one: beyond it, long trips are
// refused.
const MoveOnPercent = 70

// Run is one run that is being sold.
type Run struct {
	// ID is opaque, as the API wants it; RunID is what the ledger calls it.
	ID    string
	RunID rail.RunID
	// SeatsPerClass is how many seats it has of each class.
	SeatsPerClass int
	sold          atomic.Int64
}

// Runs are fresh runs to move on to.
type Runs struct {
	mu   sync.Mutex
	all  []*Run
	next int
}

// Add adds what was published.
func (r *Runs) Add(runs []*Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, runs...)
}

// errNoRuns says that the load has used up what was published.
var errNoRuns = errors.New("no fresh run is left: more must be published")

// take is the next fresh run, nil when there is none.
func (r *Runs) take() *Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == len(r.all) {
		return nil
	}
	r.next++
	return r.all[r.next-1]
}

// Left is how many are fresh.
func (r *Runs) Left() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all) - r.next
}

// Targets are the runs on sale in one measurement: one run, or many of unequal popularity. Once MoveOnPercent of a run
// is sold, a fresh run of the same shape takes its place, unless it is to be sold out.
type Targets struct {
	runs  *Runs
	slots []slot
	// chances are the slots' popularity, summed up.
	chances []float64
	// untilSoldOut stays on each run.
	untilSoldOut bool
	// Moved, if set, is told when the first slot moves on.
	Moved func(*Run)
}

type slot struct {
	now    atomic.Pointer[Run]
	moving sync.Mutex
}

// OneRun targets one run.
func OneRun(runs *Runs) (*Targets, error) { return newTargets(runs, []float64{1}) }

// ToTheLastSeat targets one run, and does not move on from it.
func ToTheLastSeat(runs *Runs) (*Targets, error) {
	t, err := OneRun(runs)
	if err == nil {
		t.untilSoldOut = true
	}
	return t, err
}

// Zipf targets n runs by Zipf's law with s = 1: the n-th is asked for a n-th as often as the first.
func Zipf(runs *Runs, n int) (*Targets, error) {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = 1 / float64(i+1)
	}
	return newTargets(runs, weights)
}

func newTargets(runs *Runs, weights []float64) (*Targets, error) {
	t := &Targets{runs: runs, slots: make([]slot, len(weights))}
	sum := 0.0
	for i, w := range weights {
		run := runs.take()
		if run == nil {
			return nil, errNoRuns
		}
		t.slots[i].now.Store(run)
		sum += w
		t.chances = append(t.chances, sum)
	}
	return t, nil
}

// First is the run of the first slot, the most popular.
func (t *Targets) First() *Run { return t.slots[0].now.Load() }

// pick chooses what a buyer wants.
func (t *Targets) pick(random *rand.Rand) *slot {
	if len(t.slots) == 1 {
		return &t.slots[0]
	}
	at := random.Float64() * t.chances[len(t.chances)-1]
	low, high := 0, len(t.chances)-1
	for low < high {
		if middle := (low + high) / 2; t.chances[middle] <= at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return &t.slots[low]
}

// sold counts what a buyer got of a run, and moves on where it is enough.
func (t *Targets) sold(s *slot, run *Run, legs int) error {
	if run.sold.Add(int64(legs))*100 < int64(run.SeatLegs())*MoveOnPercent || t.untilSoldOut {
		return nil
	}
	s.moving.Lock()
	defer s.moving.Unlock()
	if s.now.Load() != run {
		return nil
	}
	fresh := t.runs.take()
	if fresh == nil {
		return errNoRuns
	}
	s.now.Store(fresh)
	if t.Moved != nil && s == &t.slots[0] {
		t.Moved(fresh)
	}
	return nil
}

// SeatLegs is how much there is to sell of a run.
func (r *Run) SeatLegs() int { return len(Classes) * r.SeatsPerClass * (Calls - 1) }

// SoldSeatLegs is how much of a run was sold.
func (r *Run) SoldSeatLegs() int { return int(r.sold.Load()) }
