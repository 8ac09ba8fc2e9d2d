package main

import (
	"bytes"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestServer_PaysAtTheBank buys, and presses a button on the bank's page. The order's state says what became of it. The
// train has two such seats: the one whose money did not come is bought again.
func TestServer_PaysAtTheBank(t *testing.T) {
	r := start(t, bankSettings(t))
	run := r.publishT12(t)
	for i, c := range []struct{ button, state, reason string }{
		{button: "refuse-later", state: "CANCELLED", reason: "the payment was not completed"},
		{button: "twice", state: "PAID"},
		{button: "triple", state: "PAID"},
	} {
		key := "key-0000000" + string(rune('1'+i))
		placed := r.ask(t, r.passenger, placeOrderMutation,
			map[string]any{"i": orderInput(run, key, "D000000"+key[10:])})
		order, _ := placed.at(t, "placeOrder.order.id").(string)
		require.NotEmpty(t, order, "%s", placed.Data)
		pays := func() *answer {
			return r.ask(t, r.passenger, `mutation($o:ID!,$k:String!){payOrder(input:{orderId:$o,idempotencyKey:$k}){
				payment{state redirectUrl} userErrors{code message}}}`, map[string]any{"o": order, "k": "pay-" + key})
		}
		begun := pays()
		require.Equal(t, "PENDING", begun.at(t, "payOrder.payment.state"))
		page, _ := begun.at(t, "payOrder.payment.redirectUrl").(string)
		require.Equal(t, page, pays().at(t, "payOrder.payment.redirectUrl"), "the same payment")

		response, err := http.PostForm(page, url.Values{"do": {c.button}})
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		var state any
		require.Eventually(t, func() bool {
			state = r.ask(t, r.passenger, `query($o:ID!){order(id:$o){state}}`, map[string]any{"o": order}).
				at(t, "order.state")
			return state == c.state
		}, 30*time.Second, 20*time.Millisecond, "%s: it is %v", c.button, state)
		if c.reason != "" {
			require.Equal(t, c.reason, r.ask(t, r.passenger, `query($o:ID!){order(id:$o){stateReason}}`,
				map[string]any{"o": order}).at(t, "order.stateReason"))
			require.Equal(t, "WRONG_STATE", pays().at(t, "payOrder.userErrors.0.code"))
			continue
		}
		require.Equal(t, "SUCCEEDED", pays().at(t, "payOrder.payment.state"))
	}
}

// The demo says how to pay where paying takes a page.
func TestServer_DemoTellsOfTheBank(t *testing.T) {
	var bank, sandbox bytes.Buffer
	require.NoError(t, start(t, bankSettings(t)).tellDemo(t.Context(), 1, &bank))
	require.NoError(t, start(t, embeddedSettings(t)).tellDemo(t.Context(), 1, &sandbox))
	for _, step := range []string{"payment{state redirectUrl}", "orderChanged(orderId:$o)"} {
		require.Contains(t, bank.String(), step)
		require.NotContains(t, sandbox.String(), step)
	}
}
