package resolvers

import (
	"context"
	"time"

	"interlock/graph"
	"interlock/services/rail"
	"interlock/services/search"
)

// offerPlace is an offer's place in a search, in a cursor.
type offerPlace struct {
	Departure int64      `json:"d"`
	Run       rail.RunID `json:"r"`
}

func (r *queryResolver) SearchTickets(ctx context.Context, from, to []rail.StationCode, date rail.Date, first *int, after *string) (*graph.TicketOfferConnection, error) {
	size, err := pageSize(first)
	if err != nil {
		return nil, err
	}
	name := listOf("searchTickets", from, to, date)
	var place offerPlace
	further, err := r.Cursors.open(name, after, &place)
	if err != nil {
		return nil, err
	}
	query := search.Query{From: from, To: to, Date: date, Now: r.Now(), First: size}
	if further {
		query.After = &search.Place{Departure: time.Unix(place.Departure, 0), RunID: place.Run}
	}
	found, err := r.Finder.Find(ctx, query)
	if err != nil {
		return nil, err
	}
	connection := &graph.TicketOfferConnection{
		Edges: make([]*graph.TicketOfferEdge, 0, len(found.Offers)), Nodes: make([]*graph.TicketOffer, 0, len(found.Offers)),
		AsOf: found.AsOf,
	}
	for _, offer := range found.Offers {
		at := search.PlaceOf(offer)
		edge := &graph.TicketOfferEdge{
			Cursor: r.Cursors.seal(name, offerPlace{at.Departure.Unix(), at.RunID}), Node: r.offer(offer),
		}
		connection.Edges = append(connection.Edges, edge)
		connection.Nodes = append(connection.Nodes, edge.Node)
	}
	connection.PageInfo = pageInfo(connection.Edges, func(e *graph.TicketOfferEdge) string { return e.Cursor }, found.HasNext, further)
	return connection, nil
}
