package resolvers

import (
	"context"

	"interlock/graph"
	"interlock/services/rail"
	"interlock/services/search"
)

type stationResolver struct{ *Resolver }

// stationPlace is the place of a station in its list, as a cursor has it.
type stationPlace struct {
	Rank int              `json:"r"`
	Code rail.StationCode `json:"c"`
}

func (r *queryResolver) Stations(
	_ context.Context, matching *string, first *int, after *string,
) (*graph.StationConnection, error) {
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
	page := pageOf(found, around{hasPrevious: further, hasNext: more},
		func(match search.StationMatch) (string, *graph.Station) {
			return r.Cursors.seal(name, stationPlace{match.Rank, match.Station.Code}), station(match.Station)
		},
		func(cursor string, node *graph.Station) *graph.StationEdge {
			return &graph.StationEdge{Cursor: cursor, Node: node}
		})
	return &graph.StationConnection{Edges: page.edges, Nodes: page.nodes, PageInfo: page.info}, nil
}

// Name is the name in a language; the railway's own name where the language is not given or not known.
func (r *stationResolver) Name(_ context.Context, s *graph.Station, language *string) (string, error) {
	return s.Station.NameIn(value(language)), nil
}
