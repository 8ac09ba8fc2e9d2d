package resolvers

import (
	"context"

	"interlock/graph"
	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/sale"
)

func (r *mutationResolver) PlaceOrder(
	ctx context.Context, input graph.PlaceOrderInput,
) (*graph.PlaceOrderPayload, error) {
	place := rail.PlaceOrder{
		IdempotencyKey: input.IdempotencyKey, RunID: decodeRunID(input.RunID), From: input.From, To: input.To,
	}
	for _, p := range input.Passengers {
		request := rail.PassengerRequest{
			Passenger: rail.Passenger{Name: p.Name, DocumentNumber: p.DocumentNumber}, SeatClass: p.SeatClass,
		}
		if wish := p.Wish; wish != nil {
			request.Wish = rail.Wish{
				Position: value(wish.Position), Letter: value(wish.Letter), Coach: value(wish.Coach),
			}
		}
		place.Passengers = append(place.Passengers, request)
	}
	placed, err := r.Sale.Place(ctx, rail.ViewerFrom(ctx).Subject, place)
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.PlaceOrderPayload{Order: orderOrNil(placed), UserErrors: refusals}, nil
}

func (r *mutationResolver) PayOrder(ctx context.Context, input graph.PayOrderInput) (*graph.PayOrderPayload, error) {
	paid, payment, err := r.Sale.Pay(ctx, rail.ViewerFrom(ctx).Subject, decodeOrderID(input.OrderID),
		input.IdempotencyKey)
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	payload := &graph.PayOrderPayload{Order: orderOrNil(paid), UserErrors: refusals}
	if payment != (sale.Payment{}) {
		payload.Payment = &graph.Payment{
			State: graph.PaymentState(payment.State), RedirectURL: optional(payment.RedirectURL),
		}
	}
	return payload, nil
}

func (r *mutationResolver) CancelOrder(
	ctx context.Context, input graph.CancelOrderInput,
) (*graph.CancelOrderPayload, error) {
	cancelled, err := r.Sale.Cancel(ctx, rail.ViewerFrom(ctx).Subject, decodeOrderID(input.OrderID),
		value(input.Reason))
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.CancelOrderPayload{Order: orderOrNil(cancelled), UserErrors: refusals}, nil
}

func (r *mutationResolver) CancelHold(
	ctx context.Context, input graph.CancelHoldInput,
) (*graph.CancelHoldPayload, error) {
	cancelled, err := r.Sale.CancelHold(ctx, rail.ViewerFrom(ctx).Subject, decodeOrderID(input.OrderID), input.Reason)
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.CancelHoldPayload{Order: orderOrNil(cancelled), UserErrors: refusals}, nil
}

func (r *mutationResolver) CorrectPassengerName(
	ctx context.Context, input graph.CorrectPassengerNameInput,
) (*graph.CorrectPassengerNamePayload, error) {
	c := ledger.Correction{Name: input.Name, Reason: input.Reason, By: rail.ViewerFrom(ctx).Subject}
	if kind, name := decodeID(input.TicketID); kind == ticketNode {
		c.OrderID, c.Ticket, _ = splitTicket(name)
	}
	corrected, err := r.Sale.CorrectName(ctx, c)
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.CorrectPassengerNamePayload{Order: orderOrNil(corrected), UserErrors: refusals}, nil
}
