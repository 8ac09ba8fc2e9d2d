package resolvers_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/resolvers"
	"interlock/services/rail"
)

// rootFields has every field of the three roots: an operation that asks for it, and the roles of which it needs one;
// none where it needs none.
var rootFields = map[string]struct {
	operation string
	roles     []rail.Role
}{
	"Query.node":     {operation: fmt.Sprintf(`{ node(id: %q) { id } }`, stationID)},
	"Query.nodes":    {operation: fmt.Sprintf(`{ nodes(ids: [%q]) { id } }`, stationID)},
	"Query.viewer":   {operation: `{ viewer { subject } }`},
	"Query.stations": {operation: `{ stations { nodes { id } } }`},
	"Query.searchTickets": {
		operation: `{ searchTickets(from: ["SHH"], to: ["BJP"], date: "2019-10-12") { nodes { version } } }`,
	},
	"Query.run":    {operation: `{ run(train: "T12", date: "2019-10-12") { id } }`},
	"Query.runs":   {`{ runs(filter: {}) { nodes { id } } }`, []rail.Role{rail.RoleAdmin}},
	"Query.orders": {`{ orders(filter: {}) { nodes { id } } }`, []rail.Role{rail.RoleAdmin}},

	"Query.refundQuote": {refundQuote, []rail.Role{rail.RolePassenger, rail.RoleAdmin}},
	"Query.changeQuote": {changeQuote, []rail.Role{rail.RolePassenger, rail.RoleAdmin}},

	"Mutation.refundTickets": {refundTickets, []rail.Role{rail.RolePassenger, rail.RoleAdmin}},
	"Mutation.changeTicket":  {changeTicket, []rail.Role{rail.RolePassenger, rail.RoleAdmin}},

	"Query.webhooks":          {`{ webhooks { id } }`, []rail.Role{rail.RoleAdmin}},
	"Query.deliveries":        {`{ deliveries { nodes { id } } }`, []rail.Role{rail.RoleAdmin}},
	"Mutation.resendTicket":   {resendTicket, []rail.Role{rail.RolePassenger, rail.RoleAdmin}},
	"Mutation.addWebhook":     {addWebhook, []rail.Role{rail.RoleAdmin}},
	"Mutation.changeWebhook":  {changeWebhook, []rail.Role{rail.RoleAdmin}},
	"Mutation.removeWebhook":  {removeWebhook, []rail.Role{rail.RoleAdmin}},
	"Mutation.replayDelivery": {replayDelivery, []rail.Role{rail.RoleAdmin}},

	"Mutation.placeOrder":           {placeOrder, []rail.Role{rail.RolePassenger}},
	"Mutation.payOrder":             {payOrder, []rail.Role{rail.RolePassenger}},
	"Mutation.cancelOrder":          {cancelOrder, []rail.Role{rail.RolePassenger}},
	"Mutation.cancelHold":           {cancelHold, []rail.Role{rail.RoleAdmin}},
	"Mutation.correctPassengerName": {correctPassengerName, []rail.Role{rail.RoleAdmin}},
	"Mutation.checkTicket":          {checkTicket, []rail.Role{rail.RoleInspector}},
	"Mutation.publishStation":       {publishStation, []rail.Role{rail.RoleAdmin}},
	"Mutation.publishTrain":         {publishTrain(``), []rail.Role{rail.RoleAdmin}},
	"Mutation.suspendRun":           {suspendRun, []rail.Role{rail.RoleAdmin}},
	"Mutation.resumeRun":            {resumeRun, []rail.Role{rail.RoleAdmin}},
	"Mutation.withdrawRun":          {withdrawRun, []rail.Role{rail.RoleAdmin}},

	"Subscription.seatAvailability": {operation: seatAvailability},
	"Subscription.orderChanged":     {orderChanged, []rail.Role{rail.RolePassenger}},
}

// signedIn are fields that need a token and no role, which each of them says itself: see TestOrder and
// TestCreateStreamTicket.
var signedIn = []string{"Query.order", "Mutation.createStreamTicket"}

// Each field is for its role alone, and tells so before a use case is asked.
func TestRoles_OfEveryRootField(t *testing.T) {
	schema := (&resolvers.Resolver{}).Schema().Schema()
	var fields []string
	for _, root := range []string{"Query", "Mutation", "Subscription"} {
		for _, field := range schema.Types[root].Fields {
			if name := root + "." + field.Name; field.Name[0] != '_' {
				fields = append(fields, name)
				require.True(t, rootFields[name].operation != "" || slices.Contains(signedIn, name), "%s is in neither table", name)
			}
		}
	}
	require.Len(t, fields, len(rootFields)+len(signedIn), "what is in a table is a field")

	both := &rail.Viewer{Subject: "eve", Roles: []rail.Role{rail.RolePassenger, rail.RoleAdmin}}
	without := &rail.Viewer{Subject: "nil"}
	for name, field := range rootFields {
		for _, viewer := range []*rail.Viewer{anonymous, without, ann, admin, ines, both} {
			w := newWorld()
			w.order = w.listed[0]
			close(w.streams())
			response := w.open(t.Context(), t, viewer, field.operation, nil)()
			var errs []string
			if response != nil { // nil is the end of a stream
				errs = told(response.Errors)
			}
			switch {
			case len(field.roles) == 0 || slices.ContainsFunc(field.roles, viewer.Is):
				require.Empty(t, errs, "%s as %v", name, viewer)
			case viewer == nil:
				require.Len(t, errs, 1, name)
				require.Contains(t, errs[0], ": UNAUTHENTICATED", name)
				require.Empty(t, w.calls, name)
			default:
				require.Len(t, errs, 1, name)
				require.Contains(t, errs[0], ": FORBIDDEN", name)
				require.Empty(t, w.calls, name)
			}
		}
	}
}
