package sale_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
	"interlock/services/sale"
)

// between is an order between two stations.
func between(place rail.PlaceOrder, from, to rail.StationCode) rail.PlaceOrder {
	place.From, place.To = from, to
	return place
}

// A document is one passenger's on each leg, and not on the whole run.
func TestPlace_DocumentOnDisjointLegs(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	place := func(key string, from, to rail.StationCode, class rail.SeatClass) error {
		order := between(w.order(key, "DOC00001"), from, to)
		order.Passengers[0].SeatClass = class
		_, err := w.Place(t.Context(), "ann", order)
		return err
	}
	require.NoError(t, place("ac", "AAA", "CCC", rail.Second))
	require.NoError(t, place("ce", "CCC", "EEE", rail.First), "on in another class")
	for i, trip := range [][2]rail.StationCode{{"AAA", "BBB"}, {"BBB", "DDD"}, {"CCC", "DDD"}, {"AAA", "EEE"}} {
		err := place(fmt.Sprint("trip", i), trip[0], trip[1], rail.Second)
		require.ErrorIs(t, err, &rail.Error{Code: rail.AlreadyTravelling}, "%v", trip)
	}
}

// Whether somebody travels is told only to who could have had a seat, and counts as a document asked for.
func TestPlace_SoldOutSaysNothingOfWhoTravels(t *testing.T) {
	w := openWorld(t, sale.Settings{MaxDocuments: 100})
	for i := range 4 {
		documents := make([]string, 5)
		for j := range documents {
			documents[j] = fmt.Sprintf("DOC%d%d", i, j)
		}
		_, err := w.Place(t.Context(), fmt.Sprint("ann", i), w.order(fmt.Sprint("full", i), documents...))
		require.NoError(t, err)
	}
	_, err := w.Place(t.Context(), "bob", w.order("asks", "DOC00"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.SoldOut})
	require.Empty(t, w.book.asked)

	first := w.order("asks", "DOC00", "DOC99")
	first.Passengers[0].SeatClass, first.Passengers[1].SeatClass = rail.First, rail.First
	_, err = w.Place(t.Context(), "bob", first)
	require.ErrorIs(t, err, &rail.Error{Code: rail.AlreadyTravelling})
	require.Len(t, w.book.asked, 2)
	first.Passengers = first.Passengers[1:]
	_, err = w.Place(t.Context(), "bob", first)
	require.NoError(t, err, "the seats were given back")
}

// The holds of a buyer on a run are counted in the batch, whoever sells it and however many ask at once.
func TestPlace_HoldsOnARunAreExact(t *testing.T) {
	settings := sale.Settings{MaxRunHolds: 5}
	w := openWorld(t, settings)
	w.lock.yes = true
	services := []*sale.Service{w.Service, w.open(t, settings)}
	var placed sync.Map
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			for {
				order, err := services[i%2].Place(t.Context(), "ann",
					w.order(fmt.Sprint("n", i), fmt.Sprintf("DOC000%02d", i)))
				if rail.CodeOf(err) == rail.Unavailable {
					continue // the servers met too often
				}
				if err == nil {
					placed.Store(i, order)
				} else {
					assert.ErrorIs(t, err, &rail.Error{Code: rail.HoldLimit})
				}
				return
			}
		})
	}
	wait.Wait()
	orders := map[int]*rail.Order{}
	placed.Range(func(i, order any) bool { orders[i.(int)] = order.(*rail.Order); return true })
	require.Len(t, orders, 5)
	next := 100
	more := func(service *sale.Service, buyer string) error {
		next++
		_, err := service.Place(t.Context(), buyer, w.order(fmt.Sprint("more", next), fmt.Sprintf("DOC00%d", next)))
		return err
	}
	var two []*rail.Order
	for i, order := range orders {
		again, err := services[1].Place(t.Context(), "ann", w.order(fmt.Sprint("n", i), fmt.Sprintf("DOC000%02d", i)))
		require.NoError(t, err, "a retry gets its order")
		require.Equal(t, order.ID, again.ID)
		two = append(two, order)
	}
	for _, service := range services {
		require.ErrorIs(t, more(service, "ann"), &rail.Error{Code: rail.HoldLimit})
		require.NoError(t, more(service, "bob"))
	}
	_, _, err := services[0].Pay(t.Context(), "ann", two[0].ID, "pay-of-ann")
	require.NoError(t, err)
	require.NoError(t, more(services[1], "ann"), "what is paid is no hold")
	require.ErrorIs(t, more(services[0], "ann"), &rail.Error{Code: rail.HoldLimit})
	_, err = services[0].Cancel(t.Context(), "ann", two[1].ID, "")
	require.NoError(t, err)
	require.NoError(t, more(services[1], "ann"))
	require.ErrorIs(t, more(services[0], "ann"), &rail.Error{Code: rail.HoldLimit})
}

func TestPlace_ThreeLapsedHoldsCloseTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{MaxLapsedHolds: 3})
		for i := range 3 {
			_, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("n", i), fmt.Sprintf("DOC0000%d", i)))
			require.NoError(t, err, "order %d", i+1)
			<-time.After(time.Hour)
		}
		_, err := w.Place(t.Context(), "ann", w.order("another", "DOC00009"))
		require.ErrorIs(t, err, &rail.Error{Code: rail.HoldLimit})
		_, err = w.Place(t.Context(), "ann", w.order("n0", "DOC00000"))
		require.NoError(t, err, "a retry gets its order")
		_, err = w.Place(t.Context(), "bob", w.order("another", "DOC00009"))
		require.NoError(t, err)
	})
}

// Whoever places and cancels for ever holds little at a time, and leaves orders behind that everybody's limits are
// counted from.
func TestPlace_CancellationsADayAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{MaxOpenHolds: 1})
		for i := range 100 {
			order, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("n", i), "DOC00001"))
			require.NoError(t, err, "order %d", i+1)
			_, err = w.Cancel(t.Context(), "ann", order.ID, "")
			require.NoError(t, err)
			<-time.After(time.Millisecond)
		}
		<-time.After(3 * time.Second) // A record may be two seconds old.
		_, err := w.Place(t.Context(), "ann", w.order("another", "DOC00001"))
		require.ErrorIs(t, err, &rail.Error{Code: rail.HoldLimit})
		_, err = w.Place(t.Context(), "ann", w.order("n0", "DOC00001"))
		require.NoError(t, err, "a retry gets its order")
		_, err = w.Place(t.Context(), "bob", w.order("another", "DOC00001"))
		require.NoError(t, err)
	})
}

func TestPlace_DocumentsADayAreLimited(t *testing.T) {
	w := openWorld(t, sale.Settings{MaxDocuments: 5})
	_, err := w.Place(t.Context(), "cy", w.order("cy", "DOC00009"))
	require.NoError(t, err)
	for i := range 4 {
		order, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("n", i), fmt.Sprintf("DOC0000%d", i)))
		require.NoError(t, err)
		_, err = w.Cancel(t.Context(), "ann", order.ID, "")
		require.NoError(t, err)
	}
	_, err = w.Place(t.Context(), "ann", w.order("asks", "DOC00009"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.AlreadyTravelling}, "the fifth: ann learns that it travels")
	_, err = w.Place(t.Context(), "ann", w.order("asks more", "DOC00010"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.Invalid})
	other := w.open(t, sale.Settings{MaxDocuments: 5})
	for _, service := range []*sale.Service{w.Service, other} {
		_, err = service.Place(t.Context(), "ann", w.order("asks-more", "DOC00001", "DOC00010"))
		var refusal *rail.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, rail.DocumentLimit, refusal.Code)
		require.Equal(t, []string{"input", "passengers", "1", "documentNumber"}, refusal.Path)
		require.NotContains(t, refusal.Message, "DOC")
	}
	_, err = other.Place(t.Context(), "ann", w.order("n0", "DOC00000"))
	require.NoError(t, err, "a retry gets its order")
	_, err = other.Place(t.Context(), "ann", w.order("known", "DOC00001"))
	require.NoError(t, err, "it is none that ann has not asked for")
}

// Nobody gets past a limit by asking for much at once.
func TestPlace_LimitsHoldForWhatIsUnderWay(t *testing.T) {
	w := openWorld(t, sale.Settings{MaxDocuments: 5})
	var placed atomic.Int64
	var wait sync.WaitGroup
	for i := range 30 {
		wait.Go(func() {
			_, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("n", i), fmt.Sprintf("DOC000%02d", i)))
			if err == nil {
				placed.Add(1)
			} else {
				assert.ErrorIs(t, err, &rail.Error{Code: rail.DocumentLimit})
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 5, placed.Load())
}

// A buyer may hang up as soon as a batch has taken his request. His order counts until its outcome is known.
func TestPlace_LimitsHoldForWhoHangsUp(t *testing.T) {
	for name, settings := range map[string]sale.Settings{"holds": {MaxOpenHolds: 2}, "documents": {MaxDocuments: 2}} {
		t.Run(name, func(t *testing.T) {
			w := openWorld(t, settings)
			var hangUp context.CancelFunc
			goOn := make(chan struct{})
			w.book.before = func(ledger.Batch) error {
				hangUp()
				<-goOn
				return nil
			}
			for i := range 6 {
				var ctx context.Context
				ctx, hangUp = context.WithCancel(t.Context())
				_, err := w.Place(ctx, "ann", w.order(fmt.Sprint("n", i), fmt.Sprintf("DOC0000%d", i)))
				require.ErrorIs(t, err, &rail.Error{Code: rail.OrderPending})
				goOn <- struct{}{}
			}
			hangUp = func() {}
			close(goOn)
			_, err := w.Place(t.Context(), "bob", w.order("bob", "DOC00009"))
			require.NoError(t, err)
			w.book.mu.Lock()
			defer w.book.mu.Unlock()
			require.Len(t, w.book.orders, 2+1)
		})
	}
}

// What ends while a record is read is not forgotten with the older record that comes.
func TestPlace_DocumentsThatEndWhileARecordIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{MaxDocuments: 2})
		w.book.reading = func() {
			if w.book.records.Load() > 1 { // all but the first order's
				<-time.After(time.Second)
			}
		}
		first := true
		w.book.before = func(ledger.Batch) error {
			if first {
				first = false
				<-time.After(3 * time.Second)
			}
			return nil
		}
		placed := make(chan error)
		go func() {
			_, err := w.Place(t.Context(), "ann", w.order("one", "DOC00001"))
			placed <- err
		}()
		<-time.After(2500 * time.Millisecond) // The record is old, and the first order is under way.
		go func() {
			_, err := w.Place(t.Context(), "ann", w.order("two", "DOC00002"))
			placed <- err
		}()
		require.NoError(t, <-placed)
		require.NoError(t, <-placed)
		_, err := w.Place(t.Context(), "ann", w.order("three", "DOC00003"))
		require.ErrorIs(t, err, &rail.Error{Code: rail.DocumentLimit})
	})
}

// A record that cannot be read refuses nobody: what the ledger cannot say it cannot sell either.
func TestPlace_RecordsThatCannotBeRead(t *testing.T) {
	w := openWorld(t, sale.Settings{MaxOpenHolds: 1, MaxDocuments: 1, MaxLapsedHolds: 1, MaxRunHolds: 2})
	w.book.unread.Store(true)
	for i := range 2 {
		_, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("n", i), fmt.Sprintf("DOC0000%d", i)))
		require.NoError(t, err)
	}
	_, err := w.Place(t.Context(), "ann", w.order("third", "DOC00009"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.HoldLimit}, "those of the run are counted in the batch")
	require.Positive(t, w.Stats().Unlimited)
}

// A service that was closed asks the ledger nothing more: it may be closed itself.
func TestClose_NothingIsAskedAfterIt(t *testing.T) {
	w := openWorld(t, sale.Settings{MaxOpenHolds: 1})
	require.NoError(t, w.Close(t.Context()))
	_, err := w.Place(t.Context(), "ann", w.order("late", "DOC00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.Unavailable})
	require.Zero(t, w.book.records.Load())
	_, err = w.CorrectName(t.Context(),
		ledger.Correction{OrderID: "T12@2019-10-12/1", Name: "Ann", By: "an admin", Reason: "a slip"})
	require.ErrorIs(t, err, &rail.Error{Code: rail.Unavailable})
	_, _, err = w.Pay(t.Context(), "ann", "T12@2019-10-12/1", "pay-of-ann")
	require.ErrorIs(t, err, &rail.Error{Code: rail.Unavailable})
}

// A ledger that was put back to an earlier time has another history than the one that a worker remembers.
func TestWorker_LedgerPutBack(t *testing.T) {
	w := openWorld(t, sale.Settings{MaxRunHolds: 1})
	for i := range 3 {
		_, err := w.Place(t.Context(), fmt.Sprint("ann", i), w.order(fmt.Sprint("n", i), fmt.Sprintf("DOC0000%d", i)))
		require.NoError(t, err)
	}
	w.book.mu.Lock()
	w.book.version, w.book.maps = 1, map[rail.SeatClass][]byte{}
	clear(w.book.orders)
	clear(w.book.keys)
	w.book.mu.Unlock()
	other := w.open(t, sale.Settings{})
	_, err := other.Place(t.Context(), "bob", w.order("bob", "DOC00001"))
	require.NoError(t, err)
	_, err = w.Place(t.Context(), "cy", w.order("cy", "DOC00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.AlreadyTravelling}, "bob's ticket is known")
	_, err = w.Place(t.Context(), "ann1", w.order("n1", "DOC00002"))
	require.NoError(t, err, "ann's hold was lost with the rest")
}

// Two servers take turns, and say of each order what a list of all orders says.
func TestPlace_LimitsAgainstAList(t *testing.T) {
	rapid.Check(t, func(p *rapid.T) {
		limit := rapid.IntRange(1, 3).Draw(p, "limit")
		settings := sale.Settings{MaxRunHolds: limit}
		w := openWorld(t, settings)
		w.lock.yes = true
		services := []*sale.Service{w.Service, w.open(t, settings)}
		stations := []rail.StationCode{"AAA", "BBB", "CCC", "DDD", "EEE"}
		type listed struct {
			order    *rail.Order
			document string
		}
		var list []listed
		expired := func() {
			for _, l := range list {
				switch {
				case l.order.State == rail.OnHold && !l.order.PayBy.After(w.book.now()):
					l.order.State = rail.Expired
				case l.order.State == rail.Paying && !l.order.CaptureBy.After(w.book.now()):
					l.order.State = rail.Cancelled
				}
			}
		}
		places := 0
		p.Repeat(map[string]func(*rapid.T){
			"place": func(p *rapid.T) {
				if places++; places > 25 {
					p.Skip("the train has 30 seats")
				}
				buyer := rapid.SampledFrom([]string{"ann", "bob"}).Draw(p, "buyer")
				document := rapid.SampledFrom([]string{"DOC1", "DOC2", "DOC3", "DOC4"}).Draw(p, "document")
				from := rapid.IntRange(0, 3).Draw(p, "from")
				to := rapid.IntRange(from+1, 4).Draw(p, "to")
				class := rapid.SampledFrom([]rail.SeatClass{rail.First, rail.Second}).Draw(p, "class")
				expired()
				holds, travels := 0, false
				for _, l := range list {
					if l.order.Buyer == buyer && l.order.State == rail.OnHold {
						holds++
					}
					travels = travels || l.document == document && l.order.State.Live() && l.order.From < to &&
						from < l.order.To
				}
				place := between(w.order(fmt.Sprint("n", places), document), stations[from], stations[to])
				place.Passengers[0].SeatClass = class
				order, err := rapid.SampledFrom(services).Draw(p, "service").Place(context.Background(), buyer, place)
				switch {
				case holds >= limit:
					require.ErrorIs(p, err, &rail.Error{Code: rail.HoldLimit})
				case travels && rail.CodeOf(err) != rail.SoldOut:
					require.ErrorIs(p, err, &rail.Error{Code: rail.AlreadyTravelling})
				case rail.CodeOf(err) != rail.SoldOut:
					require.NoError(p, err)
					kept := *order
					list = append(list, listed{&kept, document})
				}
			},
			"pay": func(p *rapid.T) {
				if len(list) == 0 {
					p.Skip("nothing")
				}
				l := rapid.SampledFrom(list).Draw(p, "order")
				expired()
				_, _, err := rapid.SampledFrom(services).Draw(p, "service").
					Pay(context.Background(), l.order.Buyer, l.order.ID, "pay-"+l.order.ID[len(l.order.ID)-4:]+"-0000")
				if l.order.State == rail.OnHold {
					require.NoError(p, err)
					l.order.State = rail.Paid
				}
			},
			"decide": func(p *rapid.T) {
				if len(list) == 0 {
					p.Skip("nothing")
				}
				l := rapid.SampledFrom(list).Draw(p, "order")
				expired()
				kind := rapid.SampledFrom([]ledger.PaymentStepKind{
					ledger.PaymentAuthorised, ledger.PaymentCaptured, ledger.PaymentFailed,
				}).Draw(p, "kind")
				outcomes, err := w.book.DecidePayments(context.Background(), l.order.RunID,
					[]ledger.PaymentStep{{OrderID: l.order.ID, PaymentID: "p1", Kind: kind}})
				require.NoError(p, err)
				l.order.State, l.order.CaptureBy = outcomes[0].Order.State, outcomes[0].Order.CaptureBy
			},
			"cancel": func(p *rapid.T) {
				if len(list) == 0 {
					p.Skip("nothing")
				}
				l := rapid.SampledFrom(list).Draw(p, "order")
				expired()
				_, err := rapid.SampledFrom(services).Draw(p, "service").
					Cancel(context.Background(), l.order.Buyer, l.order.ID, "")
				if l.order.State == rail.OnHold {
					require.NoError(p, err)
					l.order.State = rail.Cancelled
				}
			},
			"wait": func(*rapid.T) {
				w.book.mu.Lock()
				w.book.skew += 6 * time.Minute
				w.book.mu.Unlock()
			},
		})
	})
}

// Four servers without a lock, on every database: three buyers with two documents each want the run for themselves.
func TestPlace_LimitsHoldWithoutALock(t *testing.T) {
	const limit = 4
	for _, flavor := range ledgertest.Flavors() {
		t.Run(flavor.Name, func(t *testing.T) {
			options := flavor.New(t)
			run := publishRun(t, ledgertest.Open(t, options), "T12")
			var wait sync.WaitGroup
			for n := range rushServers {
				l := ledgertest.Open(t, options)
				service := openService(t, l, run,
					sale.Settings{MaxRunHolds: limit, MaxOpenHolds: -1, MaxDocuments: -1, MaxLapsedHolds: -1})
				for i := range 24 {
					wait.Go(func() {
						askFor(t, service, run, fmt.Sprint("buyer-", i%3),
							fmt.Sprint("key-of-server-", n, "-", i), i)
					})
				}
			}
			wait.Wait()
			l := ledgertest.Open(t, options)
			orders, err := l.Orders(t.Context(),
				ledger.OrderFilter{RunID: run.ID, States: []rail.OrderState{rail.OnHold}, Limit: 200})
			require.NoError(t, err)
			holds := map[string]int{}
			for i, o := range orders {
				holds[o.Buyer]++
				for _, other := range orders[:i] {
					if other.Tickets[0].Passenger.DocumentNumber == o.Tickets[0].Passenger.DocumentNumber {
						require.False(t, o.From < other.To && other.From < o.To, "one document twice: %v, %v", o, other)
					}
				}
			}
			require.Len(t, holds, 3)
			for buyer, n := range holds {
				require.LessOrEqual(t, n, limit, buyer)
			}
		})
	}
}

// askFor asks for one seat on one or two legs until there is an answer.
func askFor(t *testing.T, service *sale.Service, run *rail.Run, buyer, key string, i int) {
	from := i % 4
	place := rail.PlaceOrder{
		IdempotencyKey: key, RunID: run.ID, From: run.Train.Calls[from].Station,
		To: run.Train.Calls[min(from+1+i%2, 4)].Station,
		Passengers: []rail.PassengerRequest{{
			Passenger: rail.Passenger{Name: "A Passenger", DocumentNumber: fmt.Sprint("DOC", i%6)},
			SeatClass: rail.Second,
		}},
	}
	for {
		_, err := service.Place(t.Context(), buyer, place)
		switch rail.CodeOf(err) {
		case rail.Unavailable, rail.Overloaded, rail.OrderPending:
			continue
		case "", rail.HoldLimit, rail.AlreadyTravelling, rail.SoldOut:
		default:
			assert.NoError(t, err)
		}
		return
	}
}

// What spans runs is read from the ledger, by every server.
func TestPlace_OpenHoldsInAll(t *testing.T) {
	options := ledgertest.SQLite(t)
	l := ledgertest.Open(t, options)
	var runs []*rail.Run
	for i := range 4 {
		runs = append(runs, publishRun(t, l, fmt.Sprint("T", i)))
	}
	settings := sale.Settings{MaxRunHolds: 2, MaxOpenHolds: 3, MaxDocuments: -1, MaxLapsedHolds: -1}
	services := []*sale.Service{
		openService(t, l, nil, settings, runs...),
		openService(t, ledgertest.Open(t, options), nil, settings, runs...),
	}
	place := func(service, run int, buyer string) (*rail.Order, error) {
		return services[service].Place(t.Context(), buyer, rail.PlaceOrder{
			IdempotencyKey: uuid.NewString(), RunID: runs[run].ID, From: "AAA", To: "CCC",
			Passengers: []rail.PassengerRequest{{
				Passenger: rail.Passenger{Name: "A Passenger", DocumentNumber: "D" + uuid.NewString()[:8]},
				SeatClass: rail.Second,
			}},
		})
	}
	var orders []*rail.Order
	for run := range 3 {
		order, err := place(0, run, "ann")
		require.NoError(t, err)
		orders = append(orders, order)
	}
	for service := range services {
		_, err := place(service, 3, "ann")
		require.ErrorIs(t, err, &rail.Error{Code: rail.HoldLimit})
		_, err = place(service, 3, "bob")
		require.NoError(t, err)
	}
	_, err := services[1].Cancel(t.Context(), "ann", orders[0].ID, "")
	require.NoError(t, err)
	_, err = place(0, 3, "ann")
	require.NoError(t, err, "nobody is refused by what was true a moment ago")
	_, err = place(1, 0, "ann")
	require.ErrorIs(t, err, &rail.Error{Code: rail.HoldLimit})
}

// published is a timetable of some runs.
type published []*rail.Run

func (p published) Run(id rail.RunID) (*rail.Run, bool) {
	i := slices.IndexFunc(p, func(run *rail.Run) bool { return run.ID == id })
	if i < 0 {
		return nil, false
	}
	return p[i], true
}

func (published) Loaded() bool { return true }

// openService opens a service of one more server on a ledger, with a lock that always says yes.
func openService(
	t *testing.T, l *sqlledger.Ledger, run *rail.Run, settings sale.Settings, runs ...*rail.Run,
) *sale.Service {
	t.Helper()
	if run != nil {
		runs = append(runs, run)
	}
	service := sale.Open(sale.Options{
		Ledger: l, Lock: &fakeLock{yes: true}, Availability: &board{}, Runs: published(runs),
		Payments: sale.NewSandbox(),
		NewID:    func() string { return rand12() }, NewNumber: rand12, DocumentKey: []byte("key of this test"),
		Settings: settings,
		Log:      slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() { require.NoError(t, service.Close(context.Background())) })
	return service
}
