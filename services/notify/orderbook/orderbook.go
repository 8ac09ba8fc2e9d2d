// Package orderbook is where the notification service reads orders: what the ledger and the timetable have, as it is
// told to buyers.
package orderbook

import (
	"context"
	"time"

	"interlock/services/ledger"
	"interlock/services/notify"
	"interlock/services/rail"
	"interlock/services/ticketcode"
)

// Ledger reads orders and trains.
type Ledger interface {
	Order(ctx context.Context, orderID string) (*rail.Order, error)
	Orders(ctx context.Context, filter ledger.OrderFilter) ([]*rail.Order, error)
	Train(ctx context.Context, id string) (*rail.Train, error)
}

// Timetable has runs and stations at hand. Ready is why it has none yet.
type Timetable interface {
	Ready() error
	Run(id rail.RunID) (*rail.Run, bool)
	Station(code rail.StationCode) (*rail.Station, bool)
}

// Signer signs what a ticket's code says.
type Signer interface {
	Sign(t ticketcode.Ticket) (string, error)
}

// Book is a notify.Orders. Its fields are set before it is used.
type Book struct {
	Ledger    Ledger
	Timetable Timetable
	Signer    Signer
	// PageID is what clients call an order.
	PageID func(orderID string) string
}

var _ notify.Orders = (*Book)(nil)

// Order reads an order; nil where there is none.
func (b *Book) Order(ctx context.Context, orderID string) (*notify.Order, error) {
	o, err := b.Ledger.Order(ctx, orderID)
	if err != nil || o == nil {
		return nil, err
	}
	return b.view(ctx, o)
}

// PaidOn lists the orders of a run that are PAID.
func (b *Book) PaidOn(
	ctx context.Context, run rail.RunID, after ledger.OrderPlace, limit int,
) ([]*notify.Order, error) {
	found, err := b.Ledger.Orders(ctx, ledger.OrderFilter{
		RunID: run, States: []rail.OrderState{rail.Paid}, After: after, Limit: limit,
	})
	if err != nil {
		return nil, err
	}
	all := make([]*notify.Order, len(found))
	for i, o := range found {
		if all[i], err = b.view(ctx, o); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (b *Book) view(ctx context.Context, o *rail.Order) (*notify.Order, error) {
	run, err := b.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	view := &notify.Order{
		ID: o.ID, Number: o.Number, RunID: o.RunID, PageID: b.PageID(o.ID), Version: o.Version, State: o.State,
		PlacedAt: o.PlacedAt, PaidAt: o.PaidAt, Reason: o.StateReason, Contact: o.Contact(), Train: run.Train.Number,
		From: b.stop(run, o.From, run.Departure(o.From)), To: b.stop(run, o.To, run.Arrival(o.To)),
		RunStatus: run.Status, RunReason: run.Reason, Total: o.Total, Replaces: o.Replaces != nil,
	}
	for i := range o.Tickets {
		t := &o.Tickets[i]
		ticket := notify.Ticket{
			Passenger: t.Passenger.Name, Document: t.Passenger.DocumentNumberMasked(), SeatClass: t.SeatClass,
			Coach: t.Coach, Seat: t.Seat, Price: t.Price, State: o.TicketState(i),
		}
		if ticket.Code, err = b.Code(run, o, i); err != nil {
			return nil, err
		}
		view.Tickets = append(view.Tickets, ticket)
	}
	for i := range o.Refunds {
		r := &o.Refunds[i]
		view.Refunds = append(view.Refunds, notify.Refund{
			Kind: r.Kind, At: r.At, Back: r.Back(), Fee: r.Fee, PaidBackAt: r.PaidBackAt,
		})
	}
	return view, nil
}

// Run is an order's run with the calls that it was placed by: the timetable may have others by now.
func (b *Book) Run(ctx context.Context, o *rail.Order) (*rail.Run, error) {
	if err := b.Timetable.Ready(); err != nil {
		return nil, err
	}
	run, ok := b.Timetable.Run(o.RunID)
	if ok && run.Train.ID == o.TrainID {
		return run, nil
	}
	train, err := b.Ledger.Train(ctx, o.TrainID)
	if err != nil {
		return nil, err
	}
	then := rail.Run{ID: o.RunID, Date: o.RunID.Date(), Status: rail.Withdrawn}
	if ok {
		then = *run
	}
	then.Train = train
	return &then, nil
}

func (b *Book) stop(run *rail.Run, call int, at time.Time) notify.Stop {
	code := run.Train.Calls[call].Station
	stop := notify.Stop{Name: string(code), At: at}
	if station, ok := b.Timetable.Station(code); ok {
		stop.Name, stop.Names = station.Name, station.Names
	}
	return stop
}

// CodeOf is Code with the order's run.
func (b *Book) CodeOf(ctx context.Context, o *rail.Order, i int) (string, error) {
	if b.Signer == nil {
		return "", nil
	}
	run, err := b.Run(ctx, o)
	if err != nil {
		return "", err
	}
	return b.Code(run, o, i)
}

// Code is what the code of an order's ticket says, signed; "" for one that is not good for travel, or whose passenger
// is not known. A used ticket has one: the next inspector wants to see it, too.
func (b *Book) Code(run *rail.Run, o *rail.Order, i int) (string, error) {
	t := &o.Tickets[i]
	switch o.TicketState(i) {
	case rail.TicketIssued, rail.TicketChanging, rail.TicketUsed:
	default:
		return "", nil
	}
	tail := ticketcode.DocumentTail(t.Passenger.DocumentNumber)
	if tail == "" || b.Signer == nil {
		return "", nil
	}
	from, until := rail.TravelTime(run.Departure(o.From), run.Arrival(o.To))
	return b.Signer.Sign(ticketcode.Ticket{
		RunID: o.RunID, OrderID: o.ID, Index: i, From: o.From, To: o.To,
		FromStation: string(run.Train.Calls[o.From].Station), ToStation: string(run.Train.Calls[o.To].Station),
		Coach: t.Coach, Seat: t.Seat, DocumentTail: tail, ValidFrom: from, ValidUntil: until,
	})
}
