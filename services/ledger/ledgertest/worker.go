package ledgertest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// request is what a buyer wants of a run.
type request struct {
	buyer, key string
	from, to   int
	class      rail.SeatClass
	documents  []string
}

// worker sells as a sale does, only simpler: what it decides is not what is tested.
type worker struct {
	t       testing.TB
	l       *sqlledger.Ledger
	numbers atomic.Int64
}

func newWorker(t testing.TB, l *sqlledger.Ledger) *worker { return &worker{t: t, l: l} }

// batch is a batch for requests.
func batch(run rail.RunID, requests ...request) ledger.Batch {
	b := ledger.Batch{RunID: run}
	for _, r := range requests {
		b.Keys = append(b.Keys, ledger.OrderKey{Buyer: r.buyer, Key: r.key})
	}
	return b
}

// outcome is what became of a batch of requests.
type outcome struct {
	state  *ledger.BatchState
	orders []*rail.Order // nil where there was no seat, or a passenger travels already
}

// decide serves the requests, after what this batch's expiries and cancels give back.
func (c *worker) decide(into *outcome, requests ...request) ledger.Decide {
	return func(s *ledger.BatchState) (ledger.BatchChanges, error) {
		*into = outcome{state: s, orders: make([]*rail.Order, len(requests))}
		d, err := newDecision(s)
		if err != nil {
			return ledger.BatchChanges{}, err
		}
		if err := d.giveBack(s.Freed()); err != nil {
			return ledger.BatchChanges{}, err
		}
		for i, r := range requests {
			into.orders[i] = d.serve(c, r)
		}
		return d.changes, nil
	}
}

// decision is a batch that is being decided: the seat maps of its run, and what has been written down so far.
type decision struct {
	state   *ledger.BatchState
	maps    map[rail.SeatClass]*seatmap.Map
	changes ledger.BatchChanges
}

// newDecision decodes the maps of all classes.
func newDecision(s *ledger.BatchState) (*decision, error) {
	train := s.Run.Train
	d := &decision{state: s, maps: map[rail.SeatClass]*seatmap.Map{}}
	for _, class := range train.Formation.Classes {
		seats := len(train.Formation.Seats(class))
		m := seatmap.New(train.Legs(), seats)
		if sold, ok := s.Maps[class]; ok {
			var err error
			if m, err = seatmap.Decode(train.Legs(), seats, sold); err != nil {
				return nil, err
			}
		}
		d.maps[class] = m
	}
	d.changes.Maps = func() map[rail.SeatClass][]byte {
		encoded := map[rail.SeatClass][]byte{}
		for class, m := range d.maps {
			encoded[class] = m.Encode()
		}
		return encoded
	}
	return d, nil
}

// giveBack frees the seats of orders that have ended.
func (d *decision) giveBack(orders []*rail.Order) error {
	for _, o := range orders {
		if err := d.giveBackTickets(o, o.Seated()); err != nil {
			return err
		}
	}
	return nil
}

// giveBackTickets frees the seats of some tickets of an order.
func (d *decision) giveBackTickets(o *rail.Order, which rail.TicketSet) error {
	freed := *o
	freed.Tickets = nil
	for i := range which.All() {
		ticket := o.Tickets[i]
		if err := d.maps[ticket.SeatClass].Release(ticket.SeatIndex, o.From, o.To); err != nil {
			return fmt.Errorf("%s: %w", o.ID, err)
		}
		freed.Tickets = append(freed.Tickets, ticket)
	}
	d.note(&freed, true)
	return nil
}

// serve places the order of a request, or finds the one that its key has; nil where there is no seat, or where one of
// the passengers travels already.
func (d *decision) serve(c *worker, r request) *rail.Order {
	if replay, ok := d.state.Replays[ledger.OrderKey{Buyer: r.buyer, Key: r.key}]; ok {
		return replay.Order
	}
	if travels(d.state, &r) {
		return nil
	}
	layout := seatmap.NewLayout(d.state.Run.Train.Formation, r.class)
	seats, ok := d.maps[r.class].Allocate(layout, r.from, r.to, make([]rail.Wish, len(r.documents)))
	if !ok {
		return nil
	}
	o := c.order(d.state, r, seats)
	d.note(o, false)
	d.changes.Orders = append(d.changes.Orders, ledger.NewOrder{
		Order: o, Key: r.key, BodyHash: "hash of " + r.key, Documents: r.documents,
	})
	return o
}

// note writes down that the seats of an order were sold, or freed.
func (d *decision) note(o *rail.Order, freed bool) {
	for _, ticket := range o.Tickets {
		d.changes.Seats = seatmap.AppendChange(d.changes.Seats, seatmap.Change{
			Class: d.state.Run.Train.Formation.ClassIndex(ticket.SeatClass), Seat: ticket.SeatIndex,
			From: o.From, To: o.To, Freed: freed,
		})
	}
}

// travels looks through the claims, as slowly as simply; a batch of the suite asks for all of them.
func travels(s *ledger.BatchState, r *request) bool {
	return slices.ContainsFunc(s.Claims, func(c ledger.Claim) bool {
		return slices.Contains(r.documents, c.Document) && c.From < r.to && r.from < c.To &&
			!slices.ContainsFunc(s.Freed(), func(o *rail.Order) bool { return o.ID == c.OrderID })
	})
}

func (c *worker) order(s *ledger.BatchState, r request, seats []int) *rail.Order {
	id, err := uuid.NewV7()
	require.NoError(c.t, err)
	price, ok := s.Run.Train.Price(r.class, r.from, r.to)
	require.True(c.t, ok)
	o := &rail.Order{
		ID:       rail.NewOrderID(s.Run.ID, s.Version+1, id.String()[10:]),
		RunID:    s.Run.ID,
		TrainID:  s.Run.Train.ID,
		Number:   strconv.FormatInt(c.numbers.Add(1), 36) + "-" + id.String()[24:],
		Buyer:    r.buyer,
		Version:  1,
		State:    rail.OnHold,
		From:     r.from,
		To:       r.to,
		Total:    rail.Money{Minor: price.Minor * int64(len(seats)), Currency: price.Currency},
		PlacedAt: s.Now,
		PayBy:    s.Now.Add(holdTTL),
	}
	for i, seat := range seats {
		ref := s.Run.Train.Formation.Seats(r.class)[seat]
		o.Tickets = append(o.Tickets, rail.Ticket{
			SeatClass: r.class,
			SeatIndex: seat,
			Coach:     ref.Coach.Number,
			Seat:      ref.Seat.Label,
			Price:     price,
			Passenger: passenger(r.documents[i], i == 0),
		})
	}
	return o
}

// sell runs one batch.
func (c *worker) sell(ctx context.Context, b ledger.Batch, requests ...request) (outcome, int64, error) {
	var o outcome
	version, err := c.l.Sell(ctx, b, c.decide(&o, requests...))
	return o, version, err
}

// place sells to one buyer, and must succeed.
func (c *worker) place(run rail.RunID, r request) *rail.Order {
	c.t.Helper()
	o, _, err := c.sell(c.t.Context(), batch(run, r), r)
	require.NoError(c.t, err)
	require.NotNil(c.t, o.orders[0])
	return o.orders[0]
}

// one is a request for one second-class seat all the way.
func one(buyer string) request {
	return request{
		buyer: buyer, key: "key-of-" + buyer, from: 0, to: 3, class: rail.Second,
		documents: []string{"DOC" + buyer},
	}
}

// passenger is who travels on a document. Some are written to.
func passenger(document string, written bool) rail.Passenger {
	p := rail.Passenger{Name: "王 " + document, DocumentNumber: document}
	if written {
		p.Contact = rail.Contact{Email: "to-" + document + "@example.com", Language: "zh-CN"}
	}
	return p
}
