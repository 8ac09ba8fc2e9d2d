package resolvers

import (
	"interlock/graph"
	"interlock/services/rail"
)

// maxPage is the most elements that a page may have: more is a mistake, or an attempt to read the whole list at once.
const maxPage = 100

// pageSize is how many elements a page is to have, 1 to maxPage. All else is BAD_USER_INPUT.
func pageSize(first *int) (int, error) {
	if first == nil || *first < 1 || *first > maxPage {
		return 0, rail.Refuse(rail.BadUserInput, "first is between 1 and %d", maxPage).At("first")
	}
	return *first, nil
}

// A page is what the schema's four connections have in common.
type page[E, N any] struct {
	edges []*E
	nodes []*N
	info  *graph.PageInfo
}

// around is what lies on both sides of a page in its list.
type around struct{ hasPrevious, hasNext bool }

// pageOf makes a page of what was found. convert returns the cursor and the node of one thing found, and edge puts the
// two together. A page of nothing has empty lists and no cursors.
func pageOf[F, E, N any](
	found []F, beside around, convert func(F) (cursor string, node *N), edge func(cursor string, node *N) *E,
) page[E, N] {
	p := page[E, N]{
		edges: make([]*E, len(found)), nodes: make([]*N, len(found)),
		info: &graph.PageInfo{HasNextPage: beside.hasNext, HasPreviousPage: beside.hasPrevious},
	}
	var first, last string
	for i := range found {
		cursor, node := convert(found[i])
		p.edges[i], p.nodes[i] = edge(cursor, node), node
		if i == 0 {
			first = cursor
		}
		last = cursor
	}
	if len(found) > 0 {
		p.info.StartCursor, p.info.EndCursor = &first, &last
	}
	return p
}
