package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
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
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/lock"
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
	// damaged cannot be read.
	damaged map[rail.RunID]bool
	// wholeReads counts pages, touchedReads the looks at what was touched.
	wholeReads, touchedReads int
}

func newTruth(n int) *truth {
	t := &truth{lefts: map[rail.RunID]*rail.Availability{}, damaged: map[rail.RunID]bool{}}
	for i := range n {
		run := ledgertest.NewRun(ledgertest.NewTrain("T"+strconv.Itoa(100+i)), rail.NewDate(2030, 1, 1))
		t.runs = append(t.runs, run)
		t.lefts[run.ID] = &rail.Availability{
			RunID: run.ID, TrainID: run.Train.ID, Version: 1, Status: rail.Published,
			Counts: free(run),
		}
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

// page is at most limit runs after one that can be read, beside an error that names the others that were met.
func (t *truth) page(after rail.RunID, limit int) ([]*rail.Run, error) {
	from, found := slices.BinarySearchFunc(t.runs, after, func(r *rail.Run, id rail.RunID) int {
		return strings.Compare(string(r.ID), string(id))
	})
	if found {
		from++
	}
	return t.readable(t.runs[from:], limit)
}

// readable are at most limit of some runs that can be read, beside an error that names the first and the last of the
// others before them.
func (t *truth) readable(runs []*rail.Run, limit int) ([]*rail.Run, error) {
	var damaged, healthy []*rail.Run
	for _, run := range runs {
		if len(healthy) == limit {
			break
		}
		if t.damaged[run.ID] {
			damaged = append(damaged, run)
		} else {
			healthy = append(healthy, run)
		}
	}
	if len(damaged) == 0 {
		return healthy, nil
	}
	return healthy, fmt.Errorf("%d runs from %s to %s cannot be read", len(damaged), damaged[0].ID,
		damaged[len(damaged)-1].ID)
}

func (t *truth) Touched(context.Context, time.Duration) ([]*rail.Availability, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.touchedReads++
	if t.err != nil {
		return nil, t.err
	}
	var runs []*rail.Run
	for _, run := range t.runs {
		if slices.Contains(t.touched, run.ID) {
			runs = append(runs, run)
		}
	}
	runs, err := t.readable(runs, len(runs))
	return t.left(runs), err
}

func (t *truth) Left(_ context.Context, ids []rail.RunID) ([]*rail.Availability, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return nil, t.err
	}
	var runs []*rail.Run
	for _, run := range t.runs {
		if slices.Contains(ids, run.ID) {
			runs = append(runs, run)
		}
	}
	runs, err := t.readable(runs, len(runs))
	return t.left(runs), err
}

func (t *truth) left(runs []*rail.Run) []*rail.Availability {
	var lefts []*rail.Availability
	for _, run := range runs {
		lefts = append(lefts, t.lefts[run.ID])
	}
	return lefts
}

func (t *truth) Availabilities(_ context.Context, after rail.RunID, limit int) ([]*rail.Availability, error) {
	t.mu.Lock()
	t.wholeReads++
	runs, err := t.page(after, limit)
	lefts := t.left(runs)
	read := t.read
	if t.err != nil {
		lefts, err = nil, t.err
	}
	t.mu.Unlock()
	if read != nil {
		read()
	}
	return lefts, err
}

// AuditSnapshots implements audit.Ledger: those that cannot be read are told as such.
func (t *truth) AuditSnapshots(_ context.Context, after rail.RunID, limit int) iter.Seq2[*ledger.AuditSnapshot, error] {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.err
	var snapshots []*ledger.AuditSnapshot
	for _, run := range t.runs {
		switch {
		case run.ID <= after || len(snapshots) == limit:
		case t.damaged[run.ID]:
			snapshots = append(snapshots, &ledger.AuditSnapshot{
				ID: run.ID, Version: 1,
				Problem: errors.New("it is damaged"),
			})
		default:
			snapshots = append(snapshots, &ledger.AuditSnapshot{
				ID: run.ID, Run: run, Version: t.lefts[run.ID].Version, Now: time.Now(),
				Row: ledger.RunRow{
					TrainNumber: run.Train.Number, TouchedAt: time.Now(), Publication: 1,
					Did: ledger.DidPublish,
				},
			})
		}
	}
	return func(yield func(*ledger.AuditSnapshot, error) bool) {
		for _, b := range snapshots {
			if err != nil || !yield(b, nil) {
				break
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// The other tables are empty.

func none[T any](func(T, error) bool) {}

func (t *truth) Trains(context.Context) iter.Seq2[ledger.WrittenTrain, error] { return none }

func (t *truth) Formations(context.Context) iter.Seq2[ledger.WrittenFormation, error] { return none }

func (t *truth) Publications(context.Context) iter.Seq2[ledger.WrittenPublication, error] {
	return none
}

func (t *truth) PublicationNumber(context.Context) (int64, error) { return 0, nil }

func (t *truth) StationRows(context.Context) ([]ledger.WrittenStation, error) { return nil, nil }

func (t *truth) Strays(context.Context) ([]ledger.Stray, error) { return nil, nil }

func (t *truth) Asked(context.Context, time.Duration) (ledger.WrittenAsked, error) {
	return ledger.WrittenAsked{}, nil
}

func (t *truth) Records(context.Context, time.Duration) ([]ledger.WrittenRecord, error) {
	return nil, nil
}

func (t *truth) OutboxRows(context.Context) iter.Seq2[*ledger.WrittenOutboxRow, error] {
	return none
}

func (t *truth) OrderPayments(context.Context, []string) (map[string]ledger.OrderPayment, error) {
	return nil, nil
}
func (t *truth) NotedKeys(context.Context) ([]string, error) { return nil, nil }
func (t *truth) Cluster(context.Context) (*ledger.WrittenCluster, error) {
	return &ledger.WrittenCluster{}, nil
}

func (t *truth) JumpVersions(context.Context) (int, error) { return 0, errors.ErrUnsupported }

// redis is a cache in memory.
type redis struct {
	mu       sync.Mutex
	entries  map[rail.RunID]*rail.Availability
	loaded   bool
	replaced []rail.RunID
	// losses counts how often it lost its data.
	losses int
	// looked is called before each look, filled after each load.
	looked, filled func()
}

// flush loses everything.
func (r *redis) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.entries)
	r.loaded = false
	r.losses++
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
	if r.filled != nil {
		defer r.filled()
	}
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

func (r *redis) BeginLoad(context.Context) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint("data ", r.losses), nil
}

func (r *redis) MarkLoaded(_ context.Context, data string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if data != fmt.Sprint("data ", r.losses) {
		return errors.New("the data is another")
	}
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

// election elects a repairer, unless err says that another one is elected, or that this cannot be known.
type election struct {
	err error
	// extended is called each time a term is, and says what comes of it.
	extended func() error
}

func (e election) Acquire(context.Context, string) (lock.Lease, error) {
	if e.err != nil {
		return nil, e.err
	}
	return term{e}, nil
}

type term struct{ election }

func (t term) Extend(context.Context) error {
	if t.extended == nil {
		return nil
	}
	return t.extended()
}
func (term) Until() time.Time { return time.Now().Add(time.Hour) }
func (term) Release()         {}

func newAuditor(t *truth, r *redis, lock audit.Lock) *audit.Auditor {
	a := &audit.Auditor{Ledger: t, Lock: lock, Runs: func() int {
		return len(t.runs)
	}, Log: slog.New(slog.DiscardHandler)}
	if r != nil {
		a.Cache = r
	}
	return a
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
		repairFor(t, newAuditor(ledger, cache, election{err: lock.ErrTaken}), time.Second)
		require.Zero(t, ledger.touchedReads+ledger.wholeReads)
		repairFor(t, newAuditor(ledger, cache, election{err: lock.ErrNoQuorum}), time.Second)
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

// A Redis that loses its data again while it is loaded must not be taken for a loaded one.
func TestRun_RedisLosesItsDataDuringAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, cache := newTruth(5_000), &redis{entries: map[rail.RunID]*rail.Availability{}}
		cache.filled = sync.OnceFunc(cache.flush) // after the first of three pages
		a := newAuditor(ledger, cache, election{})
		repairFor(t, a, 100*time.Millisecond)
		require.False(t, cache.loaded)
		require.Zero(t, a.Stats().Reloads)
		repairFor(t, a, 300*time.Millisecond)
		require.True(t, cache.loaded)
		require.Len(t, cache.entries, 5_000)
	})
}

func TestRun_StaysElectedDuringAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, cache := newTruth(5_000), &redis{entries: map[rail.RunID]*rail.Availability{}}
		loads, extensions := 0, 0
		cache.filled = func() { loads++ }
		repairFor(t, newAuditor(ledger, cache, election{extended: func() error {
			extensions++
			return nil
		}}), 100*time.Millisecond)
		require.Equal(t, 3, loads)
		require.Equal(t, 3, extensions, "once a page")
	})
}

// once elects a repairer for one term. After it, another one is elected.
type once struct{ acquired, over bool }

func (o *once) Acquire(context.Context, string) (lock.Lease, error) {
	if o.acquired {
		return nil, lock.ErrTaken
	}
	o.acquired = true
	return term{election{extended: func() error {
		if o.over {
			return errors.New("the term is over")
		}
		return nil
	}}}, nil
}

func TestRun_GivesAReloadUpToWhoIsElected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, cache := newTruth(5_000), &redis{entries: map[rail.RunID]*rail.Availability{}}
		lock := &once{}
		cache.filled = func() { lock.over = true }
		repairFor(t, newAuditor(ledger, cache, lock), time.Second)
		require.Len(t, cache.entries, 2_000, "one page")
		require.False(t, cache.loaded)
	})
}

// damages are the runs of a ledger of n that cannot be read, by where they are.
func damages(n int) map[string][]int {
	many := func(from, to int) (all []int) {
		for i := from; i < to; i++ {
			all = append(all, i)
		}
		return all
	}
	return map[string][]int{
		"one": {7}, "the first": {0}, "the last": {n - 1}, "first and last of a page": {99, 100},
		"more than a page of repair": many(100, 350), "more than a page of a reload": many(0, 2_100), "all": many(0, n),
	}
}

func TestRun_GoesPastRunsThatCannotBeRead(t *testing.T) {
	const n = 2_500
	for name, damaged := range damages(n) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ledger, cache := newTruth(n), &redis{entries: map[rail.RunID]*rail.Availability{}}
				for _, at := range damaged {
					ledger.damaged[ledger.runs[at].ID] = true
				}
				ledger.touched = []rail.RunID{ledger.runs[damaged[0]].ID}
				var log bytes.Buffer
				a := newAuditor(ledger, cache, election{})
				a.Log = slog.New(slog.NewTextHandler(&log, nil))
				repairFor(t, a, 100*time.Millisecond)
				require.Len(t, cache.entries, n-len(damaged), "all others are loaded")
				require.True(t, cache.loaded, "it would be loaded again for ever")
				require.Contains(t, log.String(), string(ledger.runs[damaged[0]].ID))

				var want []rail.RunID
				for _, at := range []int{1, 50, 98, 101, 400, 2_300, n - 2} {
					run := ledger.runs[at]
					if ledger.damaged[run.ID] {
						continue
					}
					wrong := *ledger.lefts[run.ID]
					wrong.Counts = slices.Clone(wrong.Counts)
					wrong.Counts[0]++
					cache.set(wrong)
					want = append(want, run.ID)
				}
				repairFor(t, a, time.Minute)
				require.ElementsMatch(t, want, cache.replaced)

				// What was touched is repaired at once beside one that cannot be read.
				if len(damaged) < n {
					sold := ledger.runs[2_400].ID
					ledger.bump(sold)
					ledger.touched = append(ledger.touched, sold)
					repairFor(t, a, 10*time.Millisecond)
					require.Equal(t, int64(2), cache.version(sold))
				}

				log.Reset()
				repairFor(t, a, 2*time.Minute)
				require.LessOrEqual(t, bytes.Count(log.Bytes(), []byte("level=ERROR")), 5,
					"it is not told in every round")
				clear(ledger.damaged)
				repairFor(t, a, 2*time.Minute)
				require.Len(t, cache.entries, n, "what can be read again is repaired")
			})
		})
	}
}

func TestVerify_GoesPastRunsThatCannotBeRead(t *testing.T) {
	const n = 2_500
	for name, damaged := range damages(n) {
		t.Run(name, func(t *testing.T) {
			ledger := newTruth(n)
			named := map[rail.RunID]bool{}
			for _, at := range damaged {
				ledger.damaged[ledger.runs[at].ID] = true
			}
			report, err := newAuditor(ledger, nil, nil).Verify(t.Context())
			require.NoError(t, err)
			require.False(t, report.OK)
			require.Equal(t, n, report.Runs)
			require.Equal(t, len(damaged), len(report.Defects)+report.More)
			require.Len(t, report.Defects, min(len(damaged), 1_000), "a report is bounded")
			for _, d := range report.Defects {
				require.Equal(t, audit.CheckRun, d.Check)
				require.True(t, ledger.damaged[d.Run])
				named[d.Run] = true
			}
			require.Len(t, named, len(report.Defects))
		})
	}
}

func TestRebuild_GoesPastRunsThatCannotBeRead(t *testing.T) {
	for _, at := range []int{0, 1, 2} {
		ledger, cache := newTruth(3), &redis{entries: map[rail.RunID]*rail.Availability{}}
		ledger.damaged[ledger.runs[at].ID] = true
		runs, err := newAuditor(ledger, cache, nil).Rebuild(t.Context(), false)
		id := string(ledger.runs[at].ID)
		require.EqualError(t, err, "1 runs from "+id+" to "+id+" cannot be read", "said once")
		require.Equal(t, 2, runs)
		require.Len(t, cache.entries, 2)
		require.True(t, cache.loaded)
	}
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
