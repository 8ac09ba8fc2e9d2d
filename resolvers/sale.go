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
	placed, err := r.placeOrder(ctx, input)
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.PlaceOrderPayload{Order: orderOrNil(placed), UserErrors: refusals}, nil
}

func (r *mutationResolver) placeOrder(ctx context.Context, input graph.PlaceOrderInput) (*rail.Order, error) {
	runID, err := readRunID(input.RunID)
	if err != nil {
		return nil, err
	}
	place := rail.PlaceOrder{
		IdempotencyKey: input.IdempotencyKey, RunID: runID, From: input.From, To: input.To,
		Departure: value(input.Departure),
	}
	if c := input.Contact; c != nil {
		place.Contact = &rail.Contact{Email: c.Email, Language: value(c.Language)}
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
	return r.Sale.Place(ctx, rail.ViewerFrom(ctx).Subject, place)
}

func (r *mutationResolver) PayOrder(ctx context.Context, input graph.PayOrderInput) (*graph.PayOrderPayload, error) {
	var paid *rail.Order
	var payment sale.Payment
	id, err := readOrderID(input.OrderID)
	if err == nil {
		paid, payment, err = r.Sale.Pay(ctx, rail.ViewerFrom(ctx).Subject, id, input.IdempotencyKey)
	}
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
	var cancelled *rail.Order
	id, err := readOrderID(input.OrderID)
	if err == nil {
		cancelled, err = r.Sale.Cancel(ctx, rail.ViewerFrom(ctx).Subject, id, value(input.Reason))
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.CancelOrderPayload{Order: orderOrNil(cancelled), UserErrors: refusals}, nil
}

func (r *mutationResolver) CancelHold(
	ctx context.Context, input graph.CancelHoldInput,
) (*graph.CancelHoldPayload, error) {
	var cancelled *rail.Order
	id, err := readOrderID(input.OrderID)
	if err == nil {
		cancelled, err = r.Sale.CancelHold(ctx, rail.ViewerFrom(ctx).Subject, id, input.Reason)
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.CancelHoldPayload{Order: orderOrNil(cancelled), UserErrors: refusals}, nil
}

func (r *mutationResolver) CorrectPassengerName(
	ctx context.Context, input graph.CorrectPassengerNameInput,
) (*graph.CorrectPassengerNamePayload, error) {
	var corrected *rail.Order
	orderID, ticket, err := readTicketID(input.TicketID)
	if err == nil {
		corrected, err = r.Sale.CorrectName(ctx, ledger.Correction{
			OrderID: orderID, Ticket: ticket, Name: input.Name, Reason: input.Reason, By: rail.ViewerFrom(ctx).Subject,
		})
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	return &graph.CorrectPassengerNamePayload{Order: orderOrNil(corrected), UserErrors: refusals}, nil
}
