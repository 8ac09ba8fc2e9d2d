package resolvers

import (
	"context"
	"strconv"

	"interlock/graph"
	"interlock/services/rail"
	"interlock/services/sale"
)

type ticketChangeResolver struct{ *Resolver }

// TicketChange implements graph.ResolverRoot.
func (r *Resolver) TicketChange() graph.TicketChangeResolver { return &ticketChangeResolver{r} }

func (r *queryResolver) RefundQuote(
	ctx context.Context, orderID string, ticketIds []string,
) (*graph.RefundQuotePayload, error) {
	var quote *sale.RefundQuote
	var of *rail.Order
	id, refusal := readID(rail.NotFound, orderNode, orderID)
	err := refusedAt(refusal, "orderId")
	if err == nil {
		var tickets rail.TicketSet
		if tickets, err = ticketsOf(id, ticketIds, "ticketIds"); err == nil {
			quote, of, err = r.Sale.QuoteRefund(ctx, asker(ctx, nil), id, tickets)
		}
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.RefundQuotePayload{Quote: refundQuote(of, quote), UserErrors: refusals}, nil
}

func (r *mutationResolver) RefundTickets(
	ctx context.Context, input graph.RefundTicketsInput,
) (*graph.RefundTicketsPayload, error) {
	answer := &sale.RefundAnswer{}
	id, err := readOrderID(input.OrderID)
	if err == nil {
		var tickets rail.TicketSet
		if tickets, err = ticketsOf(id, input.TicketIds, "input", "ticketIds"); err == nil {
			answer, err = r.Sale.Refund(ctx, sale.RefundRequest{
				Asker: asker(ctx, input.Reason), OrderID: id, Tickets: tickets, QuoteID: input.QuoteID,
				Key: input.IdempotencyKey,
			})
		}
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	payload := &graph.RefundTicketsPayload{UserErrors: refusals}
	if answer != nil {
		payload.Order, payload.Quote = orderOrNil(answer.Order), refundQuote(answer.Order, answer.Quote)
		if answer.Refund != nil {
			payload.Refund = refund(answer.Order, answer.Refund)
		}
	}
	return payload, nil
}

func (r *queryResolver) ChangeQuote(ctx context.Context, input graph.ChangeInput) (*graph.ChangeQuotePayload, error) {
	var quote *sale.ChangeQuote
	to, err := readChange(&input, "input")
	if err == nil {
		quote, _, err = r.Sale.QuoteChange(ctx, asker(ctx, nil), to)
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.ChangeQuotePayload{Quote: changeQuote(quote), UserErrors: refusals}, nil
}

func (r *mutationResolver) ChangeTicket(
	ctx context.Context, input graph.ChangeTicketInput,
) (*graph.ChangeTicketPayload, error) {
	answer := &sale.ChangeAnswer{}
	to, err := readChange(input.Change, "input", "change")
	if err == nil {
		answer, err = r.Sale.Change(ctx, sale.ChangeRequest{
			Asker: asker(ctx, input.Reason), ChangeTicket: to, QuoteID: input.QuoteID, Key: input.IdempotencyKey,
		})
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	payload := &graph.ChangeTicketPayload{UserErrors: refusals}
	if answer != nil {
		payload.OldOrder, payload.Order = orderOrNil(answer.Old), orderOrNil(answer.New)
		payload.Quote = changeQuote(answer.Quote)
	}
	return payload, nil
}

// asker is the viewer, who may ask for orders of others as an admin.
func asker(ctx context.Context, reason *string) sale.Asker {
	viewer := rail.ViewerFrom(ctx)
	return sale.Asker{Name: viewer.Subject, Admin: viewer.Is(rail.RoleAdmin), Reason: value(reason)}
}

// refusedAt is a refusal at a path, nil for none.
func refusedAt(refusal *rail.Error, path ...string) error {
	if refusal == nil {
		return nil
	}
	return refusal.At(path...)
}

// ticketsOf is the set of an order's tickets that some ids name; none for a list that is not given. Ids of tickets of
// other orders are refused, and so is an empty list: it would be taken for all.
func ticketsOf(orderID string, ids []string, path ...string) (set rail.TicketSet, err error) {
	if ids != nil && (len(ids) == 0 || len(ids) > rail.MaxPassengers) {
		return 0, rail.Refuse(rail.Invalid, "1 to %d tickets are named, or none are by null", rail.MaxPassengers).At(path...)
	}
	for i, id := range ids {
		at := append(append([]string{}, path...), strconv.Itoa(i))
		of, n, err := readTicketID(id)
		switch {
		case err != nil:
			return 0, notTheID(rail.NotFound, ticketNode, id).At(at...)
		case of != orderID || n >= rail.MaxPassengers:
			return 0, otherTicket(id).At(at...)
		}
		set |= rail.TicketsOf(n)
	}
	return set, nil
}

func otherTicket(id string) *rail.Error {
	return rail.Refuse(rail.NotFound, "%s is a ticket of another order", rail.Quote(id))
}

// readChange reads what a ticket is to be changed to. Its refusals are at paths under the one of the input.
func readChange(input *graph.ChangeInput, path ...string) (to rail.ChangeTicket, err error) {
	at := func(refusal *rail.Error, field string) error {
		return refusal.At(append(append([]string{}, path...), field)...)
	}
	orderID, refusal := readID(rail.NotFound, orderNode, input.OrderID)
	if refusal != nil {
		return to, at(refusal, "orderId")
	}
	of, n, err := readTicketID(input.TicketID)
	switch {
	case err != nil:
		return to, at(notTheID(rail.NotFound, ticketNode, input.TicketID), "ticketId")
	case of != orderID:
		return to, at(otherTicket(input.TicketID), "ticketId")
	}
	run, refusal := readID(rail.NotFound, runNode, input.RunID)
	if refusal != nil {
		return to, at(refusal, "runId")
	}
	to = rail.ChangeTicket{
		Ticket: rail.TicketRef{OrderID: orderID, Ticket: n}, RunID: rail.RunID(run), From: input.From, To: input.To,
		Departure: value(input.Departure), SeatClass: input.SeatClass,
	}
	if wish := input.Wish; wish != nil {
		to.Wish = rail.Wish{Position: value(wish.Position), Letter: value(wish.Letter), Coach: value(wish.Coach)}
	}
	return to, nil
}

// refundQuote is null where there is no quote.
func refundQuote(of *rail.Order, q *sale.RefundQuote) *graph.RefundQuote {
	if q == nil || of == nil {
		return nil
	}
	view := &graph.RefundQuote{
		ID: q.ID, ValidUntil: q.ValidUntil, Gross: &q.Gross, Fee: &q.Fee,
		Amount: &rail.Money{Minor: q.Gross.Minor - q.Fee.Minor, Currency: q.Gross.Currency},
	}
	for i := range q.Tickets {
		one := &q.Tickets[i]
		view.Tickets = append(view.Tickets, &graph.RefundQuoteTicket{
			Ticket: ticket(of, one.Ticket), Gross: &one.Gross, Fee: &one.Fee,
		})
	}
	return view
}

// changeQuote is null where there is no quote.
func changeQuote(q *sale.ChangeQuote) *graph.ChangeQuote {
	if q == nil {
		return nil
	}
	return &graph.ChangeQuote{
		ID: q.ID, ValidUntil: q.ValidUntil, Price: &q.Price, Carried: &q.Carried, Rest: &q.Rest, Fee: &q.Fee,
		ToPay: &rail.Money{Minor: q.Price.Minor - q.Carried.Minor, Currency: q.Price.Currency},
	}
}

func refund(of *rail.Order, r *rail.Refund) *graph.Refund {
	back := r.Back()
	view := &graph.Refund{
		ID: encodeID(refundNode, r.ID), Kind: r.Kind, Gross: &r.Gross, Fee: &r.Fee, Amount: &back, At: r.At,
		PaidBackAt: happened(r.PaidBackAt), Tickets: []*graph.Ticket{},
	}
	for n := range r.Tickets.All() {
		if n < len(of.Tickets) {
			view.Tickets = append(view.Tickets, ticket(of, n))
		}
	}
	return view
}

func (r *orderResolver) Refunds(_ context.Context, o *graph.Order) ([]*graph.Refund, error) {
	views := make([]*graph.Refund, len(o.Order.Refunds))
	for i := range views {
		views[i] = refund(o.Order, &o.Order.Refunds[i])
	}
	return views, nil
}

// Changes are the latest that an order may have.
func (r *orderResolver) Changes(_ context.Context, o *graph.Order) ([]*graph.TicketChange, error) {
	all := o.Order.Changes
	all = all[max(0, len(all)-rail.MaxChanges):]
	views := make([]*graph.TicketChange, len(all))
	for i := range all {
		c := &all[i]
		views[i] = &graph.TicketChange{
			ID: encodeID(changeNode, c.ID), State: c.State, Carried: &c.Carried, Rest: &c.Rest, Fee: &c.Fee,
			BegunAt: c.BegunAt, EndedAt: happened(c.EndedAt), Old: o.Order, Change: c,
		}
	}
	return views, nil
}

// Replaces is null where the viewer may not see the ticket, which is of the same buyer, or it is gone.
func (r *orderResolver) Replaces(ctx context.Context, o *graph.Order) (*graph.Ticket, error) {
	ref := o.Order.Replaces
	if ref == nil {
		return nil, nil
	}
	old, err := r.OrderBook.Order(ctx, ref.OrderID)
	if err != nil || old == nil || ref.Ticket >= len(old.Tickets) || !rail.ViewerFrom(ctx).MaySee(old) {
		return nil, err
	}
	return ticket(old, ref.Ticket), nil
}

func (r *ticketChangeResolver) Ticket(_ context.Context, c *graph.TicketChange) (*graph.Ticket, error) {
	return ticket(c.Old, c.Change.Ticket), nil
}

func (r *ticketChangeResolver) To(_ context.Context, c *graph.TicketChange) (*graph.Run, error) {
	if err := r.Timetable.Ready(); err != nil {
		return nil, err
	}
	run, ok := r.Timetable.Run(c.Change.To)
	if !ok {
		return nil, nil
	}
	return r.run(run), nil
}

// Order is null also for an order that only keeps its key from ever being placed: it has no ticket. A buyer may have
// taken the key for an order of another kind.
func (r *ticketChangeResolver) Order(ctx context.Context, c *graph.TicketChange) (*graph.Order, error) {
	found, err := r.OrderBook.OrderByKey(ctx, c.Change.To, c.Old.Buyer, c.Change.ID)
	if err != nil || found == nil || found.Replaces == nil || len(found.Tickets) == 0 {
		return nil, err
	}
	return order(found), nil
}
