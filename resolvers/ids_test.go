package resolvers_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"interlock/resolvers"
	"interlock/services/rail"
)

func TestDecodeID_KindsAreNotMistaken(t *testing.T) {
	station := resolvers.EncodeID("Station", "VNP")
	kind, name := resolvers.DecodeID(station)
	require.Equal(t, []string{"Station", "VNP"}, []string{kind, name})
}

func TestSplitTicket(t *testing.T) {
	_, name := resolvers.DecodeID(resolvers.TicketID("T12@2019-10-12/x", 3))
	order, n, ok := resolvers.SplitTicket(name)
	require.True(t, ok)
	require.Equal(t, "T12@2019-10-12/x", order)
	require.Equal(t, 3, n)
	for _, bad := range []string{"", "order", "order#", "order#-1", "order#03", "order#x"} {
		_, _, ok := resolvers.SplitTicket(bad)
		require.False(t, ok, bad)
	}
}

// A viewer has one id on all servers with one key, and it says nothing of the subject.
func TestViewerID(t *testing.T) {
	id := resolvers.ViewerID("key", "ann@example.com")
	require.Equal(t, id, resolvers.ViewerID("key", "ann@example.com"))
	require.NotEqual(t, id, resolvers.ViewerID("key", "bob@example.com"))
	require.NotEqual(t, id, resolvers.ViewerID("another key", "ann@example.com"), "without the key it cannot be guessed")
	kind, name := resolvers.DecodeID(id)
	require.Equal(t, "Viewer", kind)
	digest, err := base64.RawURLEncoding.DecodeString(name)
	require.NoError(t, err)
	require.Len(t, digest, 16)
	require.NotContains(t, name+string(digest), "ann")
}

// withID has an operation for each argument and each field of an input that is an id, with %s in the id's place. The
// fields that look for any id answer null where there is none.
var withID = map[string]string{
	"Query.node(id:)":   "",
	"Query.nodes(ids:)": "",
	"Query.order(id:)":  "",

	"OrderFilter.runId":                  `{orders(filter:{runId:%s}){nodes{id}}}`,
	"PlaceOrderInput.runId":              strings.Replace(placeOrder, quoted(runID), "%s", 1),
	"PayOrderInput.orderId":              strings.Replace(payOrder, quoted(orderID), "%s", 1),
	"CancelOrderInput.orderId":           strings.Replace(cancelOrder, quoted(orderID), "%s", 1),
	"CancelHoldInput.orderId":            strings.Replace(cancelHold, quoted(orderID), "%s", 1),
	"SuspendRunInput.runId":              strings.Replace(suspendRun, quoted(runID), "%s", 1),
	"ResumeRunInput.runId":               strings.Replace(resumeRun, quoted(runID), "%s", 1),
	"WithdrawRunInput.runId":             strings.Replace(withdrawRun, quoted(runID), "%s", 1),
	"CorrectPassengerNameInput.ticketId": strings.Replace(correctPassengerName, quoted(ticketID), "%s", 1),

	"Query.refundQuote(orderId:)":   strings.Replace(refundQuote, quoted(orderID), "%s", 1),
	"Query.refundQuote(ticketIds:)": strings.Replace(refundQuote, quoted(ticketID), "%s", 1),
	"RefundTicketsInput.orderId":    strings.Replace(refundTickets, quoted(orderID), "%s", 1),
	"RefundTicketsInput.ticketIds":  strings.Replace(refundTickets, quoted(ticketID), "%s", 1),
	"ChangeInput.orderId":           strings.Replace(changeTicket, quoted(orderID), "%s", 1),
	"ChangeInput.ticketId":          strings.Replace(changeTicket, quoted(ticketID), "%s", 1),
	"ChangeInput.runId":             strings.Replace(changeTicket, quoted(runID), "%s", 1),

	"ResendTicketInput.orderId":      strings.Replace(resendTicket, quoted(orderID), "%s", 1),
	"DeliveryFilter.orderId":         `{deliveries(filter:{orderId:%s}){nodes{id}}}`,
	"DeliveryFilter.webhookId":       `{deliveries(filter:{webhookId:%s}){nodes{id}}}`,
	"ChangeWebhookInput.webhookId":   strings.Replace(changeWebhook, quoted(aWebhook), "%s", 1),
	"RemoveWebhookInput.webhookId":   strings.Replace(removeWebhook, quoted(aWebhook), "%s", 1),
	"ReplayDeliveryInput.deliveryId": strings.Replace(replayDelivery, quoted(aDelivery), "%s", 1),

	"Subscription.seatAvailability(runIds:)": `subscription{seatAvailability(runIds:[` + quoted(runID) + `,%s]){version}}`,
	"Subscription.orderChanged(orderId:)":    `subscription{orderChanged(orderId:%s){number}}`,
}

func quoted(text string) string { return strconv.Quote(text) }

// idsOf are the arguments and the fields of inputs that are ids, by their coordinates.
func idsOf(schema *ast.Schema) (ids []string) {
	for name, definition := range schema.Types {
		for _, field := range definition.Fields {
			if definition.Kind == ast.InputObject && field.Type.Name() == "ID" {
				ids = append(ids, name+"."+field.Name)
			}
			for _, argument := range field.Arguments {
				if argument.Type.Name() == "ID" {
					ids = append(ids, name+"."+field.Name+"("+argument.Name+":)")
				}
			}
		}
	}
	return ids
}

// What is no id is refused before anything is asked, and the refusal shows it as it was sent.
func TestIDs_AreShownAsTheyWereSent(t *testing.T) {
	require.ElementsMatch(t, slices.Collect(maps.Keys(withID)), idsOf((&resolvers.Resolver{}).Schema().Schema()))
	both := &rail.Viewer{Subject: "ann", Roles: []rail.Role{rail.RolePassenger, rail.RoleAdmin}}
	for coordinate, operation := range withID {
		if operation == "" {
			continue
		}
		t.Run(coordinate, func(t *testing.T) {
			for id, shown := range map[string]string{
				"x": `"x"`, "": `""`, "T12@2019-10-12": `"T12@2019-10-12"`, "a\"b\u202e": `"a\"b\u202e"`,
				stationID:                     quoted(stationID),
				resolvers.EncodeID("Run", ""): quoted(resolvers.EncodeID("Run", "")),
				runID + "=":                   quoted(runID + "="),
				strings.Repeat("x", 5_000):    quoted(strings.Repeat("x", 120)) + " …",
			} {
				w := newWorld()
				close(w.streams())
				text, err := json.Marshal(id)
				require.NoError(t, err)
				response := w.open(t.Context(), t, both, fmt.Sprintf(operation, text), nil)()
				message := messages(t, response)
				require.Len(t, message, 1, "%s %s", response.Data, response.Errors)
				require.Regexp(t, "^"+regexp.QuoteMeta(shown)+" is not the id of an? (run|order|ticket|webhook|delivery)$", message[0])
				require.Empty(t, w.calls)
			}
		})
	}
}

// messages are those of the errors of a response, or else of the userErrors of its field.
func messages(t *testing.T, response *graphql.Response) (all []string) {
	t.Helper()
	for _, e := range response.Errors {
		var refusal *rail.Error
		require.ErrorAs(t, e, &refusal)
		all = append(all, refusal.Message)
	}
	if len(all) == 0 {
		for _, payload := range decode[map[string]struct{ UserErrors []rail.Error }](t, string(response.Data)) {
			for _, e := range payload.UserErrors {
				require.Equal(t, rail.NotFound, e.Code)
				all = append(all, e.Message)
			}
		}
	}
	return all
}

func FuzzDecodeID(f *testing.F) {
	f.Add(resolvers.EncodeID("Run", "T12@2019-10-12"))
	f.Add(resolvers.TicketID("T12@2019-10-12/x", 3))
	f.Add("!!!")
	f.Fuzz(func(t *testing.T, id string) {
		kind, name := resolvers.DecodeID(id)
		// One thing has one id: what decodes at all, decodes from nothing else.
		if raw, err := base64.RawURLEncoding.Strict().DecodeString(id); err == nil && string(raw) == kind+":"+name {
			require.Equal(t, id, resolvers.EncodeID(kind, name))
		}
		if order, n, ok := resolvers.SplitTicket(name); ok {
			require.Equal(t, name, order+"#"+strconv.Itoa(n), "one ticket has one name")
		}
	})
}
