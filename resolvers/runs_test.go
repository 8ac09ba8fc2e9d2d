package resolvers_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/graph"
	"interlock/resolvers"
	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/search"
)

// published is a ledger that has published one thing.
type published ledger.TimetableChanges

func (p *published) PublicationNumber(context.Context) (int64, error) { return p.Number, nil }

func (p *published) Changes(context.Context, int64) (*ledger.TimetableChanges, error) {
	return (*ledger.TimetableChanges)(p), nil
}

// A train of the far west is listed by its own date, whatever that of the server is, and a cursor outlives midnight.
func TestRuns_FromTodayOn(t *testing.T) {
	formation := rail.NewFormation([]rail.Coach{
		{Number: "1", SeatClass: rail.Second, Seats: []rail.Seat{{Label: "1A"}}},
	})
	calls := []rail.Call{{Station: "A"}, {Station: "B", ArrivalSeconds: 3_600}}
	train := rail.NewTrain("P1", "", "Pacific/Pago_Pago", calls, formation, &rail.Fares{Currency: "USD"})
	ledger := &published{Number: 1}
	for day := range 6 {
		date := rail.NewDate(2019, 10, 9+day)
		ledger.Runs = append(ledger.Runs,
			&rail.Run{ID: rail.NewRunID("P1", date), Train: train, Date: date, Status: rail.Published})
	}
	timetable := search.NewTimetable(ledger)
	require.NoError(t, timetable.Refresh(t.Context()))
	now := time.Date(2019, 10, 11, 10, 59, 0, 0, time.UTC) // 23:59 of the day before there
	resolver := &resolvers.Resolver{
		Timetable: timetable, Cursors: resolvers.Cursors{Key: []byte("key")}, Now: func() time.Time { return now },
	}
	list := func(filter graph.RunFilter, after *string) []string {
		t.Helper()
		one := 1
		var found []string
		for {
			page, err := resolver.Query().Runs(t.Context(), filter, &one, after)
			require.NoError(t, err)
			for _, run := range page.Nodes {
				found = append(found, run.Date.String())
			}
			if !page.PageInfo.HasNextPage {
				return found
			}
			after = page.PageInfo.EndCursor
			now = now.Add(3 * time.Hour) // past midnight, of all zones in the end
		}
	}
	require.Equal(t, []string{"2019-10-10", "2019-10-11", "2019-10-12", "2019-10-13", "2019-10-14"},
		list(graph.RunFilter{}, nil))

	date := func(day int) *rail.Date { d := rail.NewDate(2019, 10, day); return &d }
	require.Equal(t, []string{"2019-10-09"}, list(graph.RunFilter{From: date(9)}, nil),
		"one day where only the first is given")
	require.Equal(t, []string{"2019-10-09", "2019-10-10"}, list(graph.RunFilter{From: date(9), Through: date(10)}, nil))
	now = time.Date(2019, 10, 12, 12, 0, 0, 0, time.UTC)
	require.Equal(t, []string{"2019-10-12", "2019-10-13"}, list(graph.RunFilter{Through: date(13)}, nil))
	epoch, last := rail.NewDate(1970, 1, 1), rail.NewDate(9999, 12, 31)
	require.Len(t, list(graph.RunFilter{From: &epoch, Through: &last}, nil), len(ledger.Runs),
		"a first date is a first date")
	one := 1
	_, err := resolver.Query().Runs(t.Context(), graph.RunFilter{From: date(9), Through: date(8)}, &one, nil)
	require.ErrorContains(t, err, "through is before from")
}
