package search_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
	"interlock/services/search"
)

var modelStations = []rail.StationCode{"A", "B", "C", "D", "E", "F"}

var modelZones = []string{shanghai, "Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati"}

// drawTrain draws a train that may call at a station again and again, over up to three days.
func drawTrain(t *rapid.T, number string) *rail.Train {
	seconds := int32(0)
	var calls []rail.Call
	for range rapid.IntRange(2, 7).Draw(t, "calls") {
		seconds += int32(rapid.IntRange(0, 12*60).Draw(t, "minutes")) * 60
		call := at(rapid.SampledFrom(modelStations).Draw(t, "station"), 0, 0)
		call.ArrivalSeconds, call.DepartureSeconds = seconds, seconds
		call.NoBoarding = rapid.IntRange(0, 9).Draw(t, "noBoarding") == 0
		call.NoAlighting = rapid.IntRange(0, 9).Draw(t, "noAlighting") == 0
		calls = append(calls, call)
	}
	return trainIn(rapid.SampledFrom(modelZones).Draw(t, "zone"), number, calls...)
}

// naive finds by looking at every run and every two stations.
func naive(runs map[rail.RunID]*rail.Run, zones map[rail.StationCode]*time.Location, q search.Query) []string {
	type found struct {
		departure time.Time
		number    string
		date      rail.Date
		from      int
		line      string
	}
	var all []found
	for _, run := range runs {
		var pairs []rail.CallPair
		for _, from := range q.From {
			for _, to := range q.To {
				for _, pair := range run.Train.CallPairs(from, to) {
					if run.Status != rail.Withdrawn && q.Now.Before(run.SaleClosesAt(pair.From)) &&
						rail.DateIn(run.Departure(pair.From), zones[from]) == q.Date {
						pairs = append(pairs, pair)
					}
				}
			}
		}
		for _, pair := range pairs {
			if slices.ContainsFunc(pairs, func(other rail.CallPair) bool {
				return other != pair && other.From >= pair.From && other.To <= pair.To
			}) {
				continue // The other is within it.
			}
			all = append(all, found{
				run.Departure(pair.From), run.Train.Number, run.Date, pair.From,
				fmt.Sprint(run.ID, " ", pair.From, " ", pair.To),
			})
		}
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(a.departure.Compare(b.departure), cmp.Compare(a.number, b.number), cmp.Compare(a.date, b.date),
			cmp.Compare(a.from, b.from), cmp.Compare(a.line, b.line))
	})
	lines := []string{}
	for _, f := range all {
		lines = append(lines, f.line)
	}
	return lines
}

// A search finds what looking at every run finds, and every run stays readable: in whatever steps the runs were
// published, and however many of them are past.
func TestFind_IsWhatLookingAtEveryRunFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stations []*rail.Station
		zones := map[rail.StationCode]*time.Location{}
		for _, code := range modelStations {
			name := rapid.SampledFrom(modelZones).Draw(t, "zone")
			stations = append(stations, &rail.Station{Code: code, Name: string(code), TimeZone: name})
			zones[code] = zone(name)
		}
		l := &fakeLedger{}
		l.publish(stations)
		timetable := search.NewTimetable(l)
		// Up to two days after what the searches below call now: what is packed until then, none of them finds.
		clock := noon.Add(-24 * time.Hour)
		timetable.Now = func() time.Time { return clock }
		finder := search.NewFinder(timetable, &availability{}, nil)
		runs := map[rail.RunID]*rail.Run{}
		trains := []*rail.Train{}
		for range rapid.IntRange(1, 6).Draw(t, "publications") {
			var published []*rail.Run
			for range rapid.IntRange(0, 6).Draw(t, "runs") {
				if len(trains) == 0 || rapid.Bool().Draw(t, "newTrain") {
					trains = append(trains, drawTrain(t,
						rapid.SampledFrom([]string{"1", "10", "2", "2/3"}).Draw(t, "number")))
				}
				run := runOf(rapid.SampledFrom(trains).Draw(t, "train"),
					today.AddDays(rapid.IntRange(-4, 4).Draw(t, "day")))
				run.Status = rapid.SampledFrom([]rail.RunStatus{
					rail.Published, rail.Published, rail.Suspended,
					rail.Withdrawn,
				}).Draw(t, "status")
				switch rapid.IntRange(0, 2).Draw(t, "opens") {
				case 0:
					run.SaleOpensAt = noon.Add(time.Duration(run.Date-today-15) * 24 * time.Hour)
				case 1:
					run.SaleOpensAt = noon.Add(time.Duration(run.Date%3) * time.Hour)
				}
				run.Reason = rapid.SampledFrom([]string{"", "snow"}).Draw(t, "reason")
				published = append(published, run)
				runs[run.ID] = run
			}
			l.publish(nil, published...)
			clock = clock.Add(time.Duration(rapid.IntRange(0, 8).Draw(t, "later")) * time.Hour)
			if rapid.Bool().Draw(t, "refresh") {
				require.NoError(t, timetable.Refresh(context.Background()))
			}
		}
		require.NoError(t, timetable.Refresh(context.Background()))

		for id, run := range runs {
			got, _ := timetable.Run(id)
			require.Equal(t, run, got)
		}
		listed, _ := timetable.Runs(search.RunFilter{From: 1}, noon, nil, 1_000)
		require.Len(t, listed, len(runs))
		for i, run := range listed {
			require.Equal(t, runs[run.ID], run)
			require.True(t, i == 0 || listed[i-1].Date <= run.Date)
		}
		for range 4 {
			mixed := rapid.Permutation(modelStations).Draw(t, "stations")
			split := rapid.IntRange(1, len(mixed)-1).Draw(t, "split")
			until := rapid.IntRange(split+1, len(mixed)).Draw(t, "until")
			q := search.Query{
				From: mixed[:split], To: mixed[split:until], Date: today.AddDays(rapid.IntRange(0, 4).Draw(t, "date")),
				Now:   noon.Add(time.Duration(rapid.IntRange(-24, 24).Draw(t, "hours")) * time.Hour),
				First: search.MaxFirst,
			}
			result, err := finder.Find(context.Background(), q)
			if rail.CodeOf(err) == rail.BadUserInput {
				continue // the date is past
			}
			require.NoError(t, err)
			got := []string{}
			for _, o := range result.Offers {
				got = append(got, fmt.Sprint(o.Run.ID, " ", o.From, " ", o.To))
			}
			require.Equal(t, naive(runs, zones, q), got)
		}
	})
}

// Readers and publications at the same time: each search answers from one publication. Every publication suspends all
// runs or resumes all, so a mixture would show.
func TestFind_AnswersFromOnePublication(t *testing.T) {
	var calls []rail.Call
	for i, code := range modelStations {
		calls = append(calls, at(code, 13+i, 0))
	}
	var runs, suspended []*rail.Run
	for i := range 20 {
		run := runOf(trainOf(strings.Repeat("G", i+1), calls...), today)
		runs, suspended = append(runs, run), append(suspended, withStatus(run, rail.Suspended))
	}
	timetable, l := loaded(t, stationsOf(modelStations...), runs...)
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			finder := search.NewFinder(timetable, &availability{}, nil)
			for {
				select {
				case <-done:
					return
				default:
				}
				result, err := finder.Find(t.Context(), query("A", "F", today))
				if err != nil || len(result.Offers) != 20 {
					t.Errorf("%d offers, %v", len(result.Offers), err)
					return
				}
				for _, o := range result.Offers {
					if _, ok := timetable.Run(o.Run.ID); !ok {
						t.Errorf("%s is gone", o.Run.ID)
					}
					if o.Run.Status != result.Offers[0].Run.Status {
						t.Error("one search shows two publications")
						return
					}
				}
			}
		})
	}
	for i := range 100 {
		l.publish(nil, [][]*rail.Run{suspended, runs}[i%2]...)
		// A new train each time, so that the indexes grow under the readers.
		l.publish(nil, runOf(trainOf(fmt.Sprint("K", i), calls[1], calls[0]), today))
		require.NoError(t, timetable.Refresh(t.Context()))
	}
	close(done)
	readers.Wait()
}
