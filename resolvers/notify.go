package resolvers

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"interlock/graph"
	"interlock/services/ledger"
	"interlock/services/notify"
	"interlock/services/rail"
)

// maxMails is how many of an order's mails are shown.
const maxMails = 50

// errNoNotifier says that nothing is told here.
var errNoNotifier = rail.Refuse(rail.WrongState,
	"nothing is told here: there is no mail server, and there are no webhooks")

func delivery(d *notify.Delivery) *graph.Delivery {
	if d == nil {
		return nil
	}
	view := &graph.Delivery{
		ID: encodeID(deliveryNode, d.ID), Channel: graph.DeliveryChannel(d.Channel), Kind: string(d.Kind),
		State: graph.DeliveryState(d.State), Tries: d.Tries, DueAt: happened(d.Due), Answer: optional(d.Answer),
		Reason: optional(d.Reason), RunID: RunID(d.RunID), CreatedAt: d.CreatedAt, ChangedAt: d.ChangedAt,
	}
	if d.OrderID != "" {
		view.OrderID = optional(OrderID(d.OrderID))
	}
	if d.Endpoint != "" {
		view.WebhookID = optional(encodeID(webhookNode, d.Endpoint))
	}
	return view
}

func webhook(e *notify.Endpoint) *graph.Webhook {
	if e == nil {
		return nil
	}
	view := &graph.Webhook{
		ID: encodeID(webhookNode, e.ID), URL: e.URL, Description: optional(e.Description), Events: []string{},
		Enabled: e.Enabled, FailingSince: happened(e.FailingSince), DisabledWhy: optional(e.DisabledWhy),
		CreatedAt: e.CreatedAt,
	}
	for _, t := range e.Events {
		view.Events = append(view.Events, string(t))
	}
	return view
}

// Mails are those that the order's buyer gets: admins see them, too.
func (r *orderResolver) Mails(ctx context.Context, o *graph.Order) ([]*graph.Delivery, error) {
	all := []*graph.Delivery{}
	if r.Notifier == nil {
		return all, nil
	}
	found, err := r.Notifier.Deliveries(ctx, notify.Filter{OrderID: o.Order.ID, Limit: notify.MaxItems})
	if err != nil {
		return nil, err
	}
	for _, d := range found {
		if d.Channel == notify.Mail && len(all) < maxMails {
			all = append(all, delivery(d))
		}
	}
	return all, nil
}

func (r *queryResolver) Webhooks(ctx context.Context) ([]*graph.Webhook, error) {
	all := []*graph.Webhook{}
	if r.Notifier == nil {
		return all, nil
	}
	found, err := r.Notifier.Endpoints(ctx)
	for _, e := range found {
		all = append(all, webhook(e))
	}
	return all, err
}

// deliveryPlace is the place of a delivery in its list. Created is in milliseconds since 1970.
type deliveryPlace struct {
	Created int64  `json:"c"`
	ID      string `json:"i"`
}

func (r *queryResolver) Deliveries(
	ctx context.Context, filter *graph.DeliveryFilter, first *int, after *string,
) (*graph.DeliveryConnection, error) {
	size, err := pageSize(first)
	if err != nil {
		return nil, err
	}
	f := notify.Filter{Limit: size + 1}
	if filter != nil {
		if err := readDeliveryFilter(filter, &f); err != nil {
			return nil, err
		}
	}
	name := listOf("deliveries", f.OrderID, f.Endpoint, f.States)
	var place deliveryPlace
	further, err := r.Cursors.open(name, after, &place)
	if err != nil {
		return nil, err
	}
	if further {
		f.After = notify.Place{CreatedAt: time.UnixMilli(place.Created), ID: place.ID}
	}
	var found []*notify.Delivery
	if r.Notifier != nil {
		if found, err = r.Notifier.Deliveries(ctx, f); err != nil {
			return nil, err
		}
	}
	page := pageOf(found[:min(size, len(found))], around{hasPrevious: further, hasNext: len(found) > size},
		func(d *notify.Delivery) (string, *graph.Delivery) {
			return r.Cursors.seal(name, deliveryPlace{d.CreatedAt.UnixMilli(), d.ID}), delivery(d)
		},
		func(cursor string, node *graph.Delivery) *graph.DeliveryEdge {
			return &graph.DeliveryEdge{Cursor: cursor, Node: node}
		})
	return &graph.DeliveryConnection{Edges: page.edges, Nodes: page.nodes, PageInfo: page.info}, nil
}

func readDeliveryFilter(filter *graph.DeliveryFilter, f *notify.Filter) error {
	for _, one := range []struct {
		id   *string
		kind string
		to   *string
		path string
	}{
		{filter.OrderID, orderNode, &f.OrderID, "orderId"}, {filter.WebhookID, webhookNode, &f.Endpoint, "webhookId"},
	} {
		if one.id == nil {
			continue
		}
		name, refusal := readID(rail.BadUserInput, one.kind, *one.id)
		if refusal != nil {
			return refusal.At("filter", one.path)
		}
		*one.to = name
	}
	for _, state := range distinct(filter.States) {
		f.States = append(f.States, notify.State(state))
	}
	return nil
}

func (r *mutationResolver) ResendTicket(
	ctx context.Context, input graph.ResendTicketInput,
) (*graph.ResendTicketPayload, error) {
	sent, err := r.resendTicket(ctx, input)
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.ResendTicketPayload{Delivery: delivery(sent), UserErrors: refusals}, nil
}

// resendTicket sends tickets of the viewer's own orders; an admin sends those of all.
func (r *mutationResolver) resendTicket(ctx context.Context, input graph.ResendTicketInput) (*notify.Delivery, error) {
	if r.Notifier == nil {
		return nil, errNoNotifier
	}
	id, err := readOrderID(input.OrderID)
	if err != nil {
		return nil, err
	}
	o, err := r.OrderBook.Order(ctx, id)
	if err != nil {
		return nil, err
	}
	if o == nil || !rail.ViewerFrom(ctx).MaySee(o) {
		return nil, rail.Refuse(rail.NotFound, "there is no such order").At("input", "orderId")
	}
	return r.Notifier.Resend(ctx, id, input.IdempotencyKey)
}

func (r *mutationResolver) AddWebhook(ctx context.Context, input graph.AddWebhookInput) (*graph.WebhookPayload, error) {
	return r.putWebhook(ctx, &notify.Endpoint{
		ID: rand.Text(), URL: input.URL, Description: value(input.Description), Events: eventTypes(input.Events),
		Secrets: []string{""}, Enabled: true, Version: 1,
	}, true)
}

// eventTypes are the types of events, each once.
func eventTypes(names []string) (types []ledger.EventType) {
	for _, name := range names {
		if t := ledger.EventType(name); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types
}

// putWebhook writes a webhook, and shows its first secret where that is new.
func (r *mutationResolver) putWebhook(
	ctx context.Context, e *notify.Endpoint, newSecret bool,
) (*graph.WebhookPayload, error) {
	var written *notify.Endpoint
	err := error(errNoNotifier)
	if r.Notifier != nil {
		written, err = r.Notifier.PutEndpoint(ctx, e)
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	payload := &graph.WebhookPayload{Webhook: webhook(written), UserErrors: refusals}
	if written != nil && newSecret {
		payload.Secret = &written.Secrets[0]
	}
	return payload, nil
}

func (r *mutationResolver) ChangeWebhook(
	ctx context.Context, input graph.ChangeWebhookInput,
) (*graph.WebhookPayload, error) {
	e, err := r.webhook(ctx, input.WebhookID)
	if err != nil {
		refusals, err := refused(err)
		return &graph.WebhookPayload{UserErrors: refusals}, err
	}
	next := *e
	next.Version++
	if input.URL != nil {
		next.URL = *input.URL
	}
	if input.Description != nil {
		next.Description = *input.Description
	}
	if input.Events != nil {
		next.Events = eventTypes(input.Events)
	}
	if input.Enabled != nil {
		next.Enabled = *input.Enabled
		next.DisabledWhy, next.FailingSince = "", time.Time{}
	}
	if value(input.NewSecret) {
		next.Secrets = append([]string{""}, e.Secrets[:min(1, len(e.Secrets))]...)
	}
	return r.putWebhook(ctx, &next, value(input.NewSecret))
}

// webhook finds a webhook by its id.
func (r *mutationResolver) webhook(ctx context.Context, id string) (*notify.Endpoint, error) {
	if r.Notifier == nil {
		return nil, errNoNotifier
	}
	name, refusal := readID(rail.NotFound, webhookNode, id)
	if refusal != nil {
		return nil, refusal.At("input", "webhookId")
	}
	all, err := r.Notifier.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.ID == name {
			return e, nil
		}
	}
	return nil, rail.Refuse(rail.NotFound, "there is no such webhook").At("input", "webhookId")
}

func (r *mutationResolver) RemoveWebhook(
	ctx context.Context, input graph.RemoveWebhookInput,
) (*graph.RemoveWebhookPayload, error) {
	was := false
	name, refusal := readID(rail.NotFound, webhookNode, input.WebhookID)
	err := refusedAt(refusal, "input", "webhookId")
	if err == nil && r.Notifier == nil {
		err = errNoNotifier
	}
	if err == nil {
		was, err = r.Notifier.DropEndpoint(ctx, name)
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.RemoveWebhookPayload{Removed: was, UserErrors: refusals}, nil
}

func (r *mutationResolver) ReplayDelivery(
	ctx context.Context, input graph.ReplayDeliveryInput,
) (*graph.ReplayDeliveryPayload, error) {
	var again *notify.Delivery
	name, refusal := readID(rail.NotFound, deliveryNode, input.DeliveryID)
	err := refusedAt(refusal, "input", "deliveryId")
	if err == nil && r.Notifier == nil {
		err = errNoNotifier
	}
	if err == nil {
		again, err = r.Notifier.Replay(ctx, name)
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.ReplayDeliveryPayload{Delivery: delivery(again), UserErrors: refusals}, nil
}
