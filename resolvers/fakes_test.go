package resolvers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"interlock/resolvers"
	"interlock/services/ledger"
	"interlock/services/publish"
	"interlock/services/rail"
	"interlock/services/sale"
	"interlock/services/search"
	"interlock/services/ticketcode"
)

// call is one call of a use case: its method, and its arguments without the context.
type call struct {
	method string
	args   []any
}

func called(method string, args ...any) call { return call{method, args} }

// fakes are all use cases. Each notes what it is asked, and answers from its fields.
type fakes struct {
	mu    sync.Mutex
	calls []call
	// fail has the errors of methods that are to fail.
	fail map[string]error

	notReady bool
	stations map[rail.StationCode]*rail.Station
	runs     map[rail.RunID]*rail.Run
	trains   map[string]*rail.Train
	// listed are the orders in the order of a list, newest first.
	listed []*rail.Order

	offers    []rail.Offer
	moreFound bool
	left      rail.Left

	// order, payment, run, repaid, station and trained are what mutations answer.
	order   *rail.Order
	payment sale.Payment
	run     *rail.Run
	repaid  []*rail.Order
	station *rail.Station
	trained publish.TrainResult
	// The others are what refunds and changes answer.
	refund      *rail.Refund
	refundQuote *sale.RefundQuote
	changeQuote *sale.ChangeQuote
	changed     *rail.Order

	// inspected and used are what inspectors are told of a ticket.
	inspected, used *sale.Inspected

	snapshots chan *rail.Snapshot
	orders    chan *rail.Order
	visible   func(*rail.Order) bool
}

func (f *fakes) note(method string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{method, args})
	return f.fail[method]
}

// fakeTickets makes one ticket.
type fakeTickets struct{ *fakes }

func (f fakeTickets) Create(_ context.Context, viewer *rail.Viewer) (string, time.Time, error) {
	return "a-ticket", now.Add(30 * time.Second), f.note("Tickets.Create", viewer.Subject)
}

// fakeTimetable lists what it has in the order of dates and codes.
type fakeTimetable struct{ *fakes }

func (f fakeTimetable) Ready() error {
	if f.notReady {
		return &rail.Error{Code: rail.Unavailable, Message: "not read yet", RetryAfter: time.Second}
	}
	return nil
}

func (f fakeTimetable) Station(code rail.StationCode) (*rail.Station, bool) {
	s, ok := f.stations[code]
	return s, ok
}

func (f fakeTimetable) Run(id rail.RunID) (*rail.Run, bool) {
	run, ok := f.runs[id]
	return run, ok
}

func (f fakeTimetable) RunOf(number string, date rail.Date) (*rail.Run, bool) {
	_ = f.note("Timetable.RunOf", number, date)
	return f.Run(rail.NewRunID(number, date))
}

func (f fakeTimetable) Stations(matching string, after *search.StationPlace, limit int) ([]search.StationMatch, bool) {
	_ = f.note("Timetable.Stations", matching, after, limit)
	var found []search.StationMatch
	for rank, code := range []rail.StationCode{"SHH", "NJH", "BJP"} {
		if after == nil || rank > after.Rank {
			found = append(found, search.StationMatch{Station: f.stations[code], Rank: rank})
		}
	}
	return found[:min(limit, len(found))], len(found) > limit
}

func (f fakeTimetable) Runs(
	filter search.RunFilter, now time.Time, after *search.RunPlace, limit int,
) ([]*rail.Run, bool) {
	_ = f.note("Timetable.Runs", filter, now, after, limit)
	var found []*rail.Run
	for _, date := range []rail.Date{october(12), october(13), october(14)} {
		if run, ok := f.runs[rail.NewRunID("T12", date)]; ok && (after == nil || date > after.Date) {
			found = append(found, run)
		}
	}
	return found[:min(limit, len(found))], len(found) > limit
}

type fakeFinder struct{ *fakes }

func (f fakeFinder) Find(_ context.Context, query search.Query) (*search.Result, error) {
	if err := f.note("Finder.Find", query); err != nil {
		return nil, err
	}
	return &search.Result{Offers: f.offers, HasNext: f.moreFound, AsOf: now}, nil
}

func (f fakeFinder) Left(_ context.Context, run *rail.Run, from, to int, now time.Time) rail.Snapshot {
	_ = f.note("Finder.Left", run.ID, from, to)
	return rail.Snapshot{Run: run, From: from, To: to, Left: f.left, AsOf: now}
}

type fakeOrderBook struct{ *fakes }

func (f fakeOrderBook) find(is func(*rail.Order) bool) *rail.Order {
	for _, o := range f.listed {
		if is(o) {
			return o
		}
	}
	return nil
}

func (f fakeOrderBook) Order(_ context.Context, id string) (*rail.Order, error) {
	if err := f.note("OrderBook.Order", id); err != nil {
		return nil, err
	}
	return f.find(func(o *rail.Order) bool { return o.ID == id }), nil
}

func (f fakeOrderBook) OrdersByID(_ context.Context, ids []string) ([]*rail.Order, error) {
	if err := f.note("OrderBook.OrdersByID", ids); err != nil {
		return nil, err
	}
	found := make([]*rail.Order, len(ids))
	for i, id := range ids {
		found[i] = f.find(func(o *rail.Order) bool { return o.ID == id })
	}
	return found, nil
}

func (f fakeOrderBook) OrderByKey(_ context.Context, run rail.RunID, buyer, key string) (*rail.Order, error) {
	return f.changed, f.note("OrderBook.OrderByKey", run, buyer, key)
}

func (f fakeOrderBook) OrderByNumber(_ context.Context, number string) (*rail.Order, error) {
	if err := f.note("OrderBook.OrderByNumber", number); err != nil {
		return nil, err
	}
	return f.find(func(o *rail.Order) bool { return o.Number == number }), nil
}

func (f fakeOrderBook) Orders(_ context.Context, filter ledger.OrderFilter) ([]*rail.Order, error) {
	if err := f.note("OrderBook.Orders", filter); err != nil {
		return nil, err
	}
	var found []*rail.Order
	for _, o := range f.listed {
		if filter.After.ID == "" || o.PlacedAt.Before(filter.After.PlacedAt) {
			found = append(found, o)
		}
	}
	return found[:min(filter.Limit, len(found))], nil
}

func (f fakeOrderBook) Train(_ context.Context, id string) (*rail.Train, error) {
	if err := f.note("OrderBook.Train", id); err != nil {
		return nil, err
	}
	return f.trains[id], nil
}

type fakeSale struct{ *fakes }

func (f fakeSale) Place(_ context.Context, buyer string, place rail.PlaceOrder) (*rail.Order, error) {
	return f.order, f.note("Sale.Place", buyer, place)
}

func (f fakeSale) Pay(_ context.Context, buyer, orderID, key string) (*rail.Order, sale.Payment, error) {
	return f.order, f.payment, f.note("Sale.Pay", buyer, orderID, key)
}

func (f fakeSale) Cancel(_ context.Context, buyer, orderID, reason string) (*rail.Order, error) {
	return f.order, f.note("Sale.Cancel", buyer, orderID, reason)
}

func (f fakeSale) CancelHold(_ context.Context, by, orderID, reason string) (*rail.Order, error) {
	return f.order, f.note("Sale.CancelHold", by, orderID, reason)
}

func (f fakeSale) CorrectName(_ context.Context, correction ledger.Correction) (*rail.Order, error) {
	return f.order, f.note("Sale.CorrectName", correction)
}

func (f fakeSale) QuoteRefund(
	_ context.Context, asker sale.Asker, orderID string, tickets rail.TicketSet,
) (*sale.RefundQuote, *rail.Order, error) {
	return f.refundQuote, f.order, f.note("Sale.QuoteRefund", asker, orderID, tickets)
}

func (f fakeSale) Refund(_ context.Context, request sale.RefundRequest) (*sale.RefundAnswer, error) {
	return &sale.RefundAnswer{Order: f.order, Refund: f.refund, Quote: f.refundQuote}, f.note("Sale.Refund", request)
}

func (f fakeSale) QuoteChange(
	_ context.Context, asker sale.Asker, to rail.ChangeTicket,
) (*sale.ChangeQuote, *rail.Order, error) {
	return f.changeQuote, f.order, f.note("Sale.QuoteChange", asker, to)
}

func (f fakeSale) Change(_ context.Context, request sale.ChangeRequest) (*sale.ChangeAnswer, error) {
	return &sale.ChangeAnswer{Old: f.order, New: f.changed, Quote: f.changeQuote}, f.note("Sale.Change", request)
}

func (f fakeSale) Inspect(_ context.Context, ticket rail.TicketRef) (*sale.Inspected, error) {
	return f.inspected, f.note("Sale.Inspect", ticket)
}

func (f fakeSale) Use(_ context.Context, request sale.UseRequest) (*sale.Inspected, error) {
	return f.used, f.note("Sale.Use", request)
}

// fakeCodes has the codes of tickets that codes says.
type fakeCodes map[string]error

func (fakeCodes) Of(_ context.Context, o *rail.Order, ticket int) (string, error) {
	if o.TicketState(ticket) != rail.TicketIssued {
		return "", nil
	}
	return fmt.Sprint("CODE", ticket), nil
}

// goodCode is the code of the first ticket of anOrder.
const goodCode = "GOOD"

func (f fakeCodes) Check(code string) (ticketcode.Ticket, error) {
	good := ticketcode.Ticket{
		RunID: "T12@2019-10-12", OrderID: "first", To: 2, FromStation: "SHH", ToStation: "BJP", Coach: "2", Seat: "1A",
		DocumentTail: "3456",
	}
	switch code {
	case goodCode:
		return good, nil
	case "ANOTHER SEAT":
		good.Seat = "1B"
	case "ANOTHER COACH":
		good.Coach = "1"
	case "ANOTHER RUN":
		good.RunID = "T12@2019-10-13"
	case "ANOTHER CALL":
		good.To = 1
	case "NO CALL":
		good.To = 9
	case "ANOTHER STATION":
		good.ToStation = "NJH"
	case "ANOTHER DOCUMENT":
		good.DocumentTail = "9999"
	default:
		return ticketcode.Ticket{}, f[code]
	}
	return good, nil
}

type fakePublisher struct{ *fakes }

func (f fakePublisher) PublishStation(_ context.Context, station rail.Station, by string) (*rail.Station, error) {
	return f.station, f.note("Publisher.PublishStation", station, by)
}

func (f fakePublisher) PublishTrain(
	_ context.Context, request publish.TrainRequest, by string,
) (publish.TrainResult, error) {
	return f.trained, f.note("Publisher.PublishTrain", request, by)
}

func (f fakePublisher) Suspend(_ context.Context, id rail.RunID, reason, by string) (*rail.Run, error) {
	return f.run, f.note("Publisher.Suspend", id, reason, by)
}

func (f fakePublisher) Resume(_ context.Context, id rail.RunID, reason, by string) (*rail.Run, error) {
	return f.run, f.note("Publisher.Resume", id, reason, by)
}

func (f fakePublisher) Withdraw(
	_ context.Context, id rail.RunID, reason, by string, cancelOrders bool,
) (*rail.Run, []*rail.Order, error) {
	return f.run, f.repaid, f.note("Publisher.Withdraw", id, reason, by, cancelOrders)
}

type fakeHub struct{ *fakes }

func (f fakeHub) SubscribeSeats(
	_ context.Context, ids []rail.RunID, from, to rail.StationCode,
) (<-chan *rail.Snapshot, error) {
	return f.snapshots, f.note("Hub.SubscribeSeats", ids, from, to)
}

func (f fakeHub) SubscribeOrder(
	_ context.Context, id string, visible func(*rail.Order) bool,
) (<-chan *rail.Order, error) {
	f.visible = visible
	return f.orders, f.note("Hub.SubscribeOrder", id)
}

// now is when all questions are asked.
var now = time.Date(2019, 10, 11, 12, 0, 0, 0, time.UTC)

func october(day int) rail.Date { return rail.NewDate(2019, 10, day) }

// The viewers.
var (
	anonymous *rail.Viewer
	ann       = &rail.Viewer{Subject: "ann", Roles: []rail.Role{rail.RolePassenger}}
	bob       = &rail.Viewer{Subject: "bob", Roles: []rail.Role{rail.RolePassenger}}
	ines      = &rail.Viewer{Subject: "ines", Roles: []rail.Role{rail.RoleInspector}}
	admin     = &rail.Viewer{Subject: "root", Roles: []rail.Role{rail.RoleAdmin}}
)

// world is the executable schema over fakes: the train T12 on three dates, and two orders of ann's.
type world struct {
	*fakes
	train    *rail.Train
	executor *executor.Executor
}

func newWorld() *world {
	formation := rail.NewFormation([]rail.Coach{
		{Number: "1", SeatClass: rail.First, Seats: []rail.Seat{{Label: "1A", Position: rail.Window}}},
		{Number: "2", SeatClass: rail.Second, Seats: []rail.Seat{{Label: "1A", Position: rail.Aisle}, {Label: "1B"}}},
	})
	train := rail.NewTrain("T12", "T", "Asia/Shanghai", []rail.Call{
		{Station: "SHH", DepartureSeconds: 8 * 3600, ArrivalSeconds: 8 * 3600},
		{Station: "NJH", ArrivalSeconds: 10 * 3600, DepartureSeconds: 10*3600 + 300, Metres: 301_500},
		{Station: "BJP", ArrivalSeconds: 26 * 3600, DepartureSeconds: 26 * 3600, Metres: rail.NoDistance},
	}, formation, &rail.Fares{Currency: "CNY", Pairs: []rail.PairFare{
		{SeatClass: rail.First, From: "SHH", To: "BJP", Minor: 93_300},
		{SeatClass: rail.Second, From: "SHH", To: "BJP", Minor: 55_300},
		{SeatClass: rail.Second, From: "SHH", To: "NJH", Minor: 13_950},
	}})
	f := &fakes{
		fail: map[string]error{}, runs: map[rail.RunID]*rail.Run{}, trains: map[string]*rail.Train{train.ID: train},
		stations: map[rail.StationCode]*rail.Station{
			"SHH": {
				Code: "SHH", Name: "上海", TimeZone: "Asia/Shanghai", Names: map[string]string{"zh-Latn": "Shanghai"},
			},
			"NJH": {Code: "NJH", Name: "南京", TimeZone: "Asia/Shanghai"},
			"BJP": {Code: "BJP", Name: "北京", TimeZone: "Asia/Shanghai"},
		},
		left: rail.Left{Known: true, Version: 7, Counts: []uint16{1, 2}},
	}
	for day := 12; day <= 14; day++ {
		id := rail.NewRunID("T12", october(day))
		f.runs[id] = &rail.Run{
			ID: id, Train: train, Date: october(day), Status: rail.Published, ClosesBefore: 5 * time.Minute,
			SaleOpensAt: time.Date(2019, 9, day, 0, 0, 0, 0, time.UTC),
		}
	}
	f.inspected = &sale.Inspected{Check: rail.CheckNotFound}
	f.listed = []*rail.Order{
		anOrder("second", "NUMBER2", train, now.Add(-time.Minute)),
		anOrder("first", "NUMBER1", train, now.Add(-time.Hour)),
	}
	resolver := &resolvers.Resolver{
		Timetable: fakeTimetable{f}, Finder: fakeFinder{f}, Sale: fakeSale{f}, OrderBook: fakeOrderBook{f},
		Publisher: fakePublisher{f}, Hub: fakeHub{f}, Tickets: fakeTickets{f},
		Codes: fakeCodes{
			"FORGED": ticketcode.ErrForged, "UNKNOWN": fmt.Errorf("%w: 1234", ticketcode.ErrUnknownKey),
			"!": fmt.Errorf("%w: no letters", ticketcode.ErrMalformed),
		},
		Notifier: fakeNotifier{f},
		Cursors:  resolvers.Cursors{Key: []byte("key")}, ViewerKey: []byte("another key"),
		Now: func() time.Time { return now },
	}
	return &world{fakes: f, train: train, executor: executor.New(resolver.Schema())}
}

// anOrder is a hold of ann's on the T12 of 12 October, from end to end.
func anOrder(id, number string, train *rail.Train, placed time.Time) *rail.Order {
	return &rail.Order{
		ID: id, RunID: "T12@2019-10-12", TrainID: train.ID, Number: number, Buyer: "ann", Version: 3,
		State: rail.OnHold,
		From:  0, To: 2, Total: rail.Money{Minor: 55_300, Currency: "CNY"}, PlacedAt: placed,
		PayBy: placed.Add(time.Hour),
		Tickets: []rail.Ticket{{
			SeatClass: rail.Second, Coach: "2", Seat: "1A", Price: rail.Money{Minor: 55_300, Currency: "CNY"},
			Passenger: rail.Passenger{Name: "Ann", DocumentNumber: "AB123456"},
		}},
	}
}

// told says of errors what a client sees of them: "the field: the code at the path in its input".
func told(list gqlerror.List) []string {
	var all []string
	for _, e := range list {
		var known *rail.Error
		text := fmt.Sprintf("%s: %s", e.Path, rail.CodeOf(e))
		if errors.As(e, &known) && len(known.Path) > 0 {
			text += " at " + strings.Join(known.Path, ".")
		}
		all = append(all, text)
	}
	return all
}

// open starts an operation as a viewer. The responses come one by one, and nil at the end.
func (w *world) open(
	ctx context.Context, t *testing.T, viewer *rail.Viewer, query string, variables map[string]any,
) func() *graphql.Response {
	t.Helper()
	ctx = rail.WithViewer(graphql.StartOperationTrace(ctx), viewer)
	operation, errs := w.executor.CreateOperationContext(ctx, &graphql.RawParams{Query: query, Variables: variables})
	require.Empty(t, errs, query)
	next, ctx := w.executor.DispatchOperation(ctx, operation)
	return func() *graphql.Response { return next(ctx) }
}

// ask runs one query or mutation, and returns the data and what errors tell.
func (w *world) ask(
	t *testing.T, viewer *rail.Viewer, query string, variables map[string]any,
) (data string, errs []string) {
	t.Helper()
	response := w.open(t.Context(), t, viewer, query, variables)()
	return string(response.Data), told(response.Errors)
}

// fieldCase is one question about one field.
type fieldCase struct {
	name      string
	viewer    *rail.Viewer
	prepare   func(*world)
	query     string
	variables map[string]any
	// data is the answer's data, as JSON.
	data string
	// errs are the top-level errors, see told.
	errs []string
	// calls are what arrives at the use cases; nil where the case does not look, none where nothing may arrive.
	calls []call
}

var none = []call{}

func run(t *testing.T, cases []fieldCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			if c.prepare != nil {
				c.prepare(w)
			}
			data, errs := w.ask(t, c.viewer, c.query, c.variables)
			require.Equal(t, c.errs, errs)
			require.JSONEq(t, c.data, data)
			if c.calls != nil {
				require.Equal(t, c.calls, append(none, w.calls...))
			}
		})
	}
}

// fails makes a method fail.
func fails(method string, err error) func(*world) {
	return func(w *world) { w.fail[method] = err }
}

func notReady(w *world) { w.notReady = true }

// decode reads a part of an answer.
func decode[T any](t *testing.T, data string) T {
	t.Helper()
	var into T
	require.NoError(t, json.Unmarshal([]byte(data), &into), data)
	return into
}

// offer is a run from end to end, with what is left.
func (w *world) offer(id rail.RunID) rail.Offer {
	return rail.Offer{Run: w.runs[id], From: 0, To: w.train.Legs(), Left: w.left}
}
