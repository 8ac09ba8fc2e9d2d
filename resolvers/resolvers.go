// Package resolvers turns GraphQL words into one call of a way, and its answer back into GraphQL words. It decides
// nothing about trains, seats or orders; what it does decide is what belongs to the wire: ids, cursors, pages, and which
// errors are refusals. There is one file per way: search, sale, publish, watch.
//
// A Resolver is never changed once it serves requests.
package resolvers

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"interlock/graph"
	"interlock/services/publish"
	"interlock/services/rail"
	"interlock/services/sale"
	"interlock/services/search"
	"interlock/services/watch"
)

// Resolver answers the schema with the four ways. All fields are needed.
type Resolver struct {
	Timetable *search.Timetable
	Finder    *search.Finder
	Sale      *sale.Service
	OrderBook sale.Orders
	Publisher *publish.Publisher
	Hub       *watch.Hub
	Cursors   Cursors
	// Now decides what is shown as open or closed; what is sold is decided by the ledger's clock.
	Now func() time.Time
}

// Schema is the executable schema, with its directive and what its fields cost.
func (r *Resolver) Schema() graphql.ExecutableSchema {
	return costed{graph.NewExecutableSchema(graph.Config{
		Resolvers:  r,
		Directives: graph.DirectiveRoot{Requires: requires},
	})}
}

type queryResolver struct{ *Resolver }

type mutationResolver struct{ *Resolver }

type subscriptionResolver struct{ *Resolver }

// Query implements graph.ResolverRoot.
func (r *Resolver) Query() graph.QueryResolver { return &queryResolver{r} }

// Mutation implements graph.ResolverRoot.
func (r *Resolver) Mutation() graph.MutationResolver { return &mutationResolver{r} }

// Subscription implements graph.ResolverRoot.
func (r *Resolver) Subscription() graph.SubscriptionResolver { return &subscriptionResolver{r} }

// Coach implements graph.ResolverRoot.
func (r *Resolver) Coach() graph.CoachResolver { return &coachResolver{r} }

// Order implements graph.ResolverRoot.
func (r *Resolver) Order() graph.OrderResolver { return &orderResolver{r} }

// Run implements graph.ResolverRoot.
func (r *Resolver) Run() graph.RunResolver { return &runResolver{r} }

// Station implements graph.ResolverRoot.
func (r *Resolver) Station() graph.StationResolver { return &stationResolver{r} }

// Ticket implements graph.ResolverRoot.
func (r *Resolver) Ticket() graph.TicketResolver { return &ticketResolver{r} }

// Viewer implements graph.ResolverRoot.
func (r *Resolver) Viewer() graph.ViewerResolver { return &viewerResolver{r} }

// requires is the directive @requires.
func requires(ctx context.Context, _ any, next graphql.Resolver, role rail.Role) (any, error) {
	viewer := rail.ViewerFrom(ctx)
	if viewer == nil {
		return nil, rail.Refuse(rail.Unauthenticated, "a token is needed")
	}
	if !viewer.Is(role) {
		return nil, rail.Refuse(rail.Forbidden, "the role %s is needed", role)
	}
	return next(ctx)
}

// pageInfo says where a page lies in its list.
func pageInfo[E any](edges []E, cursor func(E) string, more, further bool) *graph.PageInfo {
	info := &graph.PageInfo{HasNextPage: more, HasPreviousPage: further}
	if len(edges) > 0 {
		first, last := cursor(edges[0]), cursor(edges[len(edges)-1])
		info.StartCursor, info.EndCursor = &first, &last
	}
	return info
}
