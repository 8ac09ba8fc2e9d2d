package fault

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"interlock/internal/pause"
	"interlock/lab/cluster"
	"interlock/lab/load"
	"interlock/services/rail"
)

const (
	// apart is how far the clocks are off, one ahead and one behind.
	apart = time.Hour
	// window is how far what is sold lies from the moments at which selling begins and ends: less than the clocks are
	// off.
	window = apart / 2
	// apartSlack is for asking and answering.
	apartSlack = 5 * time.Second
	// apartHold is so short that holds run out under way.
	apartHold = 2 * time.Second
)

// clocksApart has one server an hour ahead and one an hour behind. The primary's clock decides, so no buyer sees it:
// holds last as long at both, and a sale that opens or closes within that hour does so at one moment for all.
func clocksApart() Fault {
	short := Shape{Servers: 2, LockNodes: 3, Hold: apartHold, ClocksApart: apart}
	return Fault{
		Name: "clocks_apart", Area: buyersArea, Shape: short, Lasts: 10 * time.Second,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			proof := Injected{Fired: true, Facts: map[string]any{}}
			if err := s.readClocks(ctx, &proof); err != nil {
				return nil, err
			}
			if err := s.buyAtTheEdges(ctx, &proof); err != nil {
				return nil, err
			}
			return func(context.Context) (Injected, error) {
				calls := s.Workload.Log().Calls()
				for _, server := range s.Cluster.Servers() {
					paid, late := payments(calls, server.Addr())
					proof.Facts["paid_in_time "+server.Addr()], proof.Facts["paid_too_late "+server.Addr()] = paid, late
					proof.Fired = proof.Fired && paid > 0 && late > 0
				}
				return proof, nil
			}, nil
		},
	}
}

// readClocks asks each server for its time, and whether it takes a token that is over in half an hour. Each server
// judges tokens by its own clock. The cluster's tokens are issued by the clock that is behind.
func (s *Scene) readClocks(ctx context.Context, proof *Injected) error {
	token, err := s.Cluster.Tokens().Issue("clock", []rail.Role{rail.RolePassenger}, apart+window)
	if err != nil {
		return err
	}
	for n, server := range s.Cluster.Servers() {
		var answer struct{ SearchTickets struct{ AsOf time.Time } }
		err := load.API{Server: server.Addr()}.Ask(ctx,
			`query($d:Date!){searchTickets(from:["L00"],to:["L01"],date:$d){asOf}}`,
			map[string]any{"d": s.Workload.Runs()[0].RunID.Date().String()}, &answer)
		if err != nil {
			return err
		}
		off, ahead := time.Until(answer.SearchTickets.AsOf), n%2 == 0
		proof.Facts["clock_off_seconds "+server.Addr()] = math.Round(off.Seconds())
		if ahead && off < apart-apartSlack || !ahead && off > -apart {
			proof.Fired = false
		}
		err = load.API{Server: server.Addr(), Token: token}.Ask(ctx, `{viewer{subject}}`, nil, &struct{}{})
		proof.Facts["takes_token_of_half_an_hour "+server.Addr()] = err == nil
		if ahead == (err == nil) {
			proof.Fired = false
		}
	}
	return nil
}

// buyAtTheEdges buys three trips at every server: on a run that opened half an hour ago and leaves in half an hour,
// from a station that this run left half an hour ago, and on a run that opens in half an hour. All servers must say the
// same, by the primary's time.
func (s *Scene) buyAtTheEdges(ctx context.Context, proof *Injected) error {
	now := time.Now()
	number, _, _ := strings.Cut(string(s.Workload.Runs()[0].RunID), "@")
	open, err := s.publishAtTheEdge(ctx, "W"+number, now, now.Add(-window))
	if err != nil {
		return err
	}
	unopened, err := s.publishAtTheEdge(ctx, "X"+number, now, now.Add(window))
	if err != nil {
		return err
	}
	for _, server := range s.Cluster.Servers() {
		for _, one := range []struct{ what, run, from, want string }{
			{"opened half an hour ago, and leaves in half an hour", open, load.StationCode(1), ""},
			{"left half an hour ago", open, load.StationCode(0), "SALE_CLOSED"},
			{"opens in half an hour", unopened, load.StationCode(1), "SALE_NOT_OPEN"},
		} {
			begun := time.Now()
			code, order, err := s.buyOne(ctx, server.Addr(), one.run, one.from)
			switch {
			case err != nil:
				return err
			case code != one.want:
				proof.Broken = append(proof.Broken,
					fmt.Sprintf("%s: what %s was answered %q", server.Addr(), one.what, code))
			case code == "" && (order.PlacedAt.Before(begun.Add(-apartSlack)) ||
				order.PlacedAt.After(time.Now().Add(apartSlack))):
				proof.Broken = append(proof.Broken,
					fmt.Sprintf("%s: an order was placed at %v by its answer", server.Addr(), order.PlacedAt))
			case code == "" && order.PayBy.Sub(order.PlacedAt) != apartHold:
				proof.Broken = append(proof.Broken,
					fmt.Sprintf("%s: an order may stay unpaid from %v to %v", server.Addr(), order.PlacedAt,
						order.PayBy))
			}
		}
	}
	proof.Facts["bought_at_the_edges"] = 3 * len(s.Cluster.Servers())
	return nil
}

// edgeOrder is what an order says of its time.
type edgeOrder struct{ PlacedAt, PayBy time.Time }

// buyOne buys one ticket to the last call of a run at the edge; code is the refusal's.
func (s *Scene) buyOne(ctx context.Context, server, run, from string) (code string, order *edgeOrder, err error) {
	token, err := load.PassengerTokens(s.Cluster.Tokens())("edge")
	if err != nil {
		return "", nil, err
	}
	var answer struct {
		PlaceOrder struct {
			Order      *edgeOrder
			UserErrors []struct{ Code, Message string }
		}
	}
	n := s.Random.Uint32()
	err = load.API{Server: server, Token: token}.Ask(ctx,
		`mutation($i:PlaceOrderInput!){placeOrder(input:$i){order{placedAt payBy} userErrors{code message}}}`,
		map[string]any{"i": map[string]any{
			"idempotencyKey": fmt.Sprintf("edge-%08x", n), "runId": run, "from": from, "to": load.StationCode(2),
			"passengers": []any{map[string]any{
				"name": "王秀英", "documentNumber": fmt.Sprintf("E%08X", n), "seatClass": rail.Second,
			}},
		}}, &answer)
	if err != nil {
		return "", nil, err
	}
	if refusals := answer.PlaceOrder.UserErrors; len(refusals) > 0 {
		return refusals[0].Code, nil, nil
	}
	return "", answer.PlaceOrder.Order, nil
}

// publishAtTheEdge publishes a train that has left its first station, and will leave its second one as long after now
// as it left the first before. It returns once every server knows the run.
func (s *Scene) publishAtTheEdge(ctx context.Context, number string, now, opens time.Time) (run string, err error) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		return "", err
	}
	first := now.Add(-window).In(zone)
	date := rail.DateIn(first, zone)
	minute := first.Hour()*60 + first.Minute()
	at := func(after time.Duration) string {
		m := minute + int(after.Minutes())
		return fmt.Sprintf("%02d:%02d", m/60, m%60)
	}
	admin, err := load.AdminToken(s.Cluster.Tokens())
	if err != nil {
		return "", err
	}
	var answer struct {
		PublishTrain struct {
			Runs       []struct{ ID string }
			UserErrors []struct{ Code, Message string }
		}
	}
	// By the server that is behind: to the other one the train may be yesterday's.
	behind := s.Cluster.Servers()[1].Addr()
	err = load.API{Server: behind, Token: admin}.Ask(ctx,
		`mutation($i:PublishTrainInput!){publishTrain(input:$i){runs{id} userErrors{code message}}}`,
		map[string]any{"i": map[string]any{
			"number": number, "kind": "G", "from": date.String(), "through": date.String(),
			"saleOpens": map[string]any{"at": opens.UTC().Format(time.RFC3339)},
			"calls": []any{
				map[string]any{"station": load.StationCode(0), "departure": at(0), "distanceKm": 0},
				map[string]any{
					"station": load.StationCode(1), "arrival": at(2*window - time.Minute), "departure": at(2 * window),
					"distanceKm": 50,
				},
				map[string]any{"station": load.StationCode(2), "arrival": at(4 * window), "distanceKm": 100},
			},
			"coaches": []any{map[string]any{"number": "1", "seatClass": rail.Second, "layout": map[string]any{
				"rows": map[string]any{"letters": "AB CD", "first": 1, "last": 4},
			}}},
			"fares": map[string]any{
				"currencyCode": "CNY", "roundTo": "0.50",
				"perKm": []any{map[string]any{"seatClass": rail.Second, "amount": "0.40"}},
			},
		}}, &answer)
	if err != nil {
		return "", err
	}
	if len(answer.PublishTrain.Runs) != 1 {
		return "", fmt.Errorf("publishing %s: %+v", number, answer.PublishTrain.UserErrors)
	}
	run = answer.PublishTrain.Runs[0].ID
	return run, awaitKnown(ctx, s.Cluster, run)
}

// awaitKnown waits until every server knows a run, in whatever state.
func awaitKnown(ctx context.Context, c *cluster.Cluster, run string) error {
	for _, server := range c.Servers() {
		for {
			var answer struct{ Node *struct{ ID string } }
			err := load.API{Server: server.Addr()}.Ask(ctx, `query($i:ID!){node(id:$i){id}}`,
				map[string]any{"i": run}, &answer)
			if err != nil {
				return err
			}
			if answer.Node != nil {
				break
			}
			if pause.For(ctx, derivedPoll); ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}
