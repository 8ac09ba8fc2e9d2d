package resolvers

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"interlock/services/notify"
	"interlock/services/publish"
	"interlock/services/rail"
)

// A length is how long a list may be.
type length struct {
	// usual is the length that the cost of a query counts. The gateway charges the real length when the list is
	// resolved.
	usual int
	// most bounds the list, and why says what keeps the list within it.
	most int
	why  string
}

// lengths has every list of the schema, those of introspection included.
var lengths = map[string]length{
	"Query.nodes": {1, maxPage, "its ids are counted where they are given"},

	// A page is counted where it is asked for.
	"StationConnection.edges":     {1, maxPage, "a page"},
	"StationConnection.nodes":     {1, maxPage, "a page"},
	"RunConnection.edges":         {1, maxPage, "a page"},
	"RunConnection.nodes":         {1, maxPage, "a page"},
	"OrderConnection.edges":       {1, maxPage, "a page"},
	"OrderConnection.nodes":       {1, maxPage, "a page"},
	"TicketOfferConnection.edges": {1, maxPage, "a page"},
	"TicketOfferConnection.nodes": {1, maxPage, "a page"},

	"Run.calls":                {10, rail.MaxCalls, "a train has no more"},
	"Run.coaches":              {16, rail.MaxCoaches, "a train has no more"},
	"Coach.seats":              {80, rail.MaxSeatsPerCoach, "a coach has no more"},
	"TicketOffer.classes":      {4, rail.MaxCoaches, "a coach is of one class"},
	"SeatAvailability.classes": {4, rail.MaxCoaches, "a coach is of one class"},
	"Viewer.roles":             {3, 3, "there are three roles"},
	"Order.tickets":            {9, rail.MaxPassengers, "an order has no more passengers"},
	"Order.refunds":            {1, 2 * rail.MaxPassengers, "one for each ticket, and one for the rest of its price"},
	"Order.changes":            {1, rail.MaxChanges, "the latest are shown"},
	"Order.mails":              {2, maxMails, "the latest are shown"},
	"Query.webhooks":           {2, notify.MaxEndpoints, "there are no more"},
	"Webhook.events":           {2, 20, "there are no more types"},
	"DeliveryConnection.edges": {1, maxPage, "a page"},
	"DeliveryConnection.nodes": {1, maxPage, "a page"},
	"Refund.tickets":           {1, rail.MaxPassengers, "an order has no more passengers"},
	"RefundQuote.tickets":      {9, rail.MaxPassengers, "an order has no more passengers"},

	// Most mutations are not refused at all.
	"PlaceOrderPayload.userErrors":           {1, maxUserErrors, "the rest is left out"},
	"PayOrderPayload.userErrors":             {1, maxUserErrors, "the rest is left out"},
	"CancelOrderPayload.userErrors":          {1, maxUserErrors, "the rest is left out"},
	"RefundQuotePayload.userErrors":          {1, maxUserErrors, "the rest is left out"},
	"RefundTicketsPayload.userErrors":        {1, maxUserErrors, "the rest is left out"},
	"ChangeQuotePayload.userErrors":          {1, maxUserErrors, "the rest is left out"},
	"ChangeTicketPayload.userErrors":         {1, maxUserErrors, "the rest is left out"},
	"CheckTicketPayload.userErrors":          {1, maxUserErrors, "the rest is left out"},
	"CancelHoldPayload.userErrors":           {1, maxUserErrors, "the rest is left out"},
	"CorrectPassengerNamePayload.userErrors": {1, maxUserErrors, "the rest is left out"},
	"PublishStationPayload.userErrors":       {1, maxUserErrors, "the rest is left out"},
	"PublishTrainPayload.userErrors":         {1, maxUserErrors, "the rest is left out"},
	"ResendTicketPayload.userErrors":         {1, maxUserErrors, "the rest is left out"},
	"WebhookPayload.userErrors":              {1, maxUserErrors, "the rest is left out"},
	"RemoveWebhookPayload.userErrors":        {1, maxUserErrors, "the rest is left out"},
	"ReplayDeliveryPayload.userErrors":       {1, maxUserErrors, "the rest is left out"},
	"SuspendRunPayload.userErrors":           {1, maxUserErrors, "the rest is left out"},
	"ResumeRunPayload.userErrors":            {1, maxUserErrors, "the rest is left out"},
	"WithdrawRunPayload.userErrors":          {1, maxUserErrors, "the rest is left out"},
	"UserError.path":                         {5, 10, "as deep as the input"},
	"Refusal.path":                           {5, 10, "as deep as the input"},

	"PublishTrainPayload.runs": {1, publish.MaxDates, "its dates are counted where they are given"},
	"WithdrawRunPayload.ordersToRepay": {
		100, 1_000_000, "an order has a seat on a leg, and a train 65,536 seats and 255 legs",
	},

	// Introspection tells as much as the schema has. A client cannot make it longer.
	"__Schema.types":        {100, 1_000, "as long as the schema"},
	"__Schema.directives":   {8, 100, "as long as the schema"},
	"__Directive.locations": {3, 20, "as long as the schema"},
	"__Directive.args":      {1, 100, "as long as the schema"},
	"__Type.fields":         {5, 100, "as long as the schema"},
	"__Type.interfaces":     {1, 10, "as long as the schema"},
	"__Type.possibleTypes":  {1, 10, "as long as the schema"},
	"__Type.enumValues":     {2, 100, "as long as the schema"},
	"__Type.inputFields":    {2, 100, "as long as the schema"},
	"__Field.args":          {1, 10, "as long as the schema"},
}

// The cost of what has to be fetched. The unit is one value of an answer, which takes about a microsecond. An operation
// costs at most 100,000: see gateway.DefaultComplexityLimit.
const (
	// costRead is a read of the ledger, some milliseconds on one of a few connections.
	costRead = 2_000
	// costWrite is a sale, a payment or a change of a run: a commit, and a place in a queue.
	costWrite = 5_000
	// costPublish is thousands of rows.
	costPublish = 20_000
	// costSearch is a search in memory and Redis; costOffer is added for each run found.
	costSearch = 1_000
	costOffer  = 10
	// costList is a walk through the stations or runs in memory.
	costList = 1_000
	// costCount is one question to Redis.
	costCount = 20
)

// cost is what a field costs together with the fields selected below it, which cost `below`. ok is false where the
// usual rule holds: the field is one value, and costs 1 + below.
func cost(typeName, field string, below int, args map[string]any) (_ int, ok bool) {
	switch name := typeName + "." + field; name {
	case "Query.node", "Query.order", "Query.refundQuote", "Query.changeQuote", "Order.replaces", "TicketChange.order",
		"Subscription.orderChanged":
		return costRead + below, true
	case "Query.nodes":
		return costRead + countOf(args["ids"])*(1+below), true
	case "Query.orders", "Viewer.orders":
		return costRead + askedSize(args)*(1+below), true
	case "Query.stations", "Query.runs":
		return costList + askedSize(args)*(1+below), true
	case "Query.searchTickets":
		return costSearch + askedSize(args)*(costOffer+below), true
	case "Run.availability", "Mutation.createStreamTicket":
		return costCount + below, true
	case "Subscription.seatAvailability":
		return countOf(args["runIds"]) * (costCount + below), true
	case "Mutation.changeTicket":
		return 3*costWrite + below, true // Across two runs it is up to three commits.
	case "Mutation.publishTrain":
		return costPublish + datesOf(args["input"])*below, true
	case "Mutation.publishStation", "Mutation.placeOrder", "Mutation.payOrder", "Mutation.cancelOrder",
		"Mutation.cancelHold", "Mutation.correctPassengerName", "Mutation.refundTickets", "Mutation.checkTicket",
		"Mutation.suspendRun", "Mutation.resumeRun", "Mutation.withdrawRun":
		return costWrite + below, true
	default:
		l, ok := lengths[name]
		return 1 + l.usual*(1+below), ok
	}
}

// askedSize is how long a page is to be. A size out of bounds counts as the largest page: it is refused later, when the
// field is resolved, and must not make the query look cheap here.
func askedSize(args map[string]any) int {
	first, err := graphql.UnmarshalInt(args["first"])
	if err != nil || first < 1 || first > maxPage {
		return maxPage
	}
	return first
}

// countOf is how long a list among the arguments is, at least 1. GraphQL takes a single value for a list of one.
func countOf(list any) int {
	if all, ok := list.([]any); ok {
		return max(1, len(all))
	}
	return 1
}

// datesOf is on how many dates a train is to be published; the most there may be where the input does not tell.
func datesOf(input any) int {
	fields, _ := input.(map[string]any)
	from, ok := dateOf(fields["from"])
	through, also := dateOf(fields["through"])
	if !ok || !also || through < from || int(through-from) >= publish.MaxDates {
		return publish.MaxDates
	}
	return int(through-from) + 1
}

func dateOf(argument any) (rail.Date, bool) {
	text, _ := argument.(string)
	date, err := rail.ParseDate(text)
	return date, err == nil
}

// costed is a schema with the costs of this file.
type costed struct{ graphql.ExecutableSchema }

// Complexity implements graphql.ExecutableSchema.
func (costed) Complexity(_ context.Context, typeName, field string, below int, args map[string]any) (int, bool) {
	return cost(typeName, field, below, args)
}
