package publish_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
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
	// stationFeeds are the feeds that stations belong to.
	stationFeeds map[rail.StationCode]string
	runs         map[rail.RunID]*fakeRun
	// number rises with every publication; writes counts the calls that may write.
	number, writes, rehearsals int
	// lost makes every call that writes lose its answer: it has been done, and nobody knows.
	lost bool
	// failWrites makes Publish fail once so many calls have written.
	failAfter int
	failWith  error
	largest   int
	// pages are those of FeedRuns, largestDrop the most runs of one Drop, and ended the orders that each Drop ends.
	pages       []ledger.FeedPage
	largestDrop int
	ended       []*rail.Order
	// failDropWith makes Drop fail once so many calls have written.
	failDropAfter int
	failDropWith  error
	by            []string
}

type fakeRun struct {
	run     rail.Run
	version int64
	orders  []*rail.Order
	// ended are the orders that its withdrawal ended.
	ended []*rail.Order
	feed  ledger.Feed
	// publication is the number of the last publication that changed it, dropped that this was Drop.
	publication int
	dropped     bool
	departed    bool
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
	return l.putStations("", stations, by)
}

func (l *fakeLedger) OtherStations(
	_ context.Context, feed string, codes []rail.StationCode,
) ([]ledger.OtherStation, error) {
	var others []ledger.OtherStation
	for _, code := range codes {
		if station := l.stations[code]; station != nil && l.stationFeeds[code] != feed {
			others = append(others, ledger.OtherStation{Station: station, Feed: l.stationFeeds[code]})
		}
	}
	return others, nil
}

func (l *fakeLedger) PutFeedStations(
	ctx context.Context, feed string, stations []*rail.Station, others []ledger.OtherStation, by string,
) (changed int, err error) {
	var codes []rail.StationCode
	var own []*rail.Station
	for _, station := range stations {
		codes = append(codes, station.Code)
		if l.stations[station.Code] == nil || l.stationFeeds[station.Code] == feed {
			own = append(own, station)
		}
	}
	if now, _ := l.OtherStations(ctx, feed, codes); !reflect.DeepEqual(now, others) {
		return 0, rail.Refuse(rail.WrongState, "stations of other feeds were changed meanwhile: import it again")
	}
	return l.putStations(feed, own, by)
}

func (l *fakeLedger) putStations(feed string, stations []*rail.Station, by string) (changed int, err error) {
	l.writes++
	l.by = append(l.by, by)
	for _, station := range stations {
		if was := l.stations[station.Code]; was == nil || !reflect.DeepEqual(was, station) {
			copied := *station
			l.stations[station.Code], l.stationFeeds[station.Code] = &copied, feed
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
	return l.PublishFeed(ctx, ledger.Feed{}, runs, by, validateOnly)
}

// PublishFeed is Publish where the feed has no name.
func (l *fakeLedger) PublishFeed(
	ctx context.Context, feed ledger.Feed, runs []*rail.Run, by string, validateOnly bool,
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
		publications[i].Version, publications[i].Outcome = was.version, was.met(run, feed)
		publications[i].Feed = was.feed
		switch publications[i].Outcome {
		case ledger.RunHasOrders:
			if feed.Name == "" {
				return nil, rail.Refuse(rail.RunHasOrders, "%s has orders and cannot be changed", run.Name())
			}
		case ledger.RunChanged, ledger.RunResumed:
			publications[i].Version++
			continue
		case ledger.RunMarked:
			publications[i].Version++
		}
		copied.Status, copied.Reason = was.run.Status, was.run.Reason
	}
	if validateOnly {
		return publications, nil
	}
	l.number++
	for i := range publications {
		publication := &publications[i]
		now := &fakeRun{run: *publication.Run, version: publication.Version, feed: feed, publication: l.number}
		switch publication.Outcome {
		case ledger.RunResumed, ledger.RunMarked:
			now.orders = l.runs[publication.Run.ID].orders
			publication.Left = now.left()
			fallthrough
		case ledger.RunCreated, ledger.RunChanged:
			l.runs[publication.Run.ID] = now
		}
	}
	return publications, l.answer()
}

// met is what publishing a run does to the one that is there.
func (f *fakeRun) met(run *rail.Run, feed ledger.Feed) ledger.Outcome {
	status, byFeed := f.run.Status, feed.Name != ""
	same := f.run.Train.ID == run.Train.ID && f.run.SaleOpensAt.Equal(run.SaleOpensAt) &&
		f.run.ClosesBefore == run.ClosesBefore && status != rail.Withdrawn
	switch {
	case byFeed && status == rail.Withdrawn && !f.dropped:
		return ledger.RunStaysWithdrawn
	case byFeed && status != rail.Withdrawn && !same && f.feed.Name != feed.Name:
		return ledger.RunOfAnother
	case byFeed && same && f.feed.Name == feed.Name && f.dropped:
		return ledger.RunResumed
	case byFeed && same && f.feed.Name == feed.Name && f.feed != feed:
		return ledger.RunMarked
	case same:
		return ledger.RunUnchanged
	case len(f.orders) > 0:
		return ledger.RunHasOrders
	}
	return ledger.RunChanged
}

// left is what is left of a run: 7 seats, and less with orders.
func (f *fakeRun) left() *rail.Availability {
	return &rail.Availability{
		RunID: f.run.ID, TrainID: f.run.Train.ID, Version: f.version, Status: f.run.Status,
		Counts: []uint16{uint16(7 - len(f.orders))},
	}
}

func (l *fakeLedger) FeedRuns(ctx context.Context, page ledger.FeedPage) ([]ledger.FeedRun, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.pages = append(l.pages, page)
	var runs []ledger.FeedRun
	for id, f := range l.runs {
		if f.feed.Name == page.Feed && f.run.Date == page.Date && id > page.After && f.run.Status != rail.Withdrawn {
			runs = append(runs, ledger.FeedRun{
				ID: id, TrainNumber: f.run.Train.Number, Date: page.Date, Feed: f.feed, Status: f.run.Status,
				Publication: int64(f.publication),
			})
		}
	}
	slices.SortFunc(runs, func(a, b ledger.FeedRun) int { return cmp.Compare(a.ID, b.ID) })
	return runs[:min(len(runs), page.Limit)], nil
}

func (l *fakeLedger) Drop(
	ctx context.Context, runs []ledger.FeedRun, reason, by string, validateOnly bool,
) ([]ledger.Dropped, []*rail.Order, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if l.failDropWith != nil && l.failDropAfter == 0 {
		return nil, nil, l.failDropWith
	}
	l.failDropAfter--
	l.largestDrop = max(l.largestDrop, len(runs))
	if !validateOnly {
		l.writes++
		l.number++
		l.by = append(l.by, by)
	}
	dropped := make([]ledger.Dropped, len(runs))
	for i, run := range runs {
		f := l.runs[run.ID]
		dropped[i] = ledger.Dropped{Run: run, Outcome: ledger.DropWithdrawn}
		status := rail.Withdrawn
		switch {
		case run.Publication != int64(f.publication):
			dropped[i].Outcome = ledger.DropMoved
			continue
		case f.departed:
			dropped[i].Outcome = ledger.DropDeparted
			continue
		case f.run.Status == rail.Suspended:
			dropped[i].Outcome = ledger.DropLeft
			continue
		case len(f.orders) > 0:
			dropped[i].Outcome, status = ledger.DropSuspended, rail.Suspended
		}
		if !validateOnly {
			f.run.Status, f.run.Reason, f.dropped, f.publication = status, reason, true, l.number
			f.version++
			dropped[i].Left = f.left()
		}
	}
	return dropped, l.ended, l.answer()
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
		ledger: &fakeLedger{
			stations: map[rail.StationCode]*rail.Station{}, stationFeeds: map[rail.StationCode]string{},
			runs: map[rail.RunID]*fakeRun{},
		},
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
