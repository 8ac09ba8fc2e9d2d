package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"interlock/lab/load"
	"interlock/services/rail"
)

const placeOrder = `mutation($i:PlaceOrderInput!){placeOrder(input:$i){order{id payBy tickets{passenger{name}}} ` +
	`userErrors{code message path}}}`

// wish is what an attacker wants to buy.
type wish struct {
	key, run   string
	from, to   int
	passengers []traveller
}

// traveller is a name, a document number and a class.
type traveller struct {
	Name           string         `json:"name"`
	DocumentNumber string         `json:"documentNumber"`
	SeatClass      rail.SeatClass `json:"seatClass"`
}

func (w wish) variables() map[string]any {
	return map[string]any{"i": map[string]any{
		"idempotencyKey": w.key, "runId": w.run, "from": load.StationCode(w.from), "to": load.StationCode(w.to),
		"passengers": w.passengers,
	}}
}

// bought is what placing an order came to: an order, or a code.
type bought struct {
	id, code string
	at       time.Time
	payBy    time.Time
	names    []string
}

// buy places an order at a server.
func buy(ctx context.Context, server, token string, w wish) (bought, error) {
	var answer struct {
		PlaceOrder struct {
			Order *struct {
				ID      string
				PayBy   *time.Time
				Tickets []struct{ Passenger struct{ Name string } }
			}
			UserErrors []struct{ Code string }
		}
	}
	err := load.API{Server: server, Token: token}.Ask(context.WithoutCancel(ctx), placeOrder, w.variables(), &answer)
	b := bought{at: time.Now()}
	switch {
	case err != nil:
		return b, err
	case answer.PlaceOrder.Order != nil:
		b.id = answer.PlaceOrder.Order.ID
		if by := answer.PlaceOrder.Order.PayBy; by != nil {
			b.payBy = *by
		}
		for _, ticket := range answer.PlaceOrder.Order.Tickets {
			b.names = append(b.names, ticket.Passenger.Name)
		}
		return b, nil
	case len(answer.PlaceOrder.UserErrors) > 0:
		b.code = answer.PlaceOrder.UserErrors[0].Code
		return b, nil
	}
	return b, errors.New("an answer without an order and without a reason")
}

// cancel gives an order back.
func cancel(ctx context.Context, server, token, order string) error {
	var answer struct {
		CancelOrder struct{ UserErrors []json.RawMessage }
	}
	err := load.API{Server: server, Token: token}.Ask(context.WithoutCancel(ctx),
		`mutation($i:CancelOrderInput!){cancelOrder(input:$i){userErrors{code message}}}`,
		map[string]any{"i": map[string]any{"orderId": order}}, &answer)
	if err == nil && len(answer.CancelOrder.UserErrors) > 0 {
		err = fmt.Errorf("cancelOrder: %s", answer.CancelOrder.UserErrors)
	}
	return err
}

// heardOf says of an order what an attacker was told.
func heardOf(b bought, err error) reply {
	switch {
	case err != nil:
		return failure(err)
	case b.code != "":
		return reply{text: b.code}
	}
	return reply{text: answered}
}

// strangers are so many new travellers, from the n-th on.
func strangers(name string, n, many int) []traveller {
	all := make([]traveller, many)
	for i := range all {
		all[i] = traveller{"王秀英", fmt.Sprintf("%s%06d", name, n+i), load.Classes[len(load.Classes)-1]}
	}
	return all
}

// failure says what an attacker was told where load.API has an error: it begins with the code.
func failure(err error) reply {
	code, _, found := strings.Cut(err.Error(), ": ")
	if found && code != "" && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" {
		return reply{text: code}
	}
	return silence(lost(err))
}
