package resolvers

import (
	"context"

	"interlock/graph"
	"interlock/services/rail"
)

func (r *subscriptionResolver) SeatAvailability(
	ctx context.Context, runIDs []string, from, to *rail.StationCode,
) (<-chan *graph.SeatAvailability, error) {
	ids := make([]rail.RunID, len(runIDs))
	for i, id := range runIDs {
		name, refusal := readID(rail.NotFound, runNode, id)
		if refusal != nil {
			return nil, refusal.At("runIds", rail.Index(i))
		}
		ids[i] = rail.RunID(name)
	}
	snapshots, err := r.Hub.SubscribeSeats(ctx, ids, value(from), value(to))
	if err != nil {
		return nil, err
	}
	return translate(ctx, snapshots, func(s *rail.Snapshot) *graph.SeatAvailability { return r.snapshot(*s) }), nil
}

func (r *subscriptionResolver) OrderChanged(ctx context.Context, orderID string) (<-chan *graph.Order, error) {
	name, refusal := readID(rail.NotFound, orderNode, orderID)
	if refusal != nil {
		return nil, refusal.At("orderId")
	}
	orders, err := r.Hub.SubscribeOrder(ctx, name, rail.ViewerFrom(ctx).MaySee)
	if err != nil {
		return nil, err
	}
	return translate(ctx, orders, order), nil
}

func (r *mutationResolver) CreateStreamTicket(ctx context.Context) (*graph.CreateStreamTicketPayload, error) {
	viewer := rail.ViewerFrom(ctx)
	if viewer == nil {
		return nil, rail.Refuse(rail.Unauthenticated, "a token is needed: without one, a stream needs no ticket")
	}
	ticket, until, err := r.Tickets.Create(ctx, viewer)
	if err != nil {
		return nil, err
	}
	return &graph.CreateStreamTicketPayload{StreamTicket: ticket, ValidUntil: until}, nil
}

// translate turns each event of a stream into another. It holds at most one event, so that a slow reader still gets the
// newest event that the hub has kept.
func translate[A, B any](ctx context.Context, from <-chan A, say func(A) B) <-chan B {
	to := make(chan B)
	go func() {
		defer close(to)
		for event := range from {
			select {
			case to <- say(event):
			case <-ctx.Done():
				return
			}
		}
	}()
	return to
}
