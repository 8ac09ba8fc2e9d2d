package sale_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
	"interlock/services/sale"
	"interlock/services/seatmap"
)

// line is a ledger of two runs, each with a book of its own, as two clusters would be. what is called first fails where
// crash says so: nothing after it is reached, as if the server had died.
type line struct {
	*book // of the first run
	other *book
	// crash is asked before and after each call that writes, with what the call is for.
	crash func(when string) error
}

func (l *line) of(run rail.RunID) *book {
	if l.other.run.ID == run {
		return l.other
	}
	return l.book
}

func (l *line) ofOrder(id string) *book {
	run, _ := rail.RunOfOrder(id)
	return l.of(run)
}

func (l *line) at(when string) error {
	if l.crash == nil {
		return nil
	}
	return l.crash(when)
}

func (l *line) Sell(ctx context.Context, batch ledger.Batch, decide ledger.Decide) (int64, error) {
	if err := l.at("before a batch"); err != nil {
		return 0, err
	}
	version, err := l.of(batch.RunID).Sell(ctx, batch, decide)
	if err == nil {
		err = l.at("after a batch")
	}
	return version, err
}

func (l *line) DecidePayments(
	ctx context.Context, run rail.RunID, steps []ledger.PaymentStep,
) ([]ledger.PaymentOutcome, error) {
	if err := l.at("before a step"); err != nil {
		return nil, err
	}
	outcomes, err := l.of(run).DecidePayments(ctx, run, steps)
	if err == nil {
		err = l.at("after a step")
	}
	return outcomes, err
}

func (l *line) Order(ctx context.Context, id string) (*rail.Order, error) {
	if err := l.at("before a read"); err != nil {
		return nil, err
	}
	return l.ofOrder(id).Order(ctx, id)
}

func (l *line) OrderToPay(ctx context.Context, id string) (*rail.Order, time.Duration, error) {
	return l.ofOrder(id).OrderToPay(ctx, id)
}

func (l *line) DueRuns(ctx context.Context, limit int) ([]rail.RunID, error) {
	first, _ := l.book.DueRuns(ctx, limit)
	second, err := l.other.DueRuns(ctx, limit)
	return append(first, second...), err
}

func (l *line) DueChanges(ctx context.Context, after ledger.DueChange, limit int) ([]ledger.DueChange, error) {
	first, _ := l.book.DueChanges(ctx, after, limit)
	second, err := l.other.DueChanges(ctx, after, limit)
	due := append(first, second...)
	slices.SortFunc(due, inTurn)
	return due[:min(limit, len(due))], err
}

func (l *line) OwedRefunds(ctx context.Context, age time.Duration, after string, limit int) ([]string, error) {
	first, _ := l.book.OwedRefunds(ctx, age, after, limit)
	second, err := l.other.OwedRefunds(ctx, age, after, limit)
	return append(first, second...), err
}

func (l *line) Run(id rail.RunID) (*rail.Run, bool) { return l.of(id).Run(id) }

// leavesIn is a run like another one that leaves in a time from now.
func leavesIn(like *rail.Run, number string, in time.Duration, first, second int64) *rail.Run {
	run, at := *like, time.Now().UTC().Add(in)
	run.SaleOpensAt = time.UnixMilli(0)
	run.Date = rail.DateIn(at, time.UTC)
	midnight := at.Truncate(24 * time.Hour)
	var calls []rail.Call
	for i, call := range like.Train.Calls {
		call.DepartureSeconds = int32(at.Sub(midnight)/time.Second) + int32(i)*3_600
		call.ArrivalSeconds = call.DepartureSeconds - 60
		calls = append(calls, call)
	}
	fares := *like.Train.Fares
	fares.PerKm = []rail.KmRate{
		{SeatClass: rail.First, MicrosPerKm: first}, {SeatClass: rail.Second, MicrosPerKm: second},
	}
	run.Train = rail.NewTrain(number, "T", "UTC", calls, like.Train.Formation, &fares)
	run.ID = rail.NewRunID(number, run.Date)
	return &run
}

// twoRuns is a world of T12, which leaves in 36 hours, of T13, which leaves a day later and is a half dearer, and of a
// bank.
type twoRuns struct {
	*world
	line *line
	bank *bank
	n    int
}

func openTwoRuns(t *testing.T, settings sale.Settings) *twoRuns {
	t.Helper()
	w := openWorld(t, settings)
	w.book.run = leavesIn(newRun(t), "T12", 36*time.Hour, 80_000_000, 50_000_000)
	second := leavesIn(newRun(t), "T13", 60*time.Hour, 120_000_000, 75_000_000)
	other := &book{
		run: second, version: 1, maps: map[rail.SeatClass][]byte{}, orders: map[string]*rail.Order{},
		keys: map[ledger.OrderKey]ledger.Replay{}, claims: map[string][]string{},
		asked: map[ledger.AskedDocument]bool{},
	}
	two := &twoRuns{world: w, line: &line{book: w.book, other: other}, bank: newBank()}
	w.Service = two.server(t, settings)
	return two
}

// server is one more server of the two runs.
func (w *twoRuns) server(t *testing.T, settings sale.Settings) *sale.Service {
	t.Helper()
	options := w.options(settings)
	options.Ledger, options.Runs, options.Payments = w.line, w.line, w.bank
	service := sale.Open(options)
	t.Cleanup(func() { require.NoError(t, service.Close(context.Background())) })
	return service
}

// bought is a paid order of a buyer for SECOND seats from AAA to CCC, 100.00 each on the first run.
func (w *twoRuns) bought(t *testing.T, buyer string, run rail.RunID, passengers int) *rail.Order {
	t.Helper()
	w.n++
	var documents []string
	for i := range passengers {
		documents = append(documents, "DOC"+strconv.Itoa(1000*w.n+i))
	}
	place := w.order("bought"+strconv.Itoa(w.n), documents...)
	place.RunID = run
	order, err := w.Place(t.Context(), buyer, place)
	require.NoError(t, err)
	order, _, err = w.Pay(t.Context(), buyer, order.ID, "payment-0001")
	require.NoError(t, err)
	require.Equal(t, rail.Paid, order.State)
	return order
}

// read is an order as its book has it.
func (w *twoRuns) read(id string) *rail.Order {
	b := w.line.ofOrder(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read(id)
}

// give gives tickets back for a quote that was just asked for.
func (w *twoRuns) give(t *testing.T, order *rail.Order, key string, tickets ...int) (*sale.RefundAnswer, error) {
	t.Helper()
	asker := sale.Asker{Name: order.Buyer}
	quote, _, err := w.QuoteRefund(t.Context(), asker, order.ID, rail.TicketsOf(tickets...))
	require.NoError(t, err)
	return w.Refund(t.Context(), sale.RefundRequest{
		Asker: asker, OrderID: order.ID, Tickets: rail.TicketsOf(tickets...), QuoteID: quote.ID, Key: key,
	})
}

// refusalOf is the code and the path of a refusal.
func refusalOf(err error) string {
	if err == nil {
		return ""
	}
	var refusal *rail.Error
	if errs, ok := err.(rail.Errors); ok { //nolint:errorlint // As the sale returns it.
		refusal = errs[0]
	} else if refusal, ok = err.(*rail.Error); !ok { //nolint:errorlint // As the sale returns it.
		return err.Error()
	}
	return string(refusal.Code) + " " + strings.Join(refusal.Path, ".")
}

func (w *twoRuns) ctx() context.Context { return context.Background() }

func refundOrder(payment, id string, amount rail.Money) pay.RefundOrder {
	return pay.RefundOrder{ID: id, PaymentID: payment, OrderID: "o", Amount: amount}
}

// soldSeats are the seats of a class that the book's map has as sold on a leg from one call to another. b.mu must be
// held.
func (b *book) soldSeats(t testing.TB, class rail.SeatClass, from, to int) (sold []int) {
	t.Helper()
	seats := len(b.run.Train.Formation.Seats(class))
	if b.maps[class] == nil {
		return nil
	}
	m, err := seatmap.Decode(b.run.Train.Legs(), seats, b.maps[class])
	require.NoError(t, err)
	for seat := range seats {
		if !m.IsFree(seat, from, to) {
			sold = append(sold, seat)
		}
	}
	return sold
}
