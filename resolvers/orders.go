package resolvers

import (
	"cmp"
	"context"
	"slices"
	"time"

	"interlock/graph"
	"interlock/services/ledger"
	"interlock/services/rail"
)

type orderResolver struct{ *Resolver }

type ticketResolver struct{ *Resolver }

type viewerResolver struct{ *Resolver }

// Order is null for another buyer's order, so that the answer does not tell whether an order exists.
func (r *queryResolver) Order(ctx context.Context, id, number *string) (*graph.Order, error) {
	if (id == nil) == (number == nil) {
		return nil, rail.Refuse(rail.BadUserInput, "give either id or number").At("id")
	}
	viewer := rail.ViewerFrom(ctx)
	if viewer == nil {
		return nil, rail.Refuse(rail.Unauthenticated, "a token is needed to see an order")
	}
	found, err := r.findOrder(ctx, id, number)
	if err != nil || found == nil || !viewer.MaySee(found) {
		return nil, err
	}
	return order(found), nil
}

func (r *queryResolver) findOrder(ctx context.Context, id, number *string) (*rail.Order, error) {
	if id == nil {
		return r.OrderBook.OrderByNumber(ctx, *number)
	}
	if kind, name := decodeID(*id); kind == orderNode {
		return r.OrderBook.Order(ctx, name)
	}
	return nil, nil
}

func (r *queryResolver) Viewer(ctx context.Context) (*graph.Viewer, error) {
	return r.viewer(rail.ViewerFrom(ctx)), nil
}

func (r *viewerResolver) Orders(
	ctx context.Context, viewer *graph.Viewer, states []rail.OrderState, first *int, after *string,
) (*graph.OrderConnection, error) {
	return r.orders(ctx, ledger.OrderFilter{Buyer: viewer.Subject, States: distinct(states)}, first, after)
}

func (r *queryResolver) Orders(
	ctx context.Context, filter graph.OrderFilter, first *int, after *string,
) (*graph.OrderConnection, error) {
	f := ledger.OrderFilter{Buyer: value(filter.Buyer), Number: value(filter.Number), States: distinct(filter.States)}
	if filter.RunID != nil {
		name, refusal := readID(rail.BadUserInput, runNode, *filter.RunID)
		if refusal != nil {
			return nil, refusal.At("filter", "runId")
		}
		f.RunID = rail.RunID(name)
	}
	return r.orders(ctx, f, first, after)
}

// distinct is a list sorted, with each element once. A client may repeat a state fifty thousand times, and the search
// must not become longer by it.
func distinct[T cmp.Ordered](list []T) []T { return slices.Compact(slices.Sorted(slices.Values(list))) }

// orderPlace is the place of an order in its list, as a cursor has it. Placed is in milliseconds since 1970.
type orderPlace struct {
	Placed int64  `json:"p"`
	ID     string `json:"i"`
}

func (r *Resolver) orders(
	ctx context.Context, filter ledger.OrderFilter, first *int, after *string,
) (*graph.OrderConnection, error) {
	size, err := pageSize(first)
	if err != nil {
		return nil, err
	}
	name := listOf("orders", filter)
	var place orderPlace
	further, err := r.Cursors.open(name, after, &place)
	if err != nil {
		return nil, err
	}
	if further {
		filter.After = ledger.OrderPlace{PlacedAt: time.UnixMilli(place.Placed), ID: place.ID}
	}
	// One order more than the page needs tells whether there is a next page.
	filter.Limit = size + 1
	found, err := r.OrderBook.Orders(ctx, filter)
	if err != nil {
		return nil, err
	}
	page := pageOf(found[:min(size, len(found))], around{hasPrevious: further, hasNext: len(found) > size},
		func(o *rail.Order) (string, *graph.Order) {
			return r.Cursors.seal(name, orderPlace{o.PlacedAt.UnixMilli(), o.ID}), order(o)
		},
		func(cursor string, node *graph.Order) *graph.OrderEdge {
			return &graph.OrderEdge{Cursor: cursor, Node: node}
		})
	return &graph.OrderConnection{Edges: page.edges, Nodes: page.nodes, PageInfo: page.info}, nil
}

func (r *orderResolver) Run(ctx context.Context, o *graph.Order) (*graph.Run, error) {
	run, err := r.runOf(ctx, o.Order)
	if err != nil {
		return nil, err
	}
	if now, ok := r.Timetable.Run(o.Order.RunID); ok {
		run = now
	}
	return r.run(run), nil
}

func (r *orderResolver) From(ctx context.Context, o *graph.Order) (*graph.Call, error) {
	run, err := r.runOf(ctx, o.Order)
	if err != nil {
		return nil, err
	}
	return r.call(run, o.Order.From), nil
}

func (r *orderResolver) To(ctx context.Context, o *graph.Order) (*graph.Call, error) {
	run, err := r.runOf(ctx, o.Order)
	if err != nil {
		return nil, err
	}
	return r.call(run, o.Order.To), nil
}

// runOf is the order's run with the calls that the order was placed by. They differ from the timetable's where the run
// was withdrawn and then published with other calls.
func (r *Resolver) runOf(ctx context.Context, o *rail.Order) (*rail.Run, error) {
	if err := r.Timetable.Ready(); err != nil {
		return nil, err
	}
	run, ok := r.Timetable.Run(o.RunID)
	if ok && run.Train.ID == o.TrainID {
		return run, nil
	}
	train, err := r.OrderBook.Train(ctx, o.TrainID)
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

func (r *orderResolver) Tickets(_ context.Context, o *graph.Order) ([]*graph.Ticket, error) {
	tickets := make([]*graph.Ticket, len(o.Order.Tickets))
	for i := range tickets {
		tickets[i] = ticket(o.Order, i)
	}
	return tickets, nil
}

func (r *ticketResolver) Order(_ context.Context, t *graph.Ticket) (*graph.Order, error) {
	return order(t.Placed), nil
}

// Passenger fails where the passenger cannot be unsealed. The ticket's other fields can still be read.
func (r *ticketResolver) Passenger(_ context.Context, t *graph.Ticket) (*rail.Passenger, error) {
	if t.Ticket.Sealed != nil {
		return nil, t.Ticket.Sealed
	}
	return &t.Ticket.Passenger, nil
}

// Code is null for a ticket that is not valid for travel.
func (r *ticketResolver) Code(ctx context.Context, t *graph.Ticket) (*string, error) {
	for i := range t.Placed.Tickets {
		if &t.Placed.Tickets[i] == t.Ticket {
			code, err := r.Codes.Of(ctx, t.Placed, i)
			return optional(code), err
		}
	}
	return nil, nil
}
