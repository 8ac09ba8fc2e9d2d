// Package resolvers turns GraphQL words into one call of a use case, and its answer back into GraphQL words. It decides
// nothing about trains, seats or orders; what it does decide is what belongs to the wire: ids, cursors, pages, and which
// errors are refusals. A file is named for what it resolves, or for what of the wire it makes.
//
// A Resolver is never changed once it serves requests.
package resolvers

import (
	"time"

	"github.com/99designs/gqlgen/graphql"

	"interlock/graph"
	"interlock/services/sale"
)

// Resolver answers the schema with the use cases, see ports.go. All fields are needed.
type Resolver struct {
	Timetable Timetable
	Finder    Finder
	Sale      Sale
	OrderBook sale.Orders
	Publisher Publisher
	Hub       Hub
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

// value is what a pointer points at, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
