package resolvers

import (
	"context"
	"time"

	"interlock/graph"
	"interlock/services/rail"
	"interlock/services/search"
)

// The first way: search.

type runResolver struct{ *Resolver }

type coachResolver struct{ *Resolver }

type stationResolver struct{ *Resolver }

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

// stationPlace is a station's place in a list, in a cursor.
type stationPlace struct {
	Rank int              `json:"r"`
	Code rail.StationCode `json:"c"`
}

func (r *queryResolver) Stations(_ context.Context, matching *string, first *int, after *string) (*graph.StationConnection, error) {
	size, err := pageSize(first)
	if err != nil {
		return nil, err
	}
	if err := r.Timetable.Ready(); err != nil {
		return nil, err
	}
	name := listOf("stations", value(matching))
	var place stationPlace
	further, err := r.Cursors.open(name, after, &place)
	if err != nil {
		return nil, err
	}
	var from *search.StationPlace
	if further {
		from = &search.StationPlace{Rank: place.Rank, Code: place.Code}
	}
	found, more := r.Timetable.Stations(value(matching), from, size)
	connection := &graph.StationConnection{Edges: []*graph.StationEdge{}, Nodes: []*graph.Station{}}
	for _, match := range found {
		edge := &graph.StationEdge{
			Cursor: r.Cursors.seal(name, stationPlace{match.Rank, match.Station.Code}), Node: station(match.Station),
		}
		connection.Edges = append(connection.Edges, edge)
		connection.Nodes = append(connection.Nodes, edge.Node)
	}
	connection.PageInfo = pageInfo(connection.Edges, func(e *graph.StationEdge) string { return e.Cursor }, more, further)
	return connection, nil
}

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

func (r *queryResolver) Run(_ context.Context, train string, date rail.Date) (*graph.Run, error) {
	if err := r.Timetable.Ready(); err != nil {
		return nil, err
	}
	run, ok := r.Timetable.RunOf(train, date)
	if !ok {
		return nil, nil
	}
	return r.run(run), nil
}

// runPlace is a run's place in a list, in a cursor.
type runPlace struct {
	Date      rail.Date  `json:"d"`
	Departure int64      `json:"t"`
	Run       rail.RunID `json:"r"`
}

func (r *queryResolver) Runs(_ context.Context, filter graph.RunFilter, first *int, after *string) (*graph.RunConnection, error) {
	size, err := pageSize(first)
	if err != nil {
		return nil, err
	}
	// Where no first date is given, it is each run's own today: no date of the server's gets into the filter, and so a
	// cursor is good over midnight too.
	f := search.RunFilter{Train: value(filter.Train), Station: value(filter.Station), States: distinct(filter.States)}
	if filter.From != nil {
		// The zero date says that none was given; who gives it, 1970-01-01, means all there ever were.
		f.From = max(*filter.From, 1)
		f.Through = f.From
	}
	if filter.Through != nil {
		f.Through = *filter.Through
	}
	if f.Through < f.From {
		return nil, rail.Refuse(rail.BadUserInput, "through is before from").At("filter", "through")
	}
	if err := r.Timetable.Ready(); err != nil {
		return nil, err
	}
	name := listOf("runs", f)
	var place runPlace
	further, err := r.Cursors.open(name, after, &place)
	if err != nil {
		return nil, err
	}
	var from *search.RunPlace
	if further {
		from = &search.RunPlace{Date: place.Date, Departure: time.Unix(place.Departure, 0), RunID: place.Run}
	}
	found, more := r.Timetable.Runs(f, r.Now(), from, size)
	connection := &graph.RunConnection{Edges: []*graph.RunEdge{}, Nodes: []*graph.Run{}}
	for _, run := range found {
		at := search.RunPlaceOf(run)
		edge := &graph.RunEdge{
			Cursor: r.Cursors.seal(name, runPlace{at.Date, at.Departure.Unix(), at.RunID}), Node: r.run(run),
		}
		connection.Edges = append(connection.Edges, edge)
		connection.Nodes = append(connection.Nodes, edge.Node)
	}
	connection.PageInfo = pageInfo(connection.Edges, func(e *graph.RunEdge) string { return e.Cursor }, more, further)
	return connection, nil
}

func (r *runResolver) Calls(_ context.Context, run *graph.Run) ([]*graph.Call, error) {
	calls := make([]*graph.Call, len(run.Run.Train.Calls))
	for i := range calls {
		calls[i] = r.call(run.Run, i)
	}
	return calls, nil
}

func (r *runResolver) Coaches(_ context.Context, run *graph.Run) ([]*graph.Coach, error) {
	return coaches(run.Run.Train.Formation), nil
}

// Seats are made only where they are asked for: a train has a thousand.
func (r *coachResolver) Seats(_ context.Context, coach *graph.Coach) ([]*graph.Seat, error) {
	seats := make([]*graph.Seat, len(coach.Coach.Seats))
	for i, seat := range coach.Coach.Seats {
		seats[i] = &graph.Seat{Label: seat.Label, Position: optional(seat.Position)}
	}
	return seats, nil
}

func (r *runResolver) Availability(ctx context.Context, run *graph.Run, from, to *rail.StationCode) (*graph.SeatAvailability, error) {
	calls := run.Run.Train.Calls
	board, alight := calls[0].Station, calls[len(calls)-1].Station
	if from != nil {
		board = *from
	}
	if to != nil {
		alight = *to
	}
	i, j, ok := run.Run.Train.Pair(board, alight)
	if from == nil && to == nil {
		// From end to end also where the train calls at its origin or terminus on the way.
		i, j, ok = 0, run.Run.Train.Legs(), true
	}
	if !ok {
		return nil, nil
	}
	return r.snapshot(r.Finder.Left(ctx, run.Run, i, j, r.Now())), nil
}

// Name is the name in a language, or the railway's own.
func (r *stationResolver) Name(_ context.Context, s *graph.Station, language *string) (string, error) {
	return s.Station.NameIn(value(language)), nil
}
