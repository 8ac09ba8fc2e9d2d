package search_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/search"
)

func query(from, to rail.StationCode, date rail.Date) search.Query {
	return search.Query{
		From: []rail.StationCode{from}, To: []rail.StationCode{to}, Date: date, Now: noon,
		First: search.MaxFirst,
	}
}

// find is what a query finds, one line an offer.
func find(t *testing.T, timetable *search.Timetable, q search.Query) []string {
	t.Helper()
	finder := search.NewFinder(timetable, &availability{}, nil)
	result, err := finder.Find(t.Context(), q)
	require.NoError(t, err)
	lines := []string{}
	for _, offer := range result.Offers {
		lines = append(lines, told(offer))
	}
	return lines
}

func TestFind_SortedByDepartureThenNumber(t *testing.T) {
	to := at("AOH", 23, 0)
	timetable, _ := loaded(
		t, stationsOf("VNP", "AOH", "NJH"),
		runOf(trainOf("G10", at("VNP", 9, 0), to), tomorrow), runOf(trainOf("G1", at("VNP", 9, 0), to), tomorrow),
		runOf(trainOf("G3", at("VNP", 7, 0), to), tomorrow),
		runOf(trainOf("G5", at("NJH", 5, 0), at("VNP", 8, 0), to), tomorrow),
		runOf(trainOf("G2", at("AOH", 8, 0), at("VNP", 12, 0)), tomorrow), // the other way
		runOf(trainOf("G7", at("VNP", 6, 0), at("NJH", 9, 0)), tomorrow),  // not as far
		runOf(trainOf("G9", at("VNP", 6, 0), to), today),                  // another day
	)
	require.Equal(t, []string{
		"G3@2019-10-12 VNP→AOH", "G5@2019-10-12 VNP→AOH", "G1@2019-10-12 VNP→AOH", "G10@2019-10-12 VNP→AOH",
	}, find(t, timetable, query("VNP", "AOH", tomorrow)))
	require.Empty(t, find(t, timetable, query("NJH", "AOH", today)))
	require.Empty(t, find(t, timetable, query("VNP", "AOH", tomorrow.AddDays(3_000))),
		"far ahead there is nothing, and no error")
}

func TestFind_DateIsThatOfBoarding(t *testing.T) {
	night := trainOf("D901", at("SZQ", 20, 0), at("WHN", 25, 10), at("BXP", 31, 0))
	long := trainOf("Z1", at("SZQ", 1, 0), at("WHN", 49, 0), at("BXP", 60, 0))
	timetable, _ := loaded(t, stationsOf("SZQ", "WHN", "BXP"),
		append(runsOf(night, today, 3), runsOf(long, today.AddDays(-2), 5)...)...)
	require.Equal(t, []string{"Z1@2019-10-12 SZQ→BXP", "D901@2019-10-12 SZQ→BXP"},
		find(t, timetable, query("SZQ", "BXP", tomorrow)))
	require.Equal(t, []string{"Z1@2019-10-10 WHN→BXP", "D901@2019-10-11 WHN→BXP"},
		find(t, timetable, query("WHN", "BXP", tomorrow)),
		"who boards after midnight asks for the day on their own calendar")
}

func TestFind_DateIsLocalAtTheStation(t *testing.T) {
	stations := []*rail.Station{
		{Code: "PEK", Name: "Beijing", TimeZone: shanghai},
		{Code: "ULN", Name: "Ulaanbaatar", TimeZone: "Asia/Ulaanbaatar"},
		{Code: "MOW", Name: "Moscow", TimeZone: "Europe/Moscow"},
	}
	// Leaves 02:00 on the 12th in Beijing's time: 21:00 on the 11th in Moscow.
	timetable, _ := loaded(t, stations,
		runOf(trainOf("K19", at("PEK", 1, 0), at("MOW", 2, 0), at("ULN", 30, 0)), tomorrow))
	require.Equal(t, []string{"K19@2019-10-12 MOW→ULN"}, find(t, timetable, query("MOW", "ULN", today)))
	require.Empty(t, find(t, timetable, query("MOW", "ULN", tomorrow)))
	require.Equal(t, []string{"K19@2019-10-12 PEK→ULN"}, find(t, timetable, query("PEK", "ULN", tomorrow)))
}

// In the night to 2020-03-29 clocks in Berlin go from 02:00 to 03:00, and that service day begins at 23:00.
func TestFind_ClocksChange(t *testing.T) {
	sunday := rail.NewDate(2020, 3, 29)
	train := trainIn("Europe/Berlin", "NJ1", at("BLS", 0, 10), at("HH", 3, 0))
	stations := []*rail.Station{
		{Code: "BLS", Name: "Berlin", TimeZone: "Europe/Berlin"},
		{Code: "HH", Name: "Hamburg", TimeZone: "Europe/Berlin"},
	}
	timetable, _ := loaded(t, stations, runsOf(train, sunday.AddDays(-1), 3)...)
	require.Equal(t, []string{"NJ1@2020-03-28 BLS→HH", "NJ1@2020-03-29 BLS→HH"},
		find(t, timetable, query("BLS", "HH", sunday.AddDays(-1))),
		"two runs leave on Saturday: at 00:10 and at 23:10")
	require.Empty(t, find(t, timetable, query("BLS", "HH", sunday)))
	require.Equal(t, []string{"NJ1@2020-03-30 BLS→HH"}, find(t, timetable, query("BLS", "HH", sunday.AddDays(1))))
}

func TestFind_WhatCannotBeHadIsLeftOut(t *testing.T) {
	to := at("AOH", 23, 0)
	run := func(number string, hour, minute int) *rail.Run {
		return runOf(trainOf(number, at("BJP", 11, 0), at("VNP", hour, minute), to), today)
	}
	notOpen := run("G5", 15, 0)
	notOpen.SaleOpensAt = noon.Add(time.Hour)
	timetable, _ := loaded(
		t, stationsOf("BJP", "VNP", "AOH"),
		run("G1", 11, 59), run("G2", 12, 5), run("G3", 12, 6),
		withStatus(run("G4", 14, 0), rail.Suspended), notOpen, withStatus(run("G6", 16, 0), rail.Withdrawn),
	)
	q := query("VNP", "AOH", today)
	require.Equal(t, []string{"G3@2019-10-11 VNP→AOH", "G4@2019-10-11 VNP→AOH", "G5@2019-10-11 VNP→AOH"},
		find(t, timetable, q),
		"departed, closed five minutes before departure, and withdrawn are out; suspended and not open are in")
	require.Empty(t, find(t, timetable, query("BJP", "AOH", today)),
		"the sale from the first call is closed on all of them")
	q.From = []rail.StationCode{"BJP", "VNP"}
	require.Len(t, find(t, timetable, q), 3, "where one call is closed, the other may still do")
}

func TestFind_SeveralStations(t *testing.T) {
	both := trainOf("G1", at("BJP", 9, 0), at("VNP", 9, 30), at("SHH", 13, 0), at("AOH", 13, 30))
	midnight := trainOf("G2", at("BJP", 23, 50), at("VNP", 24, 10), at("AOH", 30, 0))
	timetable, _ := loaded(t, stationsOf("BJP", "VNP", "SHH", "AOH"), runOf(both, tomorrow), runOf(midnight, tomorrow))
	q := query("BJP", "AOH", tomorrow)
	q.From, q.To = []rail.StationCode{"BJP", "VNP", "BJP"}, []rail.StationCode{"AOH", "SHH"}
	require.Equal(t, []string{"G1@2019-10-12 VNP→SHH", "G2@2019-10-12 BJP→AOH"}, find(t, timetable, q),
		"one offer a run: the last boarding on the date, the first alighting")
	q.Date++
	require.Equal(t, []string{"G2@2019-10-12 VNP→AOH"}, find(t, timetable, q))
}

func TestFind_StationCalledAtTwice(t *testing.T) {
	loop := trainOf("L1", at("A", 8, 0), at("X", 9, 0), at("Y", 10, 0), at("A", 24, 30), at("X", 25, 30))
	timetable, _ := loaded(t, stationsOf("A", "X", "Y"), runOf(loop, tomorrow))
	finder := search.NewFinder(timetable, &availability{}, nil)
	calls := func(date rail.Date, to ...rail.StationCode) []int {
		q := query("A", to[0], date)
		q.To = to
		result, err := finder.Find(t.Context(), q)
		require.NoError(t, err)
		var calls []int
		for _, offer := range result.Offers {
			calls = append(calls, offer.From, offer.To)
		}
		return calls
	}
	require.Equal(t, []int{3, 4}, calls(tomorrow+1, "X"), "board at the last call that reaches X")
	require.Equal(t, []int{0, 1}, calls(tomorrow, "X"), "and at the first, on its date")
	require.Equal(t, []int{0, 2}, calls(tomorrow, "Y"))
	require.Equal(t, []int{0, 1}, calls(tomorrow, "X", "Y"), "alight at the first that will do")
	require.Equal(t, []int{3, 4}, calls(tomorrow+1, "Y", "X"))
}

// A train that goes from A to B twice has an offer for each time, also over two pages, and until its sale closes.
func TestFind_ToAndFro(t *testing.T) {
	shuttle := trainOf("S1", at("A", 8, 0), at("B", 9, 0), at("A", 10, 0), at("B", 11, 0), at("A", 12, 0), at("B", 13, 0))
	between := trainOf("S2", at("A", 9, 0), at("B", 12, 30))
	timetable, _ := loaded(t, stationsOf("A", "B"), runOf(shuttle, tomorrow), runOf(between, tomorrow))
	finder := search.NewFinder(timetable, &availability{}, nil)
	asked := func(q search.Query) []string {
		var all []string
		for {
			result, err := finder.Find(t.Context(), q)
			require.NoError(t, err)
			for _, offer := range result.Offers {
				all = append(all, fmt.Sprint(offer.Run.Train.Number, " ", offer.From, "-", offer.To))
			}
			if !result.HasNext {
				return all
			}
			after := search.PlaceOf(result.Offers[len(result.Offers)-1])
			q.After = &after
		}
	}
	there := []string{"S1 0-1", "S2 0-1", "S1 2-3", "S1 4-5"}
	q := query("A", "B", tomorrow)
	require.Equal(t, there, asked(q))
	q.First = 1
	require.Equal(t, there, asked(q), "page by page")
	require.Equal(t, []string{"S1 1-2", "S1 3-4"}, asked(query("B", "A", tomorrow)))
	q.Now = runOf(shuttle, tomorrow).Departure(0)
	require.Equal(t, there[1:], asked(q), "the first has left")
}

func TestFind_NoBoardingNoAlighting(t *testing.T) {
	off, on := at("NJH", 12, 0), at("NJH", 12, 0)
	off.NoBoarding, on.NoAlighting = true, true
	timetable, _ := loaded(
		t, stationsOf("VNP", "NJH", "AOH"),
		runOf(trainOf("G1", at("VNP", 9, 0), off, at("AOH", 14, 0)), tomorrow),
		runOf(trainOf("G2", at("VNP", 10, 0), on, at("AOH", 14, 0)), tomorrow),
	)
	require.Equal(t, []string{"G1@2019-10-12 VNP→NJH"}, find(t, timetable, query("VNP", "NJH", tomorrow)))
	require.Equal(t, []string{"G2@2019-10-12 NJH→AOH"}, find(t, timetable, query("NJH", "AOH", tomorrow)))
}

func TestFind_AfterATrainWasChanged(t *testing.T) {
	old := trainOf("G1", at("VNP", 9, 0), at("AOH", 14, 0))
	changed := trainOf("G1", at("VNP", 9, 0), at("NJH", 12, 0))
	timetable, l := loaded(t, stationsOf("VNP", "NJH", "AOH"), runsOf(old, tomorrow, 2)...)
	l.publish(nil, runOf(changed, tomorrow))
	require.NoError(t, timetable.Refresh(t.Context()))
	require.Empty(t, find(t, timetable, query("VNP", "AOH", tomorrow)))
	require.Len(t, find(t, timetable, query("VNP", "NJH", tomorrow)), 1)
	require.Len(t, find(t, timetable, query("VNP", "AOH", tomorrow+1)), 1, "the other date stays as it was")
	l.publish(nil, runOf(old, tomorrow))
	require.NoError(t, timetable.Refresh(t.Context()))
	require.Len(t, find(t, timetable, query("VNP", "AOH", tomorrow)), 1)
	require.Empty(t, find(t, timetable, query("VNP", "NJH", tomorrow)))
}

func TestFind_BadInput(t *testing.T) {
	stations := append(stationsOf("VNP", "AOH"),
		&rail.Station{Code: "LAX", Name: "Los Angeles", TimeZone: "America/Los_Angeles"})
	timetable, _ := loaded(t, stations)
	finder := search.NewFinder(timetable, &availability{}, nil)
	many := slices.Repeat([]rail.StationCode{"VNP"}, search.MaxStations+1)
	for name, c := range map[string]struct {
		change func(*search.Query)
		paths  [][]string
	}{
		"nowhere to go from": {func(q *search.Query) { q.From = nil }, [][]string{{"from"}}},
		"nowhere to go to":   {func(q *search.Query) { q.To = nil }, [][]string{{"to"}}},
		"too many":           {func(q *search.Query) { q.From = many }, [][]string{{"from"}}},
		"unknown": {
			func(q *search.Query) { q.From = []rail.StationCode{"VNP", "XXX"}; q.To = []rail.StationCode{"vnp"} },
			[][]string{{"from", "1"}, {"to", "0"}},
		},
		"from = to": {func(q *search.Query) { q.To = []rail.StationCode{"AOH", "VNP"} }, [][]string{{"to", "1"}}},
		"past":      {func(q *search.Query) { q.Date = today - 1 }, [][]string{{"date"}}},
		"past there": {func(q *search.Query) {
			q.From = []rail.StationCode{"LAX"}
			q.Date = today - 2
		}, [][]string{{"date"}}},
		"no page":    {func(q *search.Query) { q.First = 0 }, [][]string{{"first"}}},
		"large page": {func(q *search.Query) { q.First = search.MaxFirst + 1 }, [][]string{{"first"}}},
	} {
		q := query("VNP", "AOH", tomorrow)
		c.change(&q)
		_, err := finder.Find(t.Context(), q)
		require.Error(t, err, name)
		var paths [][]string
		var several rail.Errors
		if errors.As(err, &several) {
			for _, e := range several {
				paths = append(paths, e.Path)
				require.Equal(t, rail.BadUserInput, e.Code, name)
			}
		} else {
			var one *rail.Error
			require.ErrorAs(t, err, &one, name)
			paths = append(paths, one.Path)
			require.Equal(t, rail.BadUserInput, one.Code, name)
		}
		require.Equal(t, c.paths, paths, name)
	}
	// Noon in China on the 11th is still the 10th in Los Angeles.
	q := query("LAX", "AOH", today-1)
	_, err := finder.Find(t.Context(), q)
	require.NoError(t, err, "today is that of the station, not of the server or the railway")
	q.From = []rail.StationCode{"VNP", "LAX"}
	_, err = finder.Find(t.Context(), q)
	require.NoError(t, err, "a date that is not over at one of the stations is not past")
}

func TestFind_BeforeTheTimetableIsLoaded(t *testing.T) {
	finder := search.NewFinder(search.NewTimetable(&fakeLedger{}), &availability{}, nil)
	_, err := finder.Find(t.Context(), query("VNP", "AOH", tomorrow))
	require.Equal(t, rail.Unavailable, rail.CodeOf(err))
}

func fiveTrains(t *testing.T) (*search.Timetable, *fakeLedger) {
	t.Helper()
	var runs []*rail.Run
	for _, number := range []string{"G1", "G2", "G3", "G4", "G5"} {
		runs = append(runs, runOf(trainOf(number, at("VNP", 9, int(number[1]-'0')/2), at("AOH", 14, 0)), tomorrow))
	}
	return loaded(t, stationsOf("VNP", "AOH", "NJH"), runs...)
}

func TestFind_Pages(t *testing.T) {
	timetable, _ := fiveTrains(t)
	finder := search.NewFinder(timetable, &availability{}, nil)
	whole, err := finder.Find(t.Context(), query("VNP", "AOH", tomorrow))
	require.NoError(t, err)
	require.Len(t, whole.Offers, 5)
	for first := 1; first <= 6; first++ {
		q := query("VNP", "AOH", tomorrow)
		q.First = first
		var paged []rail.Offer
		for {
			page, err := finder.Find(t.Context(), q)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Offers), first)
			paged = append(paged, page.Offers...)
			if !page.HasNext {
				break
			}
			after := search.PlaceOf(paged[len(paged)-1])
			q.After = &after
		}
		require.Equal(t, whole.Offers, paged, "by %d", first)
	}
}

func TestFind_AsksForAllAtOnceAndNeverTheLedger(t *testing.T) {
	timetable, l := fiveTrains(t)
	asks, reads := l.counted()
	left := &availability{}
	finder := search.NewFinder(timetable, left, nil)
	q := query("VNP", "AOH", tomorrow)
	q.First = 3
	result, err := finder.Find(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, 1, left.calls)
	require.Len(t, left.asks, 3, "only what is on the page")
	require.Equal(t, noon, result.AsOf)
	require.Equal(t, rail.Left{Known: true, Version: 3, Status: rail.Published, Counts: []uint16{7, 7}},
		result.Offers[0].Left)

	_, err = finder.Find(t.Context(), query("VNP", "NJH", tomorrow))
	require.NoError(t, err)
	require.Equal(t, 1, left.calls, "with nothing found there is nothing to ask")
	asksAfter, readsAfter := l.counted()
	require.Equal(t, []int{asks, reads}, []int{asksAfter, readsAfter})
}

func TestFind_StatusIsThatOfTheAvailability(t *testing.T) {
	timetable, _ := fiveTrains(t)
	left := &availability{answer: func(_ context.Context, asks []rail.Ask) ([]rail.Left, error) {
		answers := make([]rail.Left, len(asks))
		answers[0] = rail.Left{Known: true, Version: 9, Status: rail.Suspended, Counts: []uint16{0, 0}}
		return answers, nil
	}}
	finder := search.NewFinder(timetable, left, nil)
	result, err := finder.Find(t.Context(), query("VNP", "AOH", tomorrow))
	require.NoError(t, err)
	require.Equal(t, rail.RunSuspended, result.Offers[0].Run.StateAt(noon),
		"suspended before the timetable was read again")
	require.Equal(t, rail.RunOnSale, result.Offers[1].Run.StateAt(noon))
	require.False(t, result.Offers[1].Left.Known)
	run, _ := timetable.Run(result.Offers[0].Run.ID)
	require.Equal(t, rail.Published, run.Status, "the shared run is not touched")
}

func TestFind_AvailabilityFails(t *testing.T) { synctest.Test(t, availabilityFails) }

func availabilityFails(t *testing.T) {
	timetable, _ := fiveTrains(t)
	left := &availability{}
	down := func(context.Context, []rail.Ask) ([]rail.Left, error) { return nil, errors.New("down") }
	var log bytes.Buffer
	finder := search.NewFinder(timetable, left, slog.New(slog.NewTextHandler(&log, nil)))
	run, _ := timetable.Run(rail.NewRunID("G1", tomorrow))
	find := func(known bool) {
		t.Helper()
		result, err := finder.Find(t.Context(), query("VNP", "AOH", tomorrow))
		require.NoError(t, err)
		require.Len(t, result.Offers, 5)
		require.Equal(t, known, result.Offers[0].Left.Known)
		require.Equal(t, known, finder.Left(t.Context(), run, 0, 1, noon).Left.Known)
	}
	find(true)
	require.Empty(t, log.String())
	require.Zero(t, finder.Stats().Unanswered)

	left.answer = down
	find(false)
	find(false)
	require.Equal(t, 1, strings.Count(log.String(), "\n"), "told once, not by every search: %s", log.String())
	require.Contains(t, log.String(), "down")
	require.EqualValues(t, 4, finder.Stats().Unanswered)

	left.answer = nil
	find(true)
	left.answer = down
	find(false)
	left.answer = nil
	find(true)
	require.Equal(t, 1, strings.Count(log.String(), "\n"), "now and then is still one trouble: %s", log.String())
	require.EqualValues(t, 6, finder.Stats().Unanswered)
	<-time.After(time.Second)
	find(true)
	find(true)
	require.Equal(t, 2, strings.Count(log.String(), "\n"), "that it is over is told too: %s", log.String())
	require.Contains(t, log.String(), "works again")

	// Who goes away says nothing about the availability.
	left.answer = down
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := finder.Find(gone, query("VNP", "AOH", tomorrow))
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, finder.Left(gone, run, 0, 1, noon).Left.Known)
	require.EqualValues(t, 6, finder.Stats().Unanswered)
	require.Equal(t, 2, strings.Count(log.String(), "\n"), log.String())
}

func TestLeft_StatusIsThatOfTheAvailability(t *testing.T) {
	timetable, _ := fiveTrains(t)
	suspended := rail.Left{Known: true, Version: 9, Status: rail.Suspended, Counts: []uint16{0, 0}}
	finder := search.NewFinder(timetable, &availability{
		answer: func(context.Context, []rail.Ask) ([]rail.Left, error) { return []rail.Left{suspended}, nil },
	}, nil)
	run, _ := timetable.Run(rail.NewRunID("G1", tomorrow))
	snapshot := finder.Left(t.Context(), run, 0, 1, noon)
	require.Equal(t, suspended, snapshot.Left)
	require.Equal(t, rail.RunSuspended, snapshot.Run.StateAt(noon))
	require.Equal(t, noon, snapshot.AsOf)
	require.Equal(t, rail.Published, run.Status, "the shared run is not touched")
}

func TestFind_AvailabilityHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timetable, _ := fiveTrains(t)
		finder := search.NewFinder(timetable, &availability{
			answer: func(ctx context.Context, _ []rail.Ask) ([]rail.Left, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}, nil)
		run, _ := timetable.Run(rail.NewRunID("G1", tomorrow))
		began := time.Now()
		require.False(t, finder.Left(t.Context(), run, 0, 1, noon).Left.Known)
		require.LessOrEqual(t, time.Since(began), time.Second)

		began = time.Now()
		result, err := finder.Find(t.Context(), query("VNP", "AOH", tomorrow))
		require.NoError(t, err)
		require.Len(t, result.Offers, 5)
		require.LessOrEqual(t, time.Since(began), time.Second)

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = finder.Find(ctx, query("VNP", "AOH", tomorrow))
		require.ErrorIs(t, err, context.DeadlineExceeded, "who has gone away gets no half answer")
	})
}
