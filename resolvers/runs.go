package resolvers

import (
	"context"
	"slices"
	"time"

	"interlock/graph"
	"interlock/services/rail"
	"interlock/services/search"
)

type runResolver struct{ *Resolver }

type coachResolver struct{ *Resolver }

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

// runPlace is the place of a run in its list, as a cursor has it. Departure is in seconds since 1970.
type runPlace struct {
	Date      rail.Date  `json:"d"`
	Departure int64      `json:"t"`
	Run       rail.RunID `json:"r"`
}

func (r *queryResolver) Runs(
	_ context.Context, filter graph.RunFilter, first *int, after *string,
) (*graph.RunConnection, error) {
	size, err := pageSize(first)
	if err != nil {
		return nil, err
	}
	// Without a first date the list begins with each run's own today. The filter stays without a date then, so that a
	// cursor is still valid after midnight.
	f := search.RunFilter{Train: value(filter.Train), Station: value(filter.Station), States: distinct(filter.States)}
	if filter.From != nil {
		// The zero date, 1970-01-01, says that no date was given. A client that gives it means all runs.
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
	page := pageOf(found, around{hasPrevious: further, hasNext: more},
		func(run *rail.Run) (string, *graph.Run) {
			at := search.RunPlaceOf(run)
			return r.Cursors.seal(name, runPlace{at.Date, at.Departure.Unix(), at.RunID}), r.run(run)
		},
		func(cursor string, node *graph.Run) *graph.RunEdge { return &graph.RunEdge{Cursor: cursor, Node: node} })
	return &graph.RunConnection{Edges: page.edges, Nodes: page.nodes, PageInfo: page.info}, nil
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

// Seats has a resolver of its own because a train has a thousand seats, and few queries ask for them.
func (r *coachResolver) Seats(_ context.Context, coach *graph.Coach) ([]*graph.Seat, error) {
	seats := make([]*graph.Seat, len(coach.Coach.Seats))
	for i, seat := range coach.Coach.Seats {
		seats[i] = &graph.Seat{Label: seat.Label, Position: optional(seat.Position)}
	}
	return seats, nil
}

func (r *runResolver) Availability(
	ctx context.Context, run *graph.Run, from, to *rail.StationCode, departure *time.Time,
) (*graph.SeatAvailability, error) {
	calls := run.Run.Train.Calls
	board, alight := calls[0].Station, calls[len(calls)-1].Station
	if from != nil {
		board = *from
	}
	if to != nil {
		alight = *to
	}
	pairs := run.Run.Train.CallPairs(board, alight)
	if from == nil && to == nil {
		// CallPairs would find another way on a train that calls twice at its origin or terminus.
		pairs = []rail.CallPair{{From: 0, To: run.Run.Train.Legs()}}
	}
	for _, pair := range slices.Backward(pairs) {
		if departure == nil || run.Run.Departure(pair.From).Equal(*departure) {
			return r.snapshot(r.Finder.Left(ctx, run.Run, pair.From, pair.To, r.Now())), nil
		}
	}
	return nil, nil
}
