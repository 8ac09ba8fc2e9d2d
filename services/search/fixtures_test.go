package search_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/search"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shanghai = "Asia/Shanghai"

// The dates and the time that tests speak of: an ordinary Friday noon in China.
var (
	today    = rail.NewDate(2019, 10, 11)
	tomorrow = today.AddDays(1)
	noon     = time.Date(2019, 10, 11, 12, 0, 0, 0, zone(shanghai))
)

func zone(name string) *time.Location {
	loc, err := rail.LoadZone(name)
	if err != nil {
		panic(err)
	}
	return loc
}

// formation has two classes; what is on board does not matter to a search.
var formation = rail.NewFormation([]rail.Coach{
	{Number: "1", SeatClass: rail.First, Seats: []rail.Seat{{Label: "1A"}, {Label: "1C"}}},
	{Number: "2", SeatClass: rail.Second, Seats: []rail.Seat{{Label: "1A"}, {Label: "1B"}, {Label: "1C"}}},
})

// at is a call: hours and minutes after the start of the service date.
func at(code rail.StationCode, hour, minute int) rail.Call {
	seconds := int32(hour*3600 + minute*60)
	return rail.Call{Station: code, ArrivalSeconds: seconds, DepartureSeconds: seconds, Metres: rail.NoDistance}
}

func trainOf(number string, calls ...rail.Call) *rail.Train {
	return trainIn(shanghai, number, calls...)
}

func trainIn(zone, number string, calls ...rail.Call) *rail.Train {
	return rail.NewTrain(number, "G", zone, calls, formation, &rail.Fares{Currency: "CNY"})
}

// runOf is a run that is on sale since long.
func runOf(train *rail.Train, date rail.Date) *rail.Run {
	return &rail.Run{
		ID: rail.NewRunID(train.Number, date), Train: train, Date: date,
		SaleOpensAt: noon.AddDate(-1, 0, 0), ClosesBefore: 5 * time.Minute, Status: rail.Published,
	}
}

func runsOf(train *rail.Train, from rail.Date, days int) []*rail.Run {
	var runs []*rail.Run
	for day := range days {
		runs = append(runs, runOf(train, from.AddDays(day)))
	}
	return runs
}

func withStatus(run *rail.Run, status rail.RunStatus) *rail.Run {
	changed := *run
	changed.Status = status
	return &changed
}

func stationsOf(codes ...rail.StationCode) []*rail.Station {
	var stations []*rail.Station
	for _, code := range codes {
		stations = append(stations, &rail.Station{Code: code, Name: string(code), TimeZone: shanghai})
	}
	return stations
}

// fakeLedger is a ledger in memory. What it published is told again and again, as increments.
type fakeLedger struct {
	mu           sync.Mutex
	publications []ledger.TimetableChanges
	// reads counts the calls of Changes, asks those of PublicationNumber.
	reads, asks int
	err         error
	// gate, where it is set, stops PublicationNumber until it is written to or the context ends.
	gate chan struct{}
}

func (l *fakeLedger) publish(stations []*rail.Station, runs ...*rail.Run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.publications = append(l.publications, ledger.TimetableChanges{Stations: stations, Runs: runs})
}

func (l *fakeLedger) set(change func(*fakeLedger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func (l *fakeLedger) counted() (asks, reads int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asks, l.reads
}

func (l *fakeLedger) PublicationNumber(ctx context.Context) (int64, error) {
	l.mu.Lock()
	l.asks++
	gate := l.gate
	number, err := int64(len(l.publications)), l.err
	l.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return number, err
}

func (l *fakeLedger) Changes(_ context.Context, after int64) (*ledger.TimetableChanges, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	changes := &ledger.TimetableChanges{Number: int64(len(l.publications))}
	for _, p := range l.publications[after:] {
		changes.Stations = append(changes.Stations, p.Stations...)
		changes.Runs = append(changes.Runs, p.Runs...)
	}
	return changes, nil
}

// availability answers 7 of everything at version 3, unless told otherwise.
type availability struct {
	calls  int
	asks   []rail.Ask
	answer func(context.Context, []rail.Ask) ([]rail.Left, error)
}

func (a *availability) Remaining(ctx context.Context, asks []rail.Ask) ([]rail.Left, error) {
	a.calls++
	a.asks = slices.Clone(asks)
	if a.answer != nil {
		return a.answer(ctx, asks)
	}
	left := make([]rail.Left, len(asks))
	for i := range left {
		left[i] = rail.Left{Known: true, Version: 3, Status: asks[i].Run.Status, Counts: []uint16{7, 7}}
	}
	return left, nil
}

// loaded is a timetable with stations and runs in it.
func loaded(t *testing.T, stations []*rail.Station, runs ...*rail.Run) (*search.Timetable, *fakeLedger) {
	t.Helper()
	l := &fakeLedger{}
	l.publish(stations, runs...)
	timetable := search.NewTimetable(l)
	require.NoError(t, timetable.Refresh(t.Context()))
	return timetable, l
}

// told is what an offer says, in one line.
func told(o rail.Offer) string {
	return fmt.Sprintf("%s %s→%s", o.Run.ID, o.Run.Train.Calls[o.From].Station, o.Run.Train.Calls[o.To].Station)
}
