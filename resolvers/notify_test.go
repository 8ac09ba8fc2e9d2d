package resolvers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/resolvers"
	"interlock/services/ledger"
	"interlock/services/notify"
	"interlock/services/rail"
)

var (
	aWebhook  = resolvers.EncodeID("Webhook", "w1")
	aDelivery = resolvers.EncodeID("Delivery", "d1")

	resendTicket = fmt.Sprintf(`mutation { resendTicket(input: {orderId: %q, idempotencyKey: "resend01"}) {
		delivery { state }`, orderID) + errorsAsked
	addWebhook = `mutation { addWebhook(input: {
		url: "https://partner.example/hook", events: ["interlock.order.paid", "interlock.order.paid"]
	}) { webhook { url } secret` + errorsAsked
	changeWebhook = fmt.Sprintf(`mutation { changeWebhook(input: {webhookId: %q, enabled: true, newSecret: true}) {
		webhook { enabled disabledWhy events } secret`, aWebhook) + errorsAsked
	removeWebhook  = fmt.Sprintf(`mutation { removeWebhook(input: {webhookId: %q}) { removed`, aWebhook) + errorsAsked
	replayDelivery = fmt.Sprintf(`mutation { replayDelivery(input: {deliveryId: %q}) {
		delivery { state }`, aDelivery) + errorsAsked
)

// fakeNotifier has one webhook, and one delivery that it lists as often as it is asked for.
type fakeNotifier struct{ *fakes }

func aTold(n int) *notify.Delivery {
	return &notify.Delivery{
		ID: fmt.Sprint("d", n), Channel: notify.Mail, Kind: notify.Paid, State: notify.Sent, OrderID: "first",
		RunID: "T12@2019-10-12", Tries: 1, Answer: 250, CreatedAt: now.Add(-time.Duration(n) * time.Minute), ChangedAt: now,
	}
}

func (f fakeNotifier) Resend(_ context.Context, orderID, key string) (*notify.Delivery, error) {
	if err := f.note("Notifier.Resend", orderID, key); err != nil {
		return nil, err
	}
	return aTold(1), nil
}

func (f fakeNotifier) Replay(_ context.Context, id string) (*notify.Delivery, error) {
	if err := f.note("Notifier.Replay", id); err != nil {
		return nil, err
	}
	return aTold(1), nil
}

func (f fakeNotifier) Deliveries(_ context.Context, filter notify.Filter) (all []*notify.Delivery, err error) {
	for n := range min(filter.Limit, 5) {
		all = append(all, aTold(n+1))
	}
	all[0].Channel = notify.Webhook
	return all, f.note("Notifier.Deliveries", filter)
}

func (f fakeNotifier) Endpoints(context.Context) ([]*notify.Endpoint, error) {
	return []*notify.Endpoint{{
		ID: "w1", URL: "https://partner.example", Secrets: []string{"whsec_old"}, DisabledWhy: "it is dead", Version: 4,
		Events: []ledger.EventType{ledger.EventOrderPaid}, FailingSince: now, CreatedAt: now,
	}}, f.note("Notifier.Endpoints")
}

func (f fakeNotifier) PutEndpoint(_ context.Context, e *notify.Endpoint) (*notify.Endpoint, error) {
	id := e.ID
	if e.Version == 1 {
		id = "new"
	}
	if err := f.note("Notifier.PutEndpoint", id, e.URL, e.Events, append([]string{}, e.Secrets...), e.Version); err != nil {
		return nil, err
	}
	for i, secret := range e.Secrets {
		if secret == "" {
			e.Secrets[i] = "whsec_new"
		}
	}
	return e, nil
}

func (f fakeNotifier) DropEndpoint(_ context.Context, id string) (bool, error) {
	return true, f.note("Notifier.DropEndpoint", id)
}

// TestNotify asks for all that is told.
func TestNotify(t *testing.T) {
	run(t, []fieldCase{
		{
			name: "the mails of an order", viewer: ann,
			query: fmt.Sprintf(`{ order(id: %q) { mails { channel state answer kind tries } } }`, orderID),
			data: `{"order": {"mails": [` + strings.Repeat(`,{"channel": "MAIL", "state": "SENT", "answer": 250,
				"kind": "paid", "tries": 1}`, 4)[1:] + `]}}`,
			calls: []call{
				called("OrderBook.Order", "first"),
				called("Notifier.Deliveries", notify.Filter{OrderID: "first", Limit: notify.MaxItems}),
			},
		},
		{
			name: "the code of a ticket that is not paid", viewer: ann,
			query: fmt.Sprintf(`{ order(id: %q) { tickets { code } } }`, orderID),
			data:  `{"order": {"tickets": [{"code": null}]}}`, calls: []call{called("OrderBook.Order", "first")},
		},
		{
			name: "the code of a ticket", viewer: ann, prepare: func(w *world) { w.listed[1].State = rail.Paid },
			query: fmt.Sprintf(`{ order(id: %q) { tickets { code } } }`, orderID),
			data:  `{"order": {"tickets": [{"code": "CODE0"}]}}`, calls: []call{called("OrderBook.Order", "first")},
		},
		{
			name: "resendTicket", viewer: ann, query: resendTicket,
			data: `{"resendTicket": {"delivery": {"state": "SENT"}, "userErrors": []}}`,
			calls: []call{
				called("OrderBook.Order", "first"), called("Notifier.Resend", "first", "resend01"),
			},
		},
		{
			name: "resendTicket of somebody else", viewer: &rail.Viewer{Subject: "eve", Roles: []rail.Role{rail.RolePassenger}},
			query: resendTicket,
			data: `{"resendTicket": {"delivery": null, "userErrors": [
				{"code": "NOT_FOUND", "message": "there is no such order", "path": ["input", "orderId"]}]}}`,
			calls: []call{called("OrderBook.Order", "first")},
		},
		{
			name: "addWebhook", viewer: admin, query: addWebhook,
			data: `{"addWebhook": {"webhook": {"url": "https://partner.example/hook"}, "secret": "whsec_new", "userErrors": []}}`,
			calls: []call{called("Notifier.PutEndpoint", "new", "https://partner.example/hook",
				[]ledger.EventType{ledger.EventOrderPaid}, []string{""}, int64(1))},
		},
		{
			name: "changeWebhook", viewer: admin, query: changeWebhook,
			data: `{"changeWebhook": {"webhook": {"enabled": true, "disabledWhy": null, "events": ["interlock.order.paid"]},
				"secret": "whsec_new", "userErrors": []}}`,
			calls: []call{called("Notifier.Endpoints"), called("Notifier.PutEndpoint", "w1", "https://partner.example",
				[]ledger.EventType{ledger.EventOrderPaid}, []string{"", "whsec_old"}, int64(5))},
		},
		{
			name: "changeWebhook of none", viewer: admin,
			query: strings.Replace(changeWebhook, aWebhook, resolvers.EncodeID("Webhook", "none"), 1),
			data: `{"changeWebhook": {"webhook": null, "secret": null, "userErrors": [
				{"code": "NOT_FOUND", "message": "there is no such webhook", "path": ["input", "webhookId"]}]}}`,
			calls: []call{called("Notifier.Endpoints")},
		},
		{
			name: "removeWebhook", viewer: admin, query: removeWebhook,
			data:  `{"removeWebhook": {"removed": true, "userErrors": []}}`,
			calls: []call{called("Notifier.DropEndpoint", "w1")},
		},
		{
			name: "webhooks never show a secret", viewer: admin, query: `{ webhooks { url enabled failingSince disabledWhy } }`,
			data: `{"webhooks": [{"url": "https://partner.example", "enabled": false,
				"failingSince": "` + now.Format(time.RFC3339) + `", "disabledWhy": "it is dead"}]}`,
			calls: []call{called("Notifier.Endpoints")},
		},
	})
}

// TestDeliveries_Pages goes through a list.
func TestDeliveries_Pages(t *testing.T) {
	w := newWorld()
	data, errs := w.ask(t, admin, fmt.Sprintf(`{ deliveries(first: 2, filter: {webhookId: %q, states: [SENT, SENT]}) {
		nodes { tries } pageInfo { hasNextPage endCursor } } }`, aWebhook), nil)
	require.Empty(t, errs)
	require.Contains(t, data, `"hasNextPage":true`)
	require.Equal(t, notify.Filter{Endpoint: "w1", States: []notify.State{notify.Sent}, Limit: 3}, w.calls[0].args[0])
	cursor := strings.Split(strings.SplitAfter(data, `"endCursor":"`)[1], `"`)[0]
	_, errs = w.ask(t, admin, fmt.Sprintf(`{ deliveries(first: 2, after: %q, filter: {webhookId: %q, states: [SENT]}) {
		nodes { tries } } }`, cursor, aWebhook), nil)
	require.Empty(t, errs)
	require.Equal(t, notify.Place{CreatedAt: now.Add(-2 * time.Minute).UTC(), ID: "d2"},
		notify.Place{CreatedAt: w.calls[1].args[0].(notify.Filter).After.CreatedAt.UTC(), ID: "d2"})
	_, errs = w.ask(t, admin, fmt.Sprintf(`{ deliveries(first: 2, after: %q) { nodes { tries } } }`, cursor), nil)
	require.Len(t, errs, 1, "it is a cursor of another list")
}
