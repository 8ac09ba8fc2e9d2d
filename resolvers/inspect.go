package resolvers

import (
	"context"
	"errors"

	"interlock/graph"
	"interlock/services/rail"
	"interlock/services/sale"
	"interlock/services/ticketcode"
)

type inspectedTicketResolver struct{ *Resolver }

// InspectedTicket implements graph.ResolverRoot.
func (r *Resolver) InspectedTicket() graph.InspectedTicketResolver {
	return &inspectedTicketResolver{r}
}

func (r *mutationResolver) CheckTicket(
	ctx context.Context, input graph.CheckTicketInput,
) (*graph.CheckTicketPayload, error) {
	payload, err := r.checkTicket(ctx, &input)
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	payload.UserErrors = refusals
	return &payload, nil
}

// checkTicket says what a ticket is. It is found, and held against what its code says, before it is marked as used.
func (r *Resolver) checkTicket(
	ctx context.Context, input *graph.CheckTicketInput,
) (payload graph.CheckTicketPayload, err error) {
	request := sale.UseRequest{Inspector: rail.ViewerFrom(ctx).Subject, Key: value(input.IdempotencyKey)}
	if input.Use {
		if err := request.Validate(); err != nil {
			return payload, err
		}
	}
	says, err := r.Codes.Check(input.Code)
	if err != nil {
		check, refusal := badCode(err)
		payload.Result = &check
		return payload, refusal
	}
	request.Ticket = rail.TicketRef{OrderID: says.OrderID, Ticket: says.Index}
	found, err := r.Sale.Inspect(ctx, request.Ticket)
	if err != nil {
		return payload, err
	}
	if found.Check == rail.CheckNotFound {
		payload.Result = &found.Check
		return payload, nil
	}
	run, err := r.runOf(ctx, found.Order)
	if err != nil {
		return payload, err
	}
	if !fits(&says, found.Order, run) {
		forged := rail.CheckForged
		payload.Result = &forged
		return payload, nil
	}
	if input.Use {
		if found, err = r.Sale.Use(ctx, request); err != nil {
			return payload, err
		}
	}
	payload.Result = &found.Check
	if found.Order != nil {
		payload.Ticket = r.inspected(&says, found.Order, run)
	}
	return payload, nil
}

// badCode is what a code is that names no ticket. One that is malformed is refused, too: it is the client's mistake.
func badCode(err error) (rail.TicketCheck, error) {
	switch {
	case errors.Is(err, ticketcode.ErrForged):
		return rail.CheckForged, nil
	case errors.Is(err, ticketcode.ErrUnknownKey):
		return rail.CheckUnknownKey, nil
	}
	return rail.CheckMalformed, rail.Refuse(rail.Invalid, "%s", err).At("input", "code")
}

// fits tells whether what a code says is what the ledger has. A ticket is never given another seat, pair of stations or
// document, so another one was signed by somebody else who has the key. Where the passenger was forgotten, or cannot be
// unsealed, the document is not known, and the rest decides.
func fits(says *ticketcode.Ticket, o *rail.Order, run *rail.Run) bool {
	t, calls := &o.Tickets[says.Index], run.Train.Calls
	document := t.Passenger.DocumentNumber
	return says.RunID == o.RunID && says.From == o.From && says.To == o.To && says.To < len(calls) &&
		says.FromStation == string(calls[o.From].Station) && says.ToStation == string(calls[o.To].Station) &&
		says.Coach == t.Coach && says.Seat == t.Seat &&
		(document == "" || says.DocumentTail == ticketcode.DocumentTail(document))
}

// inspected is what an inspector is shown of the ticket that a code fits.
func (r *Resolver) inspected(says *ticketcode.Ticket, o *rail.Order, run *rail.Run) *graph.InspectedTicket {
	t := &o.Tickets[says.Index]
	return &graph.InspectedTicket{
		OrderNumber: o.Number, Train: train(run.Train), Date: run.Date, From: r.call(run, o.From), To: r.call(run, o.To),
		SeatClass: t.SeatClass, Coach: t.Coach, Seat: t.Seat, DocumentTail: says.DocumentTail,
		UsedAt: happened(t.Use.At), Ticket: t,
	}
}

// PassengerName fails where the passenger cannot be unsealed. The ticket's other fields can still be read.
func (r *inspectedTicketResolver) PassengerName(_ context.Context, t *graph.InspectedTicket) (*string, error) {
	if t.Ticket.Sealed != nil {
		return nil, t.Ticket.Sealed
	}
	return optional(t.Ticket.Passenger.Name), nil
}
