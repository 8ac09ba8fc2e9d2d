package publish_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/ledger"
	"interlock/services/publish"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// monday is the moment most tests happen: 09:00 on Monday, 2 March 2026, in China.
var monday = time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC)

// fakeLedger keeps to the contract in ports.go, in memory.
type fakeLedger struct {
	stations map[rail.StationCode]*rail.Station
	runs     map[rail.RunID]*fakeRun
	// number rises with every publication; writes counts the calls that may write.
	number, writes, rehearsals int
	// lost makes every call that writes lose its answer: it has been done, and nobody knows.
	lost bool
	// failWrites makes Publish fail once so many calls have written.
	failAfter int
	failWith  error
	largest   int
	by        []string
}

type fakeRun struct {
	run     rail.Run
	version int64
	orders  []*rail.Order
	// ended are the orders that its withdrawal ended.
	ended []*rail.Order
	// damaged says that its seat maps cannot be read.
	damaged bool
}

// answer is what a call that has written says.
func (l *fakeLedger) answer() error {
	if l.lost {
		return fmt.Errorf("%w: %w", ledger.ErrInDoubt, context.DeadlineExceeded)
	}
	return nil
}

func (l *fakeLedger) Stations(context.Context) ([]*rail.Station, error) {
	var all []*rail.Station
	for _, station := range l.stations {
		all = append(all, station)
	}
	return all, nil
}

func (l *fakeLedger) PutStations(_ context.Context, stations []*rail.Station, by string) (changed int, err error) {
	l.writes++
	l.by = append(l.by, by)
	for _, station := range stations {
		if was := l.stations[station.Code]; was == nil || !reflect.DeepEqual(was, station) {
			copied := *station
			l.stations[station.Code] = &copied
			changed++
		}
	}
	if changed > 0 {
		l.number++
	}
	return changed, l.answer()
}

func (l *fakeLedger) Publish(
	ctx context.Context, runs []*rail.Run, by string, validateOnly bool,
) ([]ledger.Publication, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if validateOnly {
		l.rehearsals++
	} else {
		if l.failWith != nil && l.failAfter == 0 {
			return nil, l.failWith
		}
		l.failAfter--
		l.writes++
		l.by = append(l.by, by)
		l.largest = max(l.largest, len(runs))
	}
	publications := make([]ledger.Publication, len(runs))
	for i, run := range runs {
		copied := *run
		was := l.runs[run.ID]
		publications[i] = ledger.Publication{Run: &copied, Version: 1, Outcome: ledger.RunCreated}
		if was == nil {
			continue
		}
		publications[i].Version, publications[i].Outcome = was.version, ledger.RunUnchanged
		if was.run.Train.ID == run.Train.ID && was.run.SaleOpensAt.Equal(run.SaleOpensAt) &&
			was.run.ClosesBefore == run.ClosesBefore && was.run.Status != rail.Withdrawn {
			copied.Status, copied.Reason = was.run.Status, was.run.Reason
			continue
		}
		if len(was.orders) > 0 {
			return nil, rail.Refuse(rail.RunHasOrders, "the run %s has orders and cannot be changed", run.ID)
		}
		publications[i].Version, publications[i].Outcome = was.version+1, ledger.RunChanged
	}
	if validateOnly {
		return publications, nil
	}
	l.number++
	for _, publication := range publications {
		if publication.Outcome != ledger.RunUnchanged {
			l.runs[publication.Run.ID] = &fakeRun{run: *publication.Run, version: publication.Version}
		}
	}
	return publications, l.answer()
}

func (l *fakeLedger) SetStatus(
	_ context.Context, id rail.RunID, status rail.RunStatus, reason, by string,
) (*rail.Availability, error) {
	l.writes++
	l.by = append(l.by, by)
	was := l.runs[id]
	switch {
	case was == nil:
		return nil, rail.Refuse(rail.NotFound, "there is no run %s", id)
	case was.run.Status == rail.Withdrawn:
		return nil, rail.Refuse(rail.WrongState, "the run %s was withdrawn", id)
	case was.run.Status != status:
		was.version++
		was.run.Status, was.run.Reason = status, reason
		if status == rail.Published {
			was.run.Reason = ""
		}
	}
	left := &rail.Availability{
		RunID: id, TrainID: was.run.Train.ID, Version: was.version, Status: was.run.Status,
		Counts: []uint16{7},
	}
	if was.damaged {
		left.Counts = nil
	}
	return left, l.answer()
}

func (l *fakeLedger) Withdraw(
	_ context.Context, id rail.RunID, reason, by string, cancelOrders bool,
) (*rail.Availability, []*rail.Order, error) {
	l.writes++
	l.by = append(l.by, by)
	was := l.runs[id]
	if was == nil {
		return nil, nil, rail.Refuse(rail.NotFound, "there is no run %s", id)
	}
	if len(was.orders) > 0 && !cancelOrders {
		return nil, nil, rail.Refuse(rail.RunHasOrders, "the run %s has orders", id)
	}
	if was.run.Status != rail.Withdrawn {
		was.version++
		was.ended, was.orders, was.run.Status, was.run.Reason = was.orders, nil, rail.Withdrawn, reason
	}
	left := &rail.Availability{
		RunID: id, TrainID: was.run.Train.ID, Version: was.version, Status: rail.Withdrawn,
		Counts: []uint16{7},
	}
	return left, was.ended, l.answer()
}

// fakeAvailability remembers what it was told.
type fakeAvailability struct {
	left      map[rail.RunID]*rail.Availability
	loads     int
	announced int
	// orders are the changes of orders that were announced.
	orders   []rail.Change
	failLoad error
	// hang makes every call wait for its deadline.
	hang bool
}

func (a *fakeAvailability) Load(ctx context.Context, left []*rail.Availability) error {
	a.loads++
	if a.hang {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.failLoad != nil {
		return a.failLoad
	}
	for _, each := range left {
		a.left[each.RunID] = each
	}
	return nil
}

func (a *fakeAvailability) Announce(ctx context.Context, change rail.Change) error {
	if a.hang {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	a.orders = append(a.orders, change)
	return nil
}

func (a *fakeAvailability) AnnouncePublication(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.announced++
	return nil
}

// fakeTimetable is a copy of the ledger as of its last refresh.
type fakeTimetable struct {
	ledger    *fakeLedger
	stations  map[rail.StationCode]*rail.Station
	runs      map[rail.RunID]*rail.Run
	refreshes int
	fail      error
}

func (t *fakeTimetable) Refresh(ctx context.Context) error {
	t.refreshes++
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.fail != nil {
		return t.fail
	}
	t.stations, t.runs = map[rail.StationCode]*rail.Station{}, map[rail.RunID]*rail.Run{}
	for code, station := range t.ledger.stations {
		t.stations[code] = station
	}
	for id, run := range t.ledger.runs {
		copied := run.run
		t.runs[id] = &copied
	}
	return nil
}

func (t *fakeTimetable) Station(code rail.StationCode) (*rail.Station, bool) {
	station, ok := t.stations[code]
	return station, ok
}

func (t *fakeTimetable) Run(id rail.RunID) (*rail.Run, bool) {
	run, ok := t.runs[id]
	return run, ok
}

// house is a Publisher with everything around it, and three stations on sale.
type house struct {
	*publish.Publisher
	ledger       *fakeLedger
	availability *fakeAvailability
	timetable    *fakeTimetable
	log          *bytes.Buffer
	now          time.Time
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{
		ledger:       &fakeLedger{stations: map[rail.StationCode]*rail.Station{}, runs: map[rail.RunID]*fakeRun{}},
		availability: &fakeAvailability{left: map[rail.RunID]*rail.Availability{}},
		log:          &bytes.Buffer{},
		now:          monday,
	}
	h.timetable = &fakeTimetable{ledger: h.ledger}
	h.Publisher = &publish.Publisher{
		Ledger: h.ledger, Availability: h.availability, Timetable: h.timetable, Stations: h.timetable,
		Runs: h.timetable,
		Now: func() time.Time {
			return h.now
		}, ClosesBefore: 5 * time.Minute, Log: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	for _, station := range []rail.Station{
		{Code: "BJP", Name: "北京", TimeZone: "Asia/Shanghai"},
		{Code: "NJH", Name: "南京", TimeZone: "Asia/Shanghai"},
		{Code: "SHH", Name: "上海", TimeZone: "Asia/Shanghai"},
	} {
		_, err := h.PublishStation(t.Context(), station, "tester")
		require.NoError(t, err)
	}
	return h
}

// t12 is 北京 → 上海 with a coach 3 that has a seat 23B, daily for a week from tomorrow.
func t12() publish.TrainRequest {
	seats, err := rail.RowSeats("ABC DF", 1, 25, nil)
	if err != nil {
		panic(err) // The layout is a constant.
	}
	berths, err := rail.BerthSeats([]rail.SeatPosition{rail.LowerBerth, rail.UpperBerth}, 1, 9)
	if err != nil {
		panic(err)
	}
	return publish.TrainRequest{
		Number: "T12", Kind: "T",
		Calls: []rail.Call{
			{Station: "BJP", DepartureSeconds: 20 * 3_600, Metres: 0},
			{Station: "NJH", ArrivalSeconds: 30 * 3_600, DepartureSeconds: 30*3_600 + 600, Metres: 1_160_000},
			{Station: "SHH", ArrivalSeconds: 33 * 3_600, Metres: 1_463_000},
		},
		Coaches: []rail.Coach{
			{Number: "3", SeatClass: rail.HardSeat, Seats: seats},
			{Number: "5", SeatClass: rail.SoftSleeper, Seats: berths},
		},
		Fares: rail.Fares{Currency: "CNY", RoundToMinor: 50, PerKm: []rail.KmRate{
			{SeatClass: rail.HardSeat, MicrosPerKm: 12_000_000}, {SeatClass: rail.SoftSleeper, MicrosPerKm: 34_000_000},
		}},
		From: rail.NewDate(2026, 3, 3), Through: rail.NewDate(2026, 3, 9),
	}
}
