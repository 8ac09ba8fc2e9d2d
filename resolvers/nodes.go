package resolvers

import (
	"context"

	"interlock/graph"
	"interlock/services/rail"
)

// Node answers null for an id of anything that is not there or not the viewer's.
func (r *queryResolver) Node(ctx context.Context, id string) (graph.Node, error) {
	nodes, err := r.Nodes(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	return nodes[0], nil
}

// Nodes reads all orders among them at once.
func (r *queryResolver) Nodes(ctx context.Context, ids []string) ([]graph.Node, error) {
	if len(ids) > maxPage {
		return nil, rail.Refuse(rail.BadUserInput, "at most %d ids", maxPage).At("ids")
	}
	orders, err := r.visibleOrders(ctx, ids)
	if err != nil {
		return nil, err
	}
	nodes := make([]graph.Node, len(ids))
	for i, id := range ids {
		switch kind, name := decodeID(id); kind {
		case stationNode:
			if err := r.Timetable.Ready(); err != nil {
				return nil, err
			}
			if s, ok := r.Timetable.Station(rail.StationCode(name)); ok {
				nodes[i] = station(s)
			}
		case runNode:
			if err := r.Timetable.Ready(); err != nil {
				return nil, err
			}
			if run, ok := r.Timetable.Run(rail.RunID(name)); ok {
				nodes[i] = r.run(run)
			}
		case orderNode:
			if o := orders[i]; o != nil {
				nodes[i] = order(o)
			}
		case ticketNode:
			_, n, _ := splitTicket(name)
			if o := orders[i]; o != nil && n < len(o.Tickets) {
				nodes[i] = ticket(o, n)
			}
		}
	}
	return nodes, nil
}

// visibleOrders are the orders that ids of orders and tickets name, in the places of the ids: nil where it is another's or
// none.
func (r *queryResolver) visibleOrders(ctx context.Context, ids []string) ([]*rail.Order, error) {
	viewer := rail.ViewerFrom(ctx)
	names := make([]string, len(ids))
	asked := false
	for i, id := range ids {
		switch kind, name := decodeID(id); kind {
		case orderNode:
			names[i] = name
		case ticketNode:
			if orderID, _, ok := splitTicket(name); ok {
				names[i] = orderID
			}
		}
		asked = asked || names[i] != ""
	}
	if viewer == nil || !asked {
		return make([]*rail.Order, len(ids)), nil
	}
	orders, err := r.OrderBook.OrdersByID(ctx, names)
	if err != nil {
		return nil, err
	}
	for i, o := range orders {
		if o != nil && !viewer.MaySee(o) {
			orders[i] = nil
		}
	}
	return orders, nil
}
