package audit_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/audit"
	"interlock/services/ledger/ledgertest"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// truth is a ledger of runs that nobody has bought on; sell moves one on.
type truth struct {
	mu    sync.Mutex
	runs  []*rail.Run
	lefts map[rail.RunID]*rail.Availability
	// touched are the runs a repairer is told of; read is called after each reading.
	touched []rail.RunID
	read    func()
	err     error
	// wholeReads counts pages, touchedReads the looks at what was touched.
	wholeReads, touchedReads int
}

func newTruth(n int) *truth {
	t := &truth{lefts: map[rail.RunID]*rail.Availability{}}
	for i := range n {
		run := ledgertest.NewRun(ledgertest.NewTrain("T"+strconv.Itoa(100+i)), rail.NewDate(2030, 1, 1))
		t.runs = append(t.runs, run)
		t.lefts[run.ID] = &rail.Availability{RunID: run.ID, TrainID: run.Train.ID, Version: 1, Status: rail.Published, Counts: free(run)}
	}
	slices.SortFunc(t.runs, func(a, b *rail.Run) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return t
}

// free are the counts of a run with every seat left.
func free(run *rail.Run) []uint16 {
	classes := run.Train.Formation.Classes
	var counts []uint16
	for range rail.Pairs(len(run.Train.Calls)) {
		for _, class := range classes {
			counts = append(counts, uint16(len(run.Train.Formation.Seats(class))))
		}
	}
	return counts
}

func (t *truth) bump(id rail.RunID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := *t.lefts[id]
	left.Version++
	t.lefts[id] = &left
}

func (t *truth) page(after rail.RunID, limit int) []*rail.Run {
	var page []*rail.Run
	for _, run := range t.runs {
		if run.ID > after && len(page) < limit {
			page = append(page, run)
		}
	}
	return page
}

func (t *truth) Touched(context.Context, time.Duration) ([]*rail.Availability, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.touchedReads++
	var lefts []*rail.Availability
	for _, id := range t.touched {
		lefts = append(lefts, t.lefts[id])
	}
	return lefts, t.err
}

func (t *truth) Availabilities(_ context.Context, after rail.RunID, limit int) ([]*rail.Availability, error) {
	t.mu.Lock()
	t.wholeReads++
	var lefts []*rail.Availability
	for _, run := range t.page(after, limit) {
		lefts = append(lefts, t.lefts[run.ID])
	}
	read, err := t.read, t.err
	t.mu.Unlock()
	if read != nil {
		read()
	}
	return lefts, err
}

func (t *truth) Books(_ context.Context, after rail.RunID, limit int) ([]*rail.Books, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var books []*rail.Books
	for _, run := range t.page(after, limit) {
		books = append(books, &rail.Books{Run: run, Version: t.lefts[run.ID].Version})
	}
	return books, t.err
}

func (t *truth) Leap(context.Context) (int, error) { return 0, errors.ErrUnsupported }

// redis is a cache in memory.
type redis struct {
	mu       sync.Mutex
	entries  map[rail.RunID]*rail.Availability
	loaded   bool
	replaced []rail.RunID
	// looked is called before each look.
	looked func()
}

func (r *redis) Stored(_ context.Context, runs []*rail.Availability) ([]*rail.Availability, error) {
	if r.looked != nil {
		r.looked()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var stored []*rail.Availability
	for _, run := range runs {
		stored = append(stored, r.entries[run.RunID])
	}
	return stored, nil
}

func (r *redis) Load(_ context.Context, lefts []*rail.Availability) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, left := range lefts {
		if now := r.entries[left.RunID]; now == nil || now.Version < left.Version {
			r.entries[left.RunID] = left
		}
	}
	return nil
}

func (r *redis) Replace(_ context.Context, left *rail.Availability, seen int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.entries[left.RunID]; now != nil && now.Version == seen {
		r.entries[left.RunID] = left
		r.replaced = append(r.replaced, left.RunID)
	}
	return nil
}

func (r *redis) Loaded(context.Context) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded, nil
}

func (r *redis) MarkLoaded(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded = true
	return nil
}

func (r *redis) set(left rail.Availability) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries[left.RunID] = &left
}

func (r *redis) version(id rail.RunID) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries[id] == nil {
		return 0
	}
	return r.entries[id].Version
}

// election lets one in, or nobody, or nobody knows.
type election struct{ err error }

func (e election) Acquire(context.Context, string) (rail.Lease, error) {
	if e.err != nil {
		return nil, e.err
	}
	return term{}, nil
}

type term struct{}

func (term) Extend(context.Context) error { return nil }
func (term) Until() time.Time             { return time.Now().Add(time.Hour) }
func (term) Release()                     {}

func newAuditor(t *truth, r *redis, lock audit.Lock) *audit.Auditor {
	return &audit.Auditor{Ledger: t, Cache: r, Lock: lock, Runs: func() int { return len(t.runs) }, Log: slog.New(slog.DiscardHandler)}
}

// repairFor runs repair for a while of a bubble's time.
func repairFor(t *testing.T, a *audit.Auditor, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	a.Run(ctx)
}

func TestRun_LoadsARedisThatLostItsData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, cache := newTruth(5_000), &redis{entries: map[rail.RunID]*rail.Availability{}}
		repairFor(t, newAuditor(ledger, cache, election{}), 100*time.Millisecond)
		require.Len(t, cache.entries, 5_000)
		require.True(t, cache.loaded)
	})
}

func TestRun_HealsWhatWasTouchedInOneInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, cache := newTruth(3), &redis{entries: map[rail.RunID]*rail.Availability{}}
		a := newAuditor(ledger, cache, election{})
		repairFor(t, a, 100*time.Millisecond)
		sold := ledger.runs[1].ID
		ledger.bump(sold)
		ledger.touched = []rail.RunID{sold}
		repairFor(t, a, 300*time.Millisecond)
		require.Equal(t, int64(2), cache.version(sold))
	})
}

func TestRun_ComparesEveryRunWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, cache := newTruth(30_000), &redis{entries: map[rail.RunID]*rail.Availability{}}
		a := newAuditor(ledger, cache, election{})
		repairFor(t, a, 100*time.Millisecond)
		var spoiled []rail.RunID
		for _, at := range []int{0, 14_999, 29_999} {
			run := ledger.runs[at]
			wrong := *ledger.lefts[run.ID]
			wrong.Counts = slices.Clone(wrong.Counts)
			wrong.Counts[0]++
			cache.set(wrong)
			spoiled = append(spoiled, run.ID)
		}
		repairFor(t, a, time.Minute)
		require.ElementsMatch(t, spoiled, cache.replaced)
	})
}

func TestRun_IsDoneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, cache := newTruth(3), &redis{entries: map[rail.RunID]*rail.Availability{}}
		repairFor(t, newAuditor(ledger, cache, election{rail.ErrLockTaken}), time.Second)
		require.Zero(t, ledger.touchedReads+ledger.wholeReads)
		repairFor(t, newAuditor(ledger, cache, election{rail.ErrNoQuorum}), time.Second)
		require.NotZero(t, ledger.wholeReads, "where nobody can say who repairs, everybody does")
	})
}

func TestRun_RedisAheadOfTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, cache := newTruth(2), &redis{entries: map[rail.RunID]*rail.Availability{}}
		a := newAuditor(ledger, cache, election{})
		repairFor(t, a, 100*time.Millisecond)

		// A sale between the two looks is no fault of Redis.
		sold := ledger.runs[0].ID
		once := sync.OnceFunc(func() {
			ledger.bump(sold)
			cache.set(*ledger.lefts[sold])
		})
		ledger.read = once
		repairFor(t, a, time.Second)
		require.Empty(t, cache.replaced)
		require.Equal(t, int64(2), cache.version(sold))

		// A version the ledger has never had is.
		lost := *ledger.lefts[sold]
		lost.Version = 105
		cache.set(lost)
		repairFor(t, a, time.Second)
		require.Equal(t, int64(2), cache.version(sold))
	})
}

func TestRun_GoesOnAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, cache := newTruth(3), &redis{entries: map[rail.RunID]*rail.Availability{}}
		a := newAuditor(ledger, cache, election{})
		ledger.err = errors.New("the ledger is away")
		repairFor(t, a, time.Second)
		require.False(t, cache.loaded)
		ledger.err = nil
		repairFor(t, a, time.Second)
		require.Len(t, cache.entries, 3)
	})
}

func loadedPair(t *testing.T) (*truth, *redis, *audit.Auditor) {
	t.Helper()
	ledger, cache := newTruth(3), &redis{entries: map[rail.RunID]*rail.Availability{}, loaded: true}
	for _, left := range ledger.lefts {
		cache.set(*left)
	}
	return ledger, cache, newAuditor(ledger, cache, nil)
}

func TestVerify_DoesNotAccuseASaleInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, cache, a := loadedPair(t)
		sold := ledger.runs[1].ID
		ledger.bump(sold)
		looks := 0
		cache.looked = func() {
			// Redis is always one sale behind, and always on its way.
			if looks++; looks < 30 {
				cache.set(*ledger.lefts[sold])
				ledger.bump(sold)
			}
		}
		report, err := a.Verify(t.Context())
		require.NoError(t, err)
		require.True(t, report.OK, "%v", report.Defects)
		require.Equal(t, 3, report.Runs)
	})
}

func TestVerify_AccusesARedisThatStaysBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, _, a := loadedPair(t)
		ledger.bump(ledger.runs[2].ID)
		report, err := a.Verify(t.Context())
		require.NoError(t, err)
		require.Equal(t, []audit.Defect{{
			Check: audit.CheckRedis, Run: ledger.runs[2].ID, Message: "Redis stays at version 1, the ledger is at 2",
		}}, report.Defects)
	})
}

func TestVerify_CannotLook(t *testing.T) {
	ledger, _, a := loadedPair(t)
	ledger.err = errors.New("the ledger is away")
	_, err := a.Verify(t.Context())
	require.ErrorIs(t, err, ledger.err)
}
