package search_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/search"
)

func TestTimetable_BeforeItIsLoaded(t *testing.T) {
	timetable := search.NewTimetable(&fakeLedger{})
	require.False(t, timetable.Loaded())
	require.Zero(t, timetable.Number())
	_, ok := timetable.Run("G1@2019-10-12")
	require.False(t, ok)
	_, ok = timetable.Station("VNP")
	require.False(t, ok)

	require.NoError(t, timetable.Refresh(t.Context()))
	require.True(t, timetable.Loaded(), "a railway that has published nothing is loaded too")
}

func TestTimetable_IncrementsReplaceAndAdd(t *testing.T) {
	g1, g2 := trainOf("G1", at("VNP", 9, 0), at("AOH", 13, 48)), trainOf("G2", at("AOH", 9, 0), at("VNP", 13, 48))
	timetable, l := loaded(t, stationsOf("VNP", "AOH"), runsOf(g1, today, 3)...)
	require.EqualValues(t, 1, timetable.Number())

	before, _ := timetable.Run("G1@2019-10-12")
	suspended := withStatus(before, rail.Suspended)
	l.publish(nil, suspended)
	l.publish([]*rail.Station{{Code: "VNP", Name: "北京南", TimeZone: shanghai}}, runOf(g2, tomorrow))
	_, readsBefore := l.counted()
	require.NoError(t, timetable.Refresh(t.Context()))
	require.NoError(t, timetable.Refresh(t.Context()))
	_, readsAfter := l.counted()
	require.Equal(t, 1, readsAfter-readsBefore, "changes are read once, and not at all when nothing was published")

	require.EqualValues(t, 3, timetable.Number())
	now, _ := timetable.Run("G1@2019-10-12")
	require.Same(t, suspended, now)
	require.Equal(t, rail.Published, before.Status, "whoever had the run keeps what they had")
	_, ok := timetable.Run("G2@2019-10-12")
	require.True(t, ok)
	_, ok = timetable.Run("G2@2019-10-13")
	require.False(t, ok)
	station, _ := timetable.Station("VNP")
	require.Equal(t, "北京南", station.Name)
	stations, runs := timetable.Size()
	require.Equal(t, []int{2, 4}, []int{stations, runs})
}

func TestTimetable_RunIDs(t *testing.T) {
	long := strings.Repeat("北", 100)
	var runs []*rail.Run
	for _, number := range []string{"G1", "D305/D308", "a@b", "50%", long} {
		runs = append(runs, runOf(trainOf(number, at("VNP", 9, 0), at("AOH", 13, 48)), today))
	}
	timetable, _ := loaded(t, stationsOf("VNP", "AOH"), runs...)
	for _, run := range runs {
		found, _ := timetable.Run(run.ID)
		require.Same(t, run, found, run.ID)
		found, _ = timetable.RunOf(run.Train.Number, today)
		require.Same(t, run, found, run.ID)
	}
	for _, id := range []rail.RunID{
		"", "@", "G1", "G1@", "G1@2019-10-12", "G1@2019-10-1", "g1@2019-10-11",
		"G1@2019-10-11 ",
	} {
		_, ok := timetable.Run(id)
		require.False(t, ok, id)
	}
}

func TestTimetable_RunOfAliases(t *testing.T) {
	calls := []rail.Call{at("VNP", 9, 0), at("AOH", 13, 48)}
	both, exact, other := trainOf("D305/D308", calls...), trainOf("D305", calls...), trainOf("D305/D310", calls...)
	timetable, l := loaded(t, stationsOf("VNP", "AOH"), runOf(both, today), runOf(both, tomorrow),
		runOf(exact, tomorrow))
	number := func(asked string, date rail.Date) string {
		run, ok := timetable.RunOf(asked, date)
		if !ok {
			return ""
		}
		return run.Train.Number
	}
	require.Equal(t, "D305/D308", number("D305", today))
	require.Equal(t, "D305/D308", number("D308", today))
	require.Equal(t, "D305/D308", number("D305/D308", today))
	require.Equal(t, "D305", number("D305", tomorrow), "the exact number goes before an alias")
	require.Equal(t, "D305/D308", number("D308", tomorrow))
	require.Empty(t, number("D309", today))
	require.Empty(t, number("D305", today.AddDays(9)))

	l.publish(nil, withStatus(runOf(exact, tomorrow), rail.Withdrawn), withStatus(runOf(both, today), rail.Withdrawn))
	require.NoError(t, timetable.Refresh(t.Context()))
	require.Equal(t, "D305/D308", number("D305", tomorrow), "what runs goes before what was withdrawn")
	require.Equal(t, "D305/D308", number("D305", today), "what was withdrawn stays readable")

	l.publish(nil, runOf(other, today))
	require.NoError(t, timetable.Refresh(t.Context()))
	require.Equal(t, "D305/D310", number("D305", today))
	require.Equal(t, "D305/D310", number("D310", today))
}

func TestTimetable_LongPastRunsStay(t *testing.T) {
	run := runOf(trainOf("G1", at("VNP", 9, 0), at("AOH", 13, 48)), today.AddDays(-4_000))
	timetable, _ := loaded(t, stationsOf("VNP", "AOH"), run)
	found, _ := timetable.Run(run.ID)
	require.Same(t, run, found)
}

func TestTimetable_LedgerWasPutBack(t *testing.T) {
	g1 := trainOf("G1", at("VNP", 9, 0), at("AOH", 13, 48))
	timetable, l := loaded(t, stationsOf("VNP", "AOH"), runOf(g1, today))
	l.publish(nil, runOf(g1, tomorrow))
	require.NoError(t, timetable.Refresh(t.Context()))
	l.set(func(l *fakeLedger) { l.publications = l.publications[:1] })
	require.NoError(t, timetable.Refresh(t.Context()))
	require.EqualValues(t, 1, timetable.Number())
	_, ok := timetable.Run(rail.NewRunID("G1", tomorrow))
	require.False(t, ok, "what the ledger does not know is not on sale")
}

func TestTimetable_LedgerFails(t *testing.T) {
	timetable, l := loaded(t, stationsOf("VNP"))
	down := rail.Refuse(rail.Unavailable, "down")
	l.publish(stationsOf("AOH"))
	l.set(func(l *fakeLedger) { l.err = down })
	require.Same(t, down, timetable.Refresh(t.Context()), "errors go up unchanged")
	require.EqualValues(t, 1, timetable.Number())
	_, ok := timetable.Station("VNP")
	require.True(t, ok, "the last timetable stays")
}

// After publishing, a refresh must bring what was published. So it does not share one that had begun before.
func TestRefresh_BeginsAfterTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		l := &fakeLedger{gate: gate}
		timetable := search.NewTimetable(l)
		var callers sync.WaitGroup
		callers.Go(func() { _ = timetable.Refresh(t.Context()) })
		synctest.Wait() // The first has read the number, and is kept.

		l.publish(stationsOf("VNP"))
		for range 100 {
			callers.Go(func() {
				err := timetable.Refresh(t.Context())
				_, ok := timetable.Station("VNP")
				if err != nil || !ok {
					t.Errorf("a refresh after the publication did not show it: %v", err)
				}
			})
		}
		synctest.Wait()
		close(gate)
		callers.Wait()
		asks, reads := l.counted()
		require.Equal(t, 2, asks, "100 calls share one refresh, after the one that was under way")
		require.LessOrEqual(t, reads, 2)
	})
}

func TestRefresh_FirstCallerGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		l := &fakeLedger{gate: gate}
		l.publish(stationsOf("VNP"))
		timetable := search.NewTimetable(l)
		var callers sync.WaitGroup
		impatient, cancel := context.WithCancel(t.Context())
		for range 2 {
			// The second waits for its turn, and goes away too.
			callers.Go(func() {
				if err := timetable.Refresh(impatient); !errors.Is(err, context.Canceled) {
					t.Errorf("want context.Canceled, got %v", err)
				}
			})
			synctest.Wait()
		}
		for range 10 {
			callers.Go(func() {
				if err := timetable.Refresh(t.Context()); err != nil {
					t.Errorf("another caller's cancel came through: %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		callers.Wait()
		require.True(t, timetable.Loaded())
	})
}

func TestRefresh_OwnDeadlineHoldsWhileOthersWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		timetable := search.NewTimetable(&fakeLedger{gate: gate})
		var callers sync.WaitGroup
		for range 2 {
			callers.Go(func() { _ = timetable.Refresh(t.Context()) })
			synctest.Wait()
		}
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, timetable.Refresh(limited), context.DeadlineExceeded)
		close(gate)
		callers.Wait()
	})
}

func TestWatch_ShowsAPublicationWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLedger{}
		timetable := search.NewTimetable(l)
		changed := 0
		timetable.Changed = func() { changed++ }
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		wake := make(chan struct{}, 1)
		watching.Go(func() { timetable.Watch(ctx, search.DefaultInterval, wake) })
		synctest.Wait()
		require.True(t, timetable.Loaded(), "it loads at once")

		l.publish(stationsOf("VNP"))
		<-time.After(time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, timetable.Number())

		l.publish(stationsOf("AOH"))
		wake <- struct{}{}
		synctest.Wait()
		require.EqualValues(t, 2, timetable.Number(), "woken, it looks at once")
		require.Equal(t, 3, changed)

		cancel()
		watching.Wait()
	})
}

func TestWatch_GoesOnWhenTheLedgerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLedger{err: errors.New("down")}
		timetable := search.NewTimetable(l)
		var log bytes.Buffer
		timetable.Log = slog.New(slog.NewTextHandler(&log, nil))
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { timetable.Watch(ctx, search.DefaultInterval, nil) })
		<-time.After(time.Minute)
		synctest.Wait()
		require.False(t, timetable.Loaded())
		l.set(func(l *fakeLedger) { l.err = nil })
		<-time.After(time.Second)
		synctest.Wait()
		require.True(t, timetable.Loaded())
		cancel()
		watching.Wait()
		require.Equal(t, 2, strings.Count(log.String(), "\n"), "a minute's failure is told once, its end once:\n%s",
			log.String())
	})
}
