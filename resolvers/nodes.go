package resolvers

import (
	"context"
	"slices"

	"interlock/graph"
	"interlock/services/rail"
)

// Node is the one thing with an id. It is null where there is no such thing, and where the viewer may not see it.
func (r *queryResolver) Node(ctx context.Context, id string) (graph.Node, error) {
	nodes, err := r.Nodes(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	return nodes[0], nil
}

// Nodes are the things with some ids, in the places of the ids. The ledger is asked once for all orders among them.
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
		if nodes[i], err = r.nodeOf(ctx, id, orders[i]); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// nodeOf is what an id names; nil where that is nothing. placed is the order that the id of an order or a ticket is
// about, nil where the viewer may see none. Of the viewers, a viewer sees one.
func (r *queryResolver) nodeOf(ctx context.Context, id string, placed *rail.Order) (graph.Node, error) {
	switch kind, name := decodeID(id); kind {
	case stationNode:
		if err := r.Timetable.Ready(); err != nil {
			return nil, err
		}
		if s, ok := r.Timetable.Station(rail.StationCode(name)); ok {
			return station(s), nil
		}
	case runNode:
		if err := r.Timetable.Ready(); err != nil {
			return nil, err
		}
		if run, ok := r.Timetable.Run(rail.RunID(name)); ok {
			return r.run(run), nil
		}
	case orderNode:
		if placed != nil {
			return order(placed), nil
		}
	case ticketNode:
		if _, n, _ := splitTicket(name); placed != nil && n < len(placed.Tickets) {
			return ticket(placed, n), nil
		}
	case viewerNode:
		if viewer := rail.ViewerFrom(ctx); viewer != nil && r.viewerID(viewer) == id {
			return r.viewer(viewer), nil
		}
	}
	return nil, nil
}

// visibleOrders are the orders that the ids of orders and tickets are about, in the places of the ids. An element is
// nil where the id is about no order, or about one that the viewer may not see.
func (r *queryResolver) visibleOrders(ctx context.Context, ids []string) ([]*rail.Order, error) {
	viewer := rail.ViewerFrom(ctx)
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = orderOf(id)
	}
	if viewer == nil || !slices.ContainsFunc(names, func(name string) bool { return name != "" }) {
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

// orderOf is the order that the id of an order or of a ticket is about; "" for all other ids.
func orderOf(id string) string {
	switch kind, name := decodeID(id); kind {
	case orderNode:
		return name
	case ticketNode:
		if orderID, _, ok := splitTicket(name); ok {
			return orderID
		}
	}
	return ""
}
