package resolvers

import (
	"context"
	"time"

	"interlock/graph"
	"interlock/services/rail"
	"interlock/services/search"
)

// offerPlace is the place of an offer in a search, as a cursor has it. Departure is in seconds since 1970.
type offerPlace struct {
	Departure int64      `json:"d"`
	Run       rail.RunID `json:"r"`
	From      int        `json:"f"`
}

func (r *queryResolver) SearchTickets(
	ctx context.Context, from, to []rail.StationCode, date rail.Date, first *int, after *string,
) (*graph.TicketOfferConnection, error) {
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
		query.After = &search.Place{Departure: time.Unix(place.Departure, 0), RunID: place.Run, From: place.From}
	}
	found, err := r.Finder.Find(ctx, query)
	if err != nil {
		return nil, err
	}
	page := pageOf(found.Offers, around{hasPrevious: further, hasNext: found.HasNext},
		func(offer rail.Offer) (string, *graph.TicketOffer) {
			at := search.PlaceOf(offer)
			return r.Cursors.seal(name, offerPlace{at.Departure.Unix(), at.RunID, at.From}), r.offer(offer)
		},
		func(cursor string, node *graph.TicketOffer) *graph.TicketOfferEdge {
			return &graph.TicketOfferEdge{Cursor: cursor, Node: node}
		})
	return &graph.TicketOfferConnection{
		Edges: page.edges, Nodes: page.nodes, PageInfo: page.info, AsOf: found.AsOf,
	}, nil
}
