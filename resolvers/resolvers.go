// Package resolvers turns GraphQL's words into one call of a use case, and the result back into GraphQL's words. It
// decides nothing about trains, seats or orders. It does decide what belongs to the wire: ids, cursors, pages, costs,
// and which errors are refusals.
//
// A Resolver is never changed once it serves requests.
package resolvers

import (
	"time"

	"github.com/99designs/gqlgen/graphql"

	"interlock/graph"
	"interlock/services/sale"
)

// Resolver answers the schema with the use cases, see ports.go. All fields but Notifier are needed.
type Resolver struct {
	Timetable Timetable
	Finder    Finder
	Sale      Sale
	OrderBook sale.Orders
	Publisher Publisher
	Hub       Hub
	Tickets   StreamTickets
	Codes     TicketCodes
	// Notifier is nil where notifications are off.
	Notifier Notifier
	Cursors  Cursors
	// ViewerKey makes the ids of viewers. It is the same on every server, and must not change.
	ViewerKey []byte
	// Now decides which runs are shown as open or closed. Whether a seat may be sold, the ledger's clock decides.
	Now func() time.Time
}

// Schema is the executable schema, with its directive and what its fields cost.
func (r *Resolver) Schema() graphql.ExecutableSchema {
	return costed{graph.NewExecutableSchema(graph.Config{
		Schema:     specified(graph.NewExecutableSchema(graph.Config{}).Schema()),
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

// value is what a pointer points at; the zero value for nil.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
