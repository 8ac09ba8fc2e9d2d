package resolvers

import (
	"context"
	"time"

	"interlock/services/ledger"
	"interlock/services/notify"
	"interlock/services/publish"
	"interlock/services/rail"
	"interlock/services/sale"
	"interlock/services/search"
	"interlock/services/ticketcode"
)

// Timetable is the published stations and runs in memory.
type Timetable interface {
	// Ready is an error with the code UNAVAILABLE until the timetable was read once.
	Ready() error
	// Station and Run find by code and id.
	Station(code rail.StationCode) (*rail.Station, bool)
	Run(id rail.RunID) (*rail.Run, bool)
	// RunOf finds a run by the train's number, or one of its numbers, and the service date.
	RunOf(number string, date rail.Date) (*rail.Run, bool)
	// Stations and Runs list at most limit of them, from after a place on; a nil place is the beginning. The second
	// result tells whether more follow.
	Stations(matching string, after *search.StationPlace, limit int) ([]search.StationMatch, bool)
	Runs(filter search.RunFilter, now time.Time, after *search.RunPlace, limit int) ([]*rail.Run, bool)
}

// Finder searches, and tells how many seats are left.
type Finder interface {
	Find(ctx context.Context, query search.Query) (*search.Result, error)
	// Left is what is left of a run from one call to another. Where Redis does not answer, its counts are not Known.
	Left(ctx context.Context, run *rail.Run, from, to int, now time.Time) rail.Snapshot
}

// Sale places, pays, cancels and corrects orders, gives tickets back and changes them, and marks them as
// used. `buyer` and `by` are the
// subject of the viewer.
type Sale interface {
	Place(ctx context.Context, buyer string, place rail.PlaceOrder) (*rail.Order, error)
	Pay(ctx context.Context, buyer, orderID, key string) (*rail.Order, sale.Payment, error)
	Cancel(ctx context.Context, buyer, orderID, reason string) (*rail.Order, error)
	CancelHold(ctx context.Context, by, orderID, reason string) (*rail.Order, error)
	CorrectName(ctx context.Context, correction ledger.Correction) (*rail.Order, error)
	QuoteRefund(ctx context.Context, asker sale.Asker, orderID string, tickets rail.TicketSet) (
		*sale.RefundQuote, *rail.Order, error)
	Refund(ctx context.Context, request sale.RefundRequest) (*sale.RefundAnswer, error)
	QuoteChange(ctx context.Context, asker sale.Asker, to rail.ChangeTicket) (*sale.ChangeQuote, *rail.Order, error)
	Change(ctx context.Context, request sale.ChangeRequest) (*sale.ChangeAnswer, error)
	Inspect(ctx context.Context, ticket rail.TicketRef) (*sale.Inspected, error)
	Use(ctx context.Context, request sale.UseRequest) (*sale.Inspected, error)
}

// TicketCodes are the codes on tickets.
type TicketCodes interface {
	// Check reads a code and checks its signature. An error is one of ticketcode.
	Check(code string) (ticketcode.Ticket, error)
	// Of is the code of an order's ticket; "" for one that is not valid for travel, and without a key to sign with.
	Of(ctx context.Context, o *rail.Order, ticket int) (string, error)
}

// Publisher publishes stations and trains, and changes the status of runs. `by` is the subject of the viewer.
type Publisher interface {
	PublishStation(ctx context.Context, station rail.Station, by string) (*rail.Station, error)
	PublishTrain(ctx context.Context, request publish.TrainRequest, by string) (publish.TrainResult, error)
	Suspend(ctx context.Context, id rail.RunID, reason, by string) (*rail.Run, error)
	Resume(ctx context.Context, id rail.RunID, reason, by string) (*rail.Run, error)
	// Withdraw also returns the orders that had been paid.
	Withdraw(ctx context.Context, id rail.RunID, reason, by string, cancelOrders bool) (*rail.Run, []*rail.Order, error)
}

// Notifier tells what was told to buyers and partners, and tells again.
type Notifier interface {
	Resend(ctx context.Context, orderID, key string) (*notify.Delivery, error)
	Replay(ctx context.Context, id string) (*notify.Delivery, error)
	Deliveries(ctx context.Context, f notify.Filter) ([]*notify.Delivery, error)
	Endpoints(ctx context.Context) ([]*notify.Endpoint, error)
	PutEndpoint(ctx context.Context, e *notify.Endpoint) (*notify.Endpoint, error)
	DropEndpoint(ctx context.Context, id string) (was bool, err error)
}

// Hub opens streams. A channel is closed when its stream ends.
type Hub interface {
	SubscribeSeats(ctx context.Context, ids []rail.RunID, from, to rail.StationCode) (<-chan *rail.Snapshot, error)
	// SubscribeOrder refuses an order that is not visible exactly as one that does not exist.
	SubscribeOrder(ctx context.Context, orderID string, visible func(*rail.Order) bool) (<-chan *rail.Order, error)
}

// StreamTickets makes tickets that let one event stream in.
type StreamTickets interface {
	// Create returns a ticket of the viewer's, and until when it can be used.
	Create(ctx context.Context, viewer *rail.Viewer) (ticket string, until time.Time, err error)
}
