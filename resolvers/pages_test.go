package resolvers_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/search"
)

// connection is what a client reads of a page.
type connection struct {
	Edges []struct {
		Cursor string
		Node   map[string]any
	}
	Nodes    []map[string]any
	PageInfo struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       *string
	}
}

// pagedField is a field that is a connection.
type pagedField struct {
	name   string
	viewer *rail.Viewer
	// list is the field with its arguments but for `first` and `after`; other is the same field with other arguments.
	list, other string
	// within is the path of the connection in the answer.
	within []string
	// shows is what a node shows, and nodes are all there are, in their order.
	shows string
	nodes []string
}

var pagedFields = []pagedField{
	{
		name: "stations", list: `stations(matching: "h"`, other: `stations(matching: "hh"`,
		within: []string{"stations"},
		shows:  "code", nodes: []string{"SHH", "NJH", "BJP"},
	},
	{
		name: "runs", viewer: admin, list: `runs(filter: {train: "T12"}`, other: `runs(filter: {}`,
		within: []string{"runs"},
		shows:  "date", nodes: []string{"2019-10-12", "2019-10-13", "2019-10-14"},
	},
	{
		name: "orders", viewer: admin, list: `orders(filter: {buyer: "ann"}`, other: `orders(filter: {buyer: "bob"}`,
		within: []string{"orders"}, shows: "number", nodes: []string{"NUMBER2", "NUMBER1"},
	},
	{
		name: "viewer.orders", viewer: ann, list: `viewer { orders(states: [ON_HOLD]`,
		other:  `viewer { orders(states: [PAID]`,
		within: []string{"viewer", "orders"}, shows: "number", nodes: []string{"NUMBER2", "NUMBER1"},
	},
	{
		name: "searchTickets", list: `searchTickets(from: ["SHH"], to: ["BJP"], date: "2019-10-12"`,
		other:  `searchTickets(from: ["SHH"], to: ["BJP"], date: "2019-10-13"`,
		within: []string{"searchTickets"}, shows: "durationMinutes", nodes: []string{"1080", "1080", "1080"},
	},
}

// paged is a world in which a search finds a run on each of three dates.
func paged() *world {
	w := newWorld()
	for day := 12; day <= 14; day++ {
		w.offers = append(w.offers, w.offer(rail.NewRunID("T12", october(day))))
	}
	return w
}

// query asks for a page of a list, with the arguments given.
func (f pagedField) query(list, arguments string) string {
	text := fmt.Sprintf(`%s, %s) {
		edges { cursor node { %[3]s } } nodes { %[3]s } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
	}`, list, arguments, f.shows)
	for range f.within[1:] {
		text += " }"
	}
	return "{ " + text + " }"
}

// page asks for a page of the list.
func (f pagedField) page(t *testing.T, w *world, arguments string) connection {
	t.Helper()
	data, errs := w.ask(t, f.viewer, f.query(f.list, arguments), nil)
	require.Empty(t, errs)
	if len(f.within) == 2 {
		return decode[map[string]map[string]connection](t, data)[f.within[0]][f.within[1]]
	}
	return decode[map[string]connection](t, data)[f.within[0]]
}

func (c connection) shown(what string) []string {
	var all []string
	for _, node := range c.Nodes {
		all = append(all, fmt.Sprint(node[what]))
	}
	return all
}

// Page by page, each element comes once and in its order, and a page says where it lies.
func TestPages_OneAfterTheOther(t *testing.T) {
	for _, f := range pagedFields {
		t.Run(f.name, func(t *testing.T) {
			w := paged()
			whole := f.page(t, w, `first: 100`)
			require.Equal(t, f.nodes, whole.shown(f.shows))
			require.False(t, whole.PageInfo.HasPreviousPage)
			require.False(t, whole.PageInfo.HasNextPage)
			require.Equal(t, &whole.Edges[0].Cursor, whole.PageInfo.StartCursor)
			require.Equal(t, &whole.Edges[len(f.nodes)-1].Cursor, whole.PageInfo.EndCursor)

			arguments := `first: 1`
			for i, node := range f.nodes {
				if f.name == "searchTickets" { // its fake does not cut pages
					w.offers = []rail.Offer{w.offer(rail.NewRunID("T12", october(12+i)))}
					w.moreFound = i < len(f.nodes)-1
				}
				page := f.page(t, w, arguments)
				require.Equal(t, []string{node}, page.shown(f.shows))
				require.Len(t, page.Edges, 1)
				require.Equal(t, page.Nodes[0], page.Edges[0].Node)
				require.Equal(t, whole.Edges[i].Cursor, page.Edges[0].Cursor, "a cursor does not depend on its page")
				require.Equal(t, &page.Edges[0].Cursor, page.PageInfo.StartCursor)
				require.Equal(t, &page.Edges[0].Cursor, page.PageInfo.EndCursor)
				require.Equal(t, i > 0, page.PageInfo.HasPreviousPage)
				require.Equal(t, i < len(f.nodes)-1, page.PageInfo.HasNextPage)
				arguments = fmt.Sprintf(`first: 1, after: %q`, *page.PageInfo.EndCursor)
			}
			w.offers = nil
			after := f.page(t, w, arguments)
			require.Empty(t, after.Edges)
			require.NotNil(t, after.Edges, "a list, not null")
			require.NotNil(t, after.Nodes, "a list, not null")
			require.Nil(t, after.PageInfo.StartCursor)
			require.Nil(t, after.PageInfo.EndCursor)
			require.True(t, after.PageInfo.HasPreviousPage, "a cursor was given")
		})
	}
}

// The place in a cursor arrives as it was sealed.
func TestPages_WhereASearchGoesOn(t *testing.T) {
	w, f := paged(), pagedFields[4]
	w.offers[1].From = 1
	page := f.page(t, w, `first: 3`)
	f.page(t, w, fmt.Sprintf(`first: 3, after: %q`, page.Edges[1].Cursor))
	query, ok := w.calls[1].args[0].(search.Query)
	require.True(t, ok)
	require.Equal(t, rail.RunID("T12@2019-10-13"), query.After.RunID)
	require.Equal(t, 1, query.After.From)
	require.True(t, w.runs["T12@2019-10-13"].Departure(1).Equal(query.After.Departure))
}

func TestPages_WhatIsNoPage(t *testing.T) {
	for _, f := range pagedFields {
		t.Run(f.name, func(t *testing.T) {
			path := f.within[0]
			null := fmt.Sprintf(`{%q: null}`, path) // where the field may not be null, its parent is
			if len(f.within) == 2 {
				path += "." + f.within[1]
			}
			refused := func(list, arguments, at string) {
				t.Helper()
				w := paged()
				data, errs := w.ask(t, f.viewer, f.query(list, arguments), nil)
				require.Equal(t, []string{path + ": BAD_USER_INPUT at " + at}, errs)
				require.JSONEq(t, null, data)
				require.Empty(t, w.calls)
			}
			for _, first := range []string{"0", "-1", "101", "2147483647"} {
				refused(f.list, `first: `+first, "first")
			}
			cursor := f.page(t, paged(), `first: 1`).Edges[0].Cursor
			for _, bad := range []string{"", "x", "AAAA", cursor + "A", cursor[1:]} {
				refused(f.list, fmt.Sprintf(`first: 1, after: %q`, bad), "after")
				response := paged().open(t.Context(), t, f.viewer,
					f.query(f.list, fmt.Sprintf(`first: 1, after: %q`, bad)), nil)()
				require.Contains(t, messages(t, response)[0], fmt.Sprintf("%q is not a cursor of this list", bad))
			}
			refused(f.other, fmt.Sprintf(`first: 1, after: %q`, cursor), "after")
			for _, another := range pagedFields {
				if another.name != f.name {
					refused(f.list,
						fmt.Sprintf(`first: 1, after: %q`, another.page(t, paged(), `first: 1`).Edges[0].Cursor),
						"after")
				}
			}
		})
	}
}
