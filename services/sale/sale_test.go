package sale_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/pay"
	"interlock/services/rail"
	"interlock/services/sale"
)

func TestPlace_OneOrder(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	place := w.order("one", "DOC00001", "DOC00002")
	place.Passengers[1].SeatClass = rail.First
	order, err := w.Place(t.Context(), "ann", place)
	require.NoError(t, err)
	require.Equal(t, rail.OnHold, order.State)
	require.Equal(t, "2", order.Tickets[0].Coach)
	require.Equal(t, "1", order.Tickets[1].Coach)
	require.Equal(t, rail.Money{Minor: 10_000 + 16_000, Currency: "CNY"}, order.Total)
	require.Equal(t, 15*time.Minute, order.PayBy.Sub(order.PlacedAt))
	require.NoError(t, w.Close(t.Context()))
	require.Len(t, w.board.applied, 1)
	left := w.board.applied[0]
	require.Equal(t, int64(2), left.Version)
	at := func(i, j, class int) uint16 { return left.Counts[rail.PairIndex(5, i, j)*2+class] }
	require.Equal(t, uint16(9), at(0, 1, 0))
	require.Equal(t, uint16(19), at(0, 4, 1))
	require.Equal(t, uint16(20), at(2, 4, 1), "the seat is free again after CCC")
}

// A train that goes from AAA to BBB twice sells each departure by its name, also to one passenger.
func TestPlace_ToAndFro(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	run := *w.book.run
	calls := slices.Clone(run.Train.Calls)
	calls[2].Station, calls[3].Station = "AAA", "BBB"
	run.Train = rail.NewTrain("T12", "T", "UTC", calls, run.Train.Formation, run.Train.Fares)
	w.book.run = &run
	place := w.order("none", "DOC00001")
	place.To = "BBB"
	_, err := w.Place(t.Context(), "ann", place)
	require.Equal(t, []string{"input", "departure"}, pathOf(t, err))
	for n, call := range []int{0, 2} {
		place := w.order(fmt.Sprint("departure", n), "DOC00001")
		place.To, place.Departure = "BBB", run.Departure(call)
		order, err := w.Place(t.Context(), "ann", place)
		require.NoError(t, err)
		require.Equal(t, []int{call, call + 1}, []int{order.From, order.To})
		require.Equal(t, "50.00 CNY", order.Total.String())
		place.Departure = place.Departure.In(time.FixedZone("", 3_600))
		again, err := w.Place(t.Context(), "ann", place)
		require.NoError(t, err)
		require.Equal(t, order.ID, again.ID, "one instant is one request")
	}
}

// pathOf is where a refusal points at.
func pathOf(t *testing.T, err error) []string {
	t.Helper()
	var errs rail.Errors
	require.ErrorAs(t, err, &errs)
	require.Len(t, errs, 1)
	return errs[0].Path
}

func TestPlace_Refusals(t *testing.T) {
	past := func(w *world) { w.book.skew = 72 * time.Hour }
	for _, c := range []struct {
		name    string
		code    rail.Code
		path    string
		arrange func(*world, *rail.PlaceOrder)
	}{
		{"run unknown", rail.NotFound, "input.runId", func(_ *world, p *rail.PlaceOrder) { p.RunID = "X1@2030-01-01" }},
		{
			"key too short", rail.Invalid, "input.idempotencyKey",
			func(_ *world, p *rail.PlaceOrder) { p.IdempotencyKey = "short" },
		},
		{"from is to", rail.Invalid, "input.to", func(_ *world, p *rail.PlaceOrder) { p.To = p.From }},
		{
			"wrong direction", rail.Invalid, "input.to",
			func(_ *world, p *rail.PlaceOrder) { p.From, p.To = p.To, p.From },
		},
		{"station unknown", rail.Invalid, "input.from", func(_ *world, p *rail.PlaceOrder) { p.From = "ZZZ" }},
		{"nobody", rail.Invalid, "input.passengers", func(_ *world, p *rail.PlaceOrder) { p.Passengers = nil }},
		{"ten", rail.Invalid, "input.passengers", func(w *world, p *rail.PlaceOrder) {
			*p = w.order("ten", "D0001", "D0002", "D0003", "D0004", "D0005", "D0006", "D0007", "D0008", "D0009",
				"D0010")
		}},
		{
			"one document twice", rail.Invalid, "input.passengers.1.documentNumber",
			func(w *world, p *rail.PlaceOrder) { *p = w.order("twice", "same1", " SAME1 ") },
		},
		{
			"class unknown", rail.Invalid, "input.passengers.0.seatClass",
			func(_ *world, p *rail.PlaceOrder) { p.Passengers[0].SeatClass = rail.Business },
		},
		{"closed", rail.SaleClosed, "input.runId", func(w *world, _ *rail.PlaceOrder) { past(w) }},
		{
			"not open", rail.SaleNotOpen, "input.runId",
			func(w *world, _ *rail.PlaceOrder) { w.book.run.SaleOpensAt = time.Now().Add(time.Hour) },
		},
		{
			"suspended", rail.NotOnSale, "input.runId",
			func(w *world, _ *rail.PlaceOrder) { w.book.run.Status = rail.Suspended },
		},
		{
			"withdrawn", rail.NotOnSale, "input.runId",
			func(w *world, _ *rail.PlaceOrder) { w.book.run.Status = rail.Withdrawn },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := openWorld(t, sale.Settings{})
			place := w.order("refusal", "DOC00001")
			c.arrange(w, &place)
			_, err := w.Place(t.Context(), "ann", place)
			var refusal *rail.Error
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, c.code, refusal.Code)
			require.Equal(t, c.path, strings.Join(refusal.Path, "."))
			require.Empty(t, w.book.orders)
		})
	}
}

// A retry from another keyboard is the same request.
func TestPlace_TheSameKeyTypedInAnotherWay(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	place := w.order("typed", "DOC00001")
	place.Passengers[0].Name = "Zoë 山田"
	first, err := w.Place(t.Context(), "ann", place)
	require.NoError(t, err)
	again := w.order("typed", "ｄｏｃ００００１")
	again.Passengers[0].Name = "Zoe\u0308\u3000山田"
	second, err := w.Place(t.Context(), "ann", again)
	require.NoError(t, err)
	require.Equal(t, first, second)
	again.Passengers[0].Name = "Zoe 山田"
	_, err = w.Place(t.Context(), "ann", again)
	require.Equal(t, rail.IdempotencyConflict, rail.CodeOf(err))
}

func TestPlace_SoldOutIsAllOrNothing(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	for i := range 9 {
		_, err := w.Place(t.Context(), "ann",
			w.order(fmt.Sprint("fill", i), fmt.Sprint("DOCA", i), fmt.Sprint("DOCB", i)))
		require.NoError(t, err)
	}
	before := string(w.book.maps[rail.Second])
	three := w.order("three", "LAST1", "LAST2", "LAST3")
	_, err := w.Place(t.Context(), "bob", three)
	require.ErrorIs(t, err, &rail.Error{Code: rail.SoldOut})
	require.Equal(t, before, string(w.book.maps[rail.Second]), "a party that does not fit takes no seat")
	three.IdempotencyKey, three.Passengers = "key-two-00000", three.Passengers[:2]
	_, err = w.Place(t.Context(), "bob", three)
	require.NoError(t, err, "a party that fits does")
}

// What a retry is recognised by is kept beside the order, and is made of names and document numbers: without the key of
// the digests nobody can try out who it was.
func TestPlace_KeepsAKeyedDigestOfTheRequest(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	place := w.order("digest", "DOC00001")
	order, err := w.Place(t.Context(), "ann", place)
	require.NoError(t, err)
	key := ledger.OrderKey{Buyer: "ann", Key: place.IdempotencyKey}
	kept := w.book.keys[key].BodyHash
	body, err := json.Marshal(place)
	require.NoError(t, err)
	require.NotEmpty(t, kept)
	unkeyed := sha256.Sum256(body)
	require.NotEqual(t, base64.RawURLEncoding.EncodeToString(unkeyed[:24]), kept)
	mac := hmac.New(sha256.New, []byte("key of this test"))
	mac.Write(body)
	require.NotEqual(t, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:24]), kept,
		"the digests of documents have a key of their own")

	// Another server with the same key knows the request again; one with another key does not.
	again, err := w.open(t, sale.Settings{}).Place(t.Context(), "ann", place)
	require.NoError(t, err)
	require.Equal(t, order.ID, again.ID)
	o := w.options(sale.Settings{})
	o.DocumentKey = []byte("another key of this test")
	stranger := sale.Open(o)
	defer func() { require.NoError(t, stranger.Close(context.Background())) }()
	_, err = stranger.Place(t.Context(), "ann", place)
	require.ErrorIs(t, err, &rail.Error{Code: rail.IdempotencyConflict})

	// Once the request is forgotten, the key is all that there is to go by.
	w.book.keys[key] = ledger.Replay{Order: order}
	again, err = stranger.Place(t.Context(), "ann", place)
	require.NoError(t, err)
	require.Equal(t, order.ID, again.ID)
}

func TestPlace_KeyIsOneOrder(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	var wait sync.WaitGroup
	var ids sync.Map
	for range 20 {
		wait.Go(func() {
			order, err := w.Place(t.Context(), "ann", w.order("same", "DOC00001"))
			if err == nil {
				ids.Store(order.ID, true)
			}
		})
	}
	wait.Wait()
	n := 0
	ids.Range(func(any, any) bool { n++; return true })
	require.Equal(t, 1, n)
	require.Len(t, w.book.orders, 1)

	other := w.order("same", "DOC00002")
	_, err := w.Place(t.Context(), "ann", other)
	require.ErrorIs(t, err, &rail.Error{Code: rail.IdempotencyConflict})
	_, err = w.Place(t.Context(), "bob", other)
	require.NoError(t, err, "a key belongs to its buyer")
}

func TestPlace_DocumentTravelsOnce(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	first, err := w.Place(t.Context(), "ann", w.order("first", "DOC00001"))
	require.NoError(t, err)
	_, err = w.Place(t.Context(), "bob", w.order("second", "doc00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.AlreadyTravelling})
	_, err = w.Cancel(t.Context(), "ann", first.ID, "")
	require.NoError(t, err)
	_, err = w.Place(t.Context(), "bob", w.order("second", "doc00001"))
	require.NoError(t, err, "who cancelled may buy again, and a refusal is not remembered by its key")
}

func TestCancel(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	_, err = w.Cancel(t.Context(), "bob", order.ID, "")
	require.ErrorIs(t, err, &rail.Error{Code: rail.NotFound}, "somebody else's order is no order")
	for _, nothing := range []string{"no order id", "Z9@2030-01-01/1"} {
		_, err = w.Cancel(t.Context(), "ann", nothing, "")
		require.Equal(t, rail.Refuse(rail.NotFound, "there is no such order").At("input", "orderId"), err)
	}
	for range 2 {
		cancelled, err := w.Cancel(t.Context(), "ann", order.ID, "changed my mind")
		require.NoError(t, err)
		require.Equal(t, rail.Cancelled, cancelled.State)
	}
	require.NotContains(t, string(w.book.maps[rail.Second]), "\x01", "its seat is free again")

	paid, err := w.Place(t.Context(), "ann", w.order("paid", "DOC00001"))
	require.NoError(t, err)
	_, payment, err := w.Pay(t.Context(), "ann", paid.ID, "payment-0001")
	require.NoError(t, err)
	require.Equal(t, sale.PaymentSucceeded, payment.State)
	_, err = w.Cancel(t.Context(), "ann", paid.ID, "")
	require.ErrorIs(t, err, &rail.Error{Code: rail.WrongState})
}

func TestPay_AfterTheHold(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	w.book.mu.Lock()
	w.book.skew = 16 * time.Minute
	w.book.mu.Unlock()
	_, _, err = w.Pay(t.Context(), "ann", order.ID, "payment-0001")
	require.ErrorIs(t, err, &rail.Error{Code: rail.HoldExpired})
}

func TestSweep_GivesSeatsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		go w.Sweep(ctx)
		<-time.After(14 * time.Minute)
		synctest.Wait()
		require.Equal(t, rail.OnHold, w.book.state(order.ID))
		<-time.After(time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, rail.Expired, w.book.state(order.ID))
		require.Equal(t, int64(1), w.Stats().Expired)
		stop()
		synctest.Wait()
		w.board.mu.Lock()
		defer w.board.mu.Unlock()
		require.Contains(t, w.board.announced, rail.Change{RunID: order.RunID, OrderID: order.ID, Version: 2})
	})
}

func TestWorker_ServesWhatWaitsInOneBatch(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	gate := make(chan struct{})
	begun := make(chan struct{}, 100)
	w.book.before = func(ledger.Batch) error {
		begun <- struct{}{}
		<-gate
		return nil
	}
	var wait sync.WaitGroup
	buy := func(i int) {
		wait.Go(func() {
			_, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("n", i), fmt.Sprint("DOC0", i)))
			assert.NoError(t, err)
		})
	}
	buy(0)
	<-begun
	for i := 1; i < 10; i++ {
		buy(i)
	}
	require.Eventually(t, func() bool { return w.Waiting() == 9 }, 5*time.Second, time.Millisecond)
	close(gate)
	wait.Wait()
	require.Equal(t, int64(2), w.Stats().Batches, "nine buyers who waited are one batch")
	require.Equal(t, int64(10), w.Stats().Placed)
}

func TestWorker_QueueIsBounded(t *testing.T) {
	w := openWorld(t, sale.Settings{MaxQueue: 2})
	gate := make(chan struct{})
	begun := make(chan struct{}, 100)
	w.book.before = func(ledger.Batch) error {
		begun <- struct{}{}
		<-gate
		return nil
	}
	var wait sync.WaitGroup
	place := func(i int) error {
		_, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("n", i), fmt.Sprint("DOC0", i)))
		return err
	}
	wait.Go(func() { assert.NoError(t, place(0)) })
	<-begun
	for i := 1; i <= 2; i++ {
		wait.Go(func() { assert.NoError(t, place(i)) })
	}
	require.Eventually(t, func() bool { return w.Waiting() == 2 }, 5*time.Second, time.Millisecond)
	err := place(3)
	var refusal *rail.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, rail.Overloaded, refusal.Code)
	require.Positive(t, refusal.RetryAfter)
	close(gate)
	wait.Wait()
}

// Where a batch takes long, nobody is let in behind those who have waited long already and fill the next one, nor where
// all who wait take long at the pace of the last batch.
func TestWorker_QueueIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{MaxBatch: 2, MaxWait: time.Second})
		batch := 3 * time.Second
		w.book.before = func(ledger.Batch) error {
			<-time.After(batch)
			return nil
		}
		n := 0
		place := func() error {
			n++
			_, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("n", n), fmt.Sprint("DOC0", n)))
			return err
		}
		comes := func() {
			go func() { assert.NoError(t, place()) }()
			synctest.Wait()
		}
		comes() // and is served
		comes()
		comes()
		comes() // behind a full batch, of which nobody has waited yet
		<-time.After(batch / 2)
		require.ErrorIs(t, place(), &rail.Error{Code: rail.Overloaded})
		<-time.After(batch) // The next one is in the ledger, and took 3 s the last time; one waits.
		comes()
		require.ErrorIs(t, place(), &rail.Error{Code: rail.Overloaded})
		<-time.After(time.Minute)
		comes()
		<-time.After(time.Minute)
	})
}

// What can never be ordered is said, whatever the queue; and whoever is refused has cost the ledger nothing.
func TestPlace_WhileTheQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{MaxQueue: 1, MaxOpenHolds: 1})
		w.book.before = func(ledger.Batch) error {
			<-time.After(time.Second)
			return nil
		}
		for i := range 2 {
			go func() {
				_, err := w.Place(t.Context(), fmt.Sprint("ann", i), w.order(fmt.Sprint("n", i), fmt.Sprint("DOC0", i)))
				assert.NoError(t, err)
			}()
			synctest.Wait()
		}
		asked := w.book.records.Load()
		_, err := w.Place(t.Context(), "bob", w.order("bob", "DOC00009"))
		require.ErrorIs(t, err, &rail.Error{Code: rail.Overloaded})
		require.Equal(t, asked, w.book.records.Load())
		wrong := w.order("wrong", "DOC00009")
		wrong.From = wrong.To
		_, err = w.Place(t.Context(), "bob", wrong)
		require.ErrorIs(t, err, &rail.Error{Code: rail.Invalid})
		<-time.After(time.Minute)
	})
}

// Who finds the queue full is told to come back when about all who wait are served, at the pace of the last batch.
func TestWorker_SaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{MaxQueue: 2, MaxBatch: 1})
		w.book.before = func(ledger.Batch) error {
			<-time.After(600 * time.Millisecond)
			return nil
		}
		place := func(i int) error {
			_, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("n", i), fmt.Sprint("DOC0", i)))
			return err
		}
		require.NoError(t, place(0))
		for i := 1; i <= 3; i++ {
			go func() { assert.NoError(t, place(i)) }()
			synctest.Wait()
		}
		var refusal *rail.Error
		require.ErrorAs(t, place(4), &refusal)
		require.Equal(t, rail.Overloaded, refusal.Code)
		require.Equal(t, 2*600*time.Millisecond, refusal.RetryAfter)
		<-time.After(time.Minute)
	})
}

func TestWorker_WhoHangsUpIsDropped(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	gate := make(chan struct{})
	begun := make(chan struct{}, 100)
	w.book.before = func(ledger.Batch) error {
		begun <- struct{}{}
		<-gate
		return nil
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		_, err := w.Place(t.Context(), "ann", w.order("stays", "DOC00001"))
		assert.NoError(t, err)
	})
	<-begun
	ctx, hangUp := context.WithCancel(t.Context())
	wait.Go(func() {
		_, err := w.Place(ctx, "bob", w.order("leaves", "DOC00002"))
		assert.ErrorIs(t, err, &rail.Error{Code: rail.Unavailable})
	})
	require.Eventually(t, func() bool { return w.Waiting() == 1 }, 5*time.Second, time.Millisecond)
	hangUp()
	require.Eventually(t, func() bool { return ctx.Err() != nil }, time.Second, time.Millisecond)
	close(gate)
	wait.Wait()
	require.NoError(t, w.Close(t.Context()))
	require.Len(t, w.book.orders, 1)
}

func TestWorker_PoisonedOrderFailsAlone(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	gate := make(chan struct{})
	begun := make(chan struct{}, 100)
	w.book.before = func(ledger.Batch) error {
		select {
		case begun <- struct{}{}:
		default:
		}
		<-gate
		return nil
	}
	w.book.after = func(_ ledger.Batch, changes ledger.BatchChanges) error {
		for _, n := range changes.Orders {
			if strings.HasPrefix(n.Order.Tickets[0].Passenger.Name, "Passenger POISON") {
				return errors.New("the ledger will not have it")
			}
		}
		return nil
	}
	var wait sync.WaitGroup
	var placed, failed atomic.Int64
	place := func(key, document string) {
		wait.Go(func() {
			_, err := w.Place(t.Context(), "ann", w.order(key, document))
			switch {
			case err == nil:
				placed.Add(1)
			case rail.CodeOf(err) == rail.Internal:
				failed.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	place("first", "DOC00000")
	<-begun
	for i := range 8 {
		place(fmt.Sprint("good", i), fmt.Sprint("DOC1", i))
	}
	place("poison", "POISON1")
	require.Eventually(t, func() bool { return w.Waiting() == 9 }, 5*time.Second, time.Millisecond)
	close(gate)
	wait.Wait()
	require.Equal(t, int64(9), placed.Load())
	require.Equal(t, int64(1), failed.Load())
	require.Len(t, w.book.orders, 9)
}

func TestWorker_TriesAgainWithALockingRead(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	w.book.after = func(batch ledger.Batch, _ ledger.BatchChanges) error {
		if !batch.Locking {
			return ledger.ErrVersionConflict
		}
		return nil
	}
	_, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	require.Equal(t, int64(1), w.Stats().VersionConflicts)
	require.Len(t, w.book.orders, 1)
	require.Len(t, w.book.batches, 2)
}

func TestWorker_DrawsAnotherNumber(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	var numbers []string
	w.book.after = func(_ ledger.Batch, changes ledger.BatchChanges) error {
		numbers = append(numbers, changes.Orders[0].Order.Number)
		if len(numbers) == 1 {
			return &ledger.DuplicateError{Cause: ledger.DuplicateNumber}
		}
		return nil
	}
	_, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	require.Len(t, numbers, 2)
	require.NotEqual(t, numbers[0], numbers[1])
}

func TestWorker_GivesUpWhereItAlwaysLoses(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	w.book.after = func(ledger.Batch, ledger.BatchChanges) error { return ledger.ErrVersionConflict }
	_, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.Unavailable})
	require.Empty(t, w.book.orders)
}

func TestPlace_InDoubtCommitIsResolvedByTheKey(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	lost := true
	w.book.lost = func() bool { return lost }
	_, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.OrderPending})

	w.book.mu.Lock()
	lost = false
	w.book.before = func(ledger.Batch) error { return rail.Refuse(rail.Unavailable, "one probe at a time") }
	w.book.mu.Unlock()
	_, err = w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.OrderPending}, "not resolved yet: still pending, not unavailable")
	_, err = w.Place(t.Context(), "bob", w.order("other", "DOC00002"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.Unavailable}, "who was not in it knows that nothing was done")

	w.book.mu.Lock()
	w.book.before = nil
	w.book.mu.Unlock()
	order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	require.Len(t, w.book.orders, 1)
	require.Contains(t, w.book.orders, order.ID)
	require.True(t, w.book.batches[len(w.book.batches)-1].Locking, "a batch that resolves opens with a locking read")
	_, err = w.Place(t.Context(), "bob", w.order("other", "DOC00002"))
	require.NoError(t, err)
	require.False(t, w.book.batches[len(w.book.batches)-1].Locking)
}

// Documents that were asked for are forgotten a thousand at a time, until none is older than a day.
func TestSweep_ForgetsWhatWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		w.book.old = 10_500
		ctx, stop := context.WithCancel(t.Context())
		go w.Sweep(ctx)
		<-time.After(15 * time.Second)
		stop()
		synctest.Wait()
		require.Zero(t, w.book.old)
	})
}

func TestSweep_ResolvesWhereNobodyComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		lost := true
		w.book.lost = func() bool { defer func() { lost = false }(); return lost }
		_, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.ErrorIs(t, err, &rail.Error{Code: rail.OrderPending})
		ctx, stop := context.WithCancel(t.Context())
		go w.Sweep(ctx)
		<-time.After(1500 * time.Millisecond)
		synctest.Wait()
		w.book.mu.Lock()
		require.Len(t, w.book.batches, 2)
		require.True(t, w.book.batches[1].Locking)
		w.book.mu.Unlock()
		stop()
		synctest.Wait()
	})
}

func TestWorker_SellsWithoutAQuorum(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	w.lock.err = lock.ErrNoQuorum
	_, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	require.Equal(t, int64(1), w.Stats().WithoutLock)
}

func TestWorker_DoesNotWaitForEverForALock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		w.lock.held.Store(string(w.book.run.ID), true)
		begun := time.Now()
		_, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		require.InDelta(t, 4*time.Second, time.Since(begun), float64(100*time.Millisecond))
		require.Positive(t, w.Stats().LockTaken)
	})
}

func TestWorker_GivesTheLockBack(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	_, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	require.NoError(t, w.Close(t.Context()))
	_, held := w.lock.held.Load(string(w.book.run.ID))
	require.False(t, held)
}

func TestWorker_HungRedisDelaysNoBuyer(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	w.board.hang = make(chan struct{})
	for i := range 20 {
		_, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("order", i), fmt.Sprint("DOC1", i)))
		require.NoError(t, err)
	}
	close(w.board.hang)
	require.NoError(t, w.Close(t.Context()))
	versions := map[int64]bool{}
	for _, left := range w.board.applied {
		versions[left.Version] = true
	}
	require.Contains(t, versions, int64(21), "the newest version is told")
}

func TestPlace_BeforeTheTimetableIsLoaded(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	w.book.loading = true
	_, err := w.Place(t.Context(), "ann", w.order("one", "DOC00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.Unavailable}, "not: there is no such run")
}

func TestPlace_InDoubtNobodyIsToldThatNothingWasDone(t *testing.T) {
	w := openWorld(t, sale.Settings{MaxQueue: 1})
	lost := true
	w.book.lost = func() bool { return lost }
	_, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.OrderPending})

	gate, begun := make(chan struct{}), make(chan struct{}, 100)
	w.book.mu.Lock()
	lost = false
	w.book.before = func(ledger.Batch) error {
		begun <- struct{}{}
		<-gate
		return nil
	}
	w.book.mu.Unlock()
	var wait sync.WaitGroup
	for _, key := range []string{"first", "waits"} {
		wait.Go(func() {
			_, err := w.Place(t.Context(), "bob", w.order(key, "DOC0"+key))
			assert.NoError(t, err)
		})
		if key == "first" {
			<-begun
		}
	}
	require.Eventually(t, func() bool { return w.Waiting() == 1 }, 5*time.Second, time.Millisecond)
	_, err = w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.OrderPending}, "the queue is full, and the order may exist")
	_, err = w.Place(t.Context(), "eve", w.order("other", "DOC00009"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.Overloaded})
	close(gate)
	wait.Wait()
	_, err = w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
}

func TestPlace_SomebodyElsesOpenCommitMayBeOnesOwn(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	held := &rail.Error{Code: rail.Unavailable, Message: "somebody holds the row", Cause: ledger.ErrLocked}
	w.book.before = func(ledger.Batch) error { return held }
	_, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.OrderPending})
}

func TestWorker_WaitsForTheLockBeforeItTakesTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		w.lock.held.Store(string(w.book.run.ID), true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.Place(ctx, "ann", w.order("order", "DOC00001"))
		require.ErrorIs(t, err, &rail.Error{Code: rail.Unavailable}, "it never began")
		require.NoError(t, w.Close(t.Context()))
		require.Empty(t, w.book.orders, "who left is not sold a seat")
	})
}

func TestWorker_APanicFailsOneOrder(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	gate, begun := make(chan struct{}), make(chan struct{}, 100)
	w.book.before = func(ledger.Batch) error {
		begun <- struct{}{}
		<-gate
		return nil
	}
	numbers := 0
	number := w.NewNumber
	w.NewNumber = func() string {
		if numbers++; numbers == 5 {
			panic("the fifth number")
		}
		return number()
	}
	var wait sync.WaitGroup
	var placed, failed atomic.Int64
	buy := func(i int) {
		wait.Go(func() {
			_, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("n", i), fmt.Sprint("DOC0", i)))
			if err == nil {
				placed.Add(1)
			} else if assert.Equal(t, rail.Internal, rail.CodeOf(err)) {
				failed.Add(1)
			}
		})
	}
	buy(0)
	<-begun
	for i := 1; i < 10; i++ {
		buy(i)
	}
	require.Eventually(t, func() bool { return w.Waiting() == 9 }, 5*time.Second, time.Millisecond)
	close(gate)
	wait.Wait()
	require.Equal(t, []int64{9, 1}, []int64{placed.Load(), failed.Load()})
	require.Len(t, w.book.orders, 9)
}

func TestWorker_ABrokenRunHarmsNoOther(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	w.book.maps[rail.Second] = []byte("no map")
	_, err := w.Place(t.Context(), "ann", w.order("one", "DOC00001"))
	require.Equal(t, rail.Internal, rail.CodeOf(err))
	require.Len(t, w.book.batches, 1, "what is wrong with the run is not looked for among the orders")

	delete(w.book.maps, rail.Second)
	order, err := w.Place(t.Context(), "ann", w.order("one", "DOC00001"))
	require.NoError(t, err)
	w.book.mu.Lock()
	w.book.skew = time.Hour
	w.book.orders[order.ID].Tickets[0].SeatClass = rail.Business
	w.book.mu.Unlock()
	_, err = w.Place(t.Context(), "ann", w.order("two", "DOC00002"))
	require.Equal(t, rail.Internal, rail.CodeOf(err),
		"a ticket of a class the train lacks fails its run, not the server")
}

// till has something happen before it takes money, and counts what it gives back.
type till struct {
	voided atomic.Int64
	before func()
}

func (c *till) Charge(context.Context, *rail.Order, string, time.Duration) (sale.Payment, error) {
	c.before()
	return sale.Payment{State: sale.PaymentSucceeded}, nil
}

func (c *till) Void(context.Context, *rail.Order, string) error {
	c.voided.Add(1)
	return nil
}

func (c *till) Refund(context.Context, pay.RefundOrder) (bool, error) { return true, nil }

func TestPay_GivesMoneyBackWhereTheHoldEndedMeanwhile(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	cash := &till{before: func() {
		w.book.mu.Lock()
		defer w.book.mu.Unlock()
		w.book.skew = 16 * time.Minute
	}}
	w.Payments = cash
	_, _, err = w.Pay(t.Context(), "ann", order.ID, "payment-0001")
	require.ErrorIs(t, err, &rail.Error{Code: rail.HoldExpired})
	require.Equal(t, int64(1), cash.voided.Load())
}

func TestPay_IsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{MaxCharging: 1})
		order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		gate := make(chan struct{})
		w.Payments = &till{before: func() { <-gate }}
		var wait sync.WaitGroup
		wait.Go(func() {
			_, _, err := w.Pay(t.Context(), "ann", order.ID, "payment-0001")
			assert.NoError(t, err)
		})
		synctest.Wait()
		_, _, err = w.Pay(t.Context(), "ann", order.ID, "payment-0001")
		require.ErrorIs(t, err, &rail.Error{Code: rail.Overloaded})
		close(gate)
		wait.Wait()
	})
}

func TestClose_RefusesWhatComesAfter(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	require.NoError(t, w.Close(t.Context()))
	_, err := w.Place(t.Context(), "ann", w.order("late", "DOC00001"))
	require.ErrorIs(t, err, &rail.Error{Code: rail.Unavailable})
	_, _, err = w.Pay(t.Context(), "ann", "T12@2030-01-01/1", "payment-0001")
	require.ErrorIs(t, err, &rail.Error{Code: rail.Unavailable})
}

// Keys are looked up only when somebody comes again. Whoever was refused gets the order that the key has all the same.
func TestWorker_LooksKeysUpWhenSomebodyComesAgain(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	first, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	require.Empty(t, w.book.batches[0].Keys)

	w.book.set(rail.Suspended)
	again, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err, "a new order would be refused, this one is there")
	require.Equal(t, first, again)
	_, err = w.Place(t.Context(), "ann", w.order("order", "DOC00002"))
	require.Equal(t, rail.IdempotencyConflict, rail.CodeOf(err))
	_, err = w.Place(t.Context(), "bob", w.order("order", "DOC00002"))
	require.Equal(t, rail.NotOnSale, rail.CodeOf(err))
	require.Len(t, w.book.batches, 4, "none was tried twice")

	w.book.set(rail.Published)
	again, err = w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Len(t, w.book.batches, 5, "his own ticket refuses him, and who is refused is looked up")
	_, err = w.Place(t.Context(), "cy", w.order("order", "doc00001"))
	require.Equal(t, rail.AlreadyTravelling, rail.CodeOf(err))
}

// The next buyer of a run finds the lock where the last one's worker has left it, unless nobody comes for a while.
func TestWorker_KeepsTheLockForTheNextBuyer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		held := func() bool {
			synctest.Wait()
			_, held := w.lock.held.Load(string(w.book.run.ID))
			return held
		}
		for i := range 3 {
			_, err := w.Place(t.Context(), "ann", w.order(fmt.Sprint("order", i), fmt.Sprint("DOC0000", i)))
			require.NoError(t, err)
			require.True(t, held(), "after order %d", i+1)
		}
		<-time.After(time.Second)
		require.False(t, held())
	})
}
