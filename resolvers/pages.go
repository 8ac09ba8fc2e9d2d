package resolvers

import (
	"interlock/graph"
	"interlock/services/rail"
)

// pageInfo says where a page lies in its list.
func pageInfo[E any](edges []E, cursor func(E) string, more, further bool) *graph.PageInfo {
	info := &graph.PageInfo{HasNextPage: more, HasPreviousPage: further}
	if len(edges) > 0 {
		first, last := cursor(edges[0]), cursor(edges[len(edges)-1])
		info.StartCursor, info.EndCursor = &first, &last
	}
	return info
}

// maxPage is the most a page may have: more is a mistake, or somebody who wants it all.
const maxPage = 100

// pageSize is how many the page is to have, 1 to maxPage.
func pageSize(first *int) (int, error) {
	if first == nil || *first < 1 || *first > maxPage {
		return 0, rail.Refuse(rail.BadUserInput, "first is between 1 and %d", maxPage).At("first")
	}
	return *first, nil
}
