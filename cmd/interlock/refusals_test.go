package main

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger/ledgertest"
	"interlock/services/rail"
)

// change is a copy of an input with some of its fields replaced.
func change(input, fields map[string]any) map[string]any {
	c := map[string]any{}
	for k, v := range input {
		c[k] = v
	}
	for k, v := range fields {
		c[k] = v
	}
	return c
}

// refusal is the first refusal in an answer: its code and its path.
func refusal(t *testing.T, a *answer, field string) string {
	t.Helper()
	require.Empty(t, a.Errors)
	code, _ := a.at(t, field+".userErrors.0.code").(string)
	var path []string
	if steps, ok := a.at(t, field+".userErrors.0.path").([]any); ok {
		for _, step := range steps {
			path = append(path, fmt.Sprint(step))
		}
	}
	return code + " " + strings.Join(path, ".")
}

func TestServer_RefusesWhatIsWrong(t *testing.T) {
	settings := embeddedSettings(t)
	r := start(t, settings)
	run := r.publishT12(t)
	order := orderInput(run, "key-00000001", "D0000001")
	passengers := func(documents ...string) []any {
		var all []any
		for _, document := range documents {
			all = append(all, map[string]any{
				"name": "A Passenger", "documentNumber": document, "seatClass": "HARD_SEAT",
			})
		}
		return all
	}

	t.Run("placeOrder", func(t *testing.T) {
		for _, c := range []struct {
			name, want string
			fields     map[string]any
		}{
			{"run is a station", "NOT_FOUND input.runId", map[string]any{"runId": encodeStation("BJP")}},
			{"run is nothing", "NOT_FOUND input.runId", map[string]any{"runId": "!!!"}},
			{"unknown station", "INVALID input.from", map[string]any{"from": "XXX"}},
			{"from is to", "INVALID input.to", map[string]any{"to": "BJP"}},
			{"wrong direction", "INVALID input.to", map[string]any{"from": "SHH", "to": "BJP"}},
			{"no passengers", "INVALID input.passengers", map[string]any{"passengers": []any{}}},
			{
				"ten passengers", "INVALID input.passengers", map[string]any{"passengers": passengers("D000", "D001",
					"D002", "D003", "D004", "D005", "D006", "D007", "D008", "D009")},
			},
			{
				"one document twice", "INVALID input.passengers.1.documentNumber",
				map[string]any{"passengers": passengers("D000", "d000")},
			},
			{
				"a class the train lacks", "INVALID input.passengers.0.seatClass",
				map[string]any{"passengers": []any{map[string]any{
					"name": "A", "documentNumber": "D0001", "seatClass": "FIRST",
				}}},
			},
			{
				"more than are left", "SOLD_OUT input.passengers.0.seatClass",
				map[string]any{"passengers": passengers("D001", "D002", "D003")},
			},
			{"a short key", "INVALID input.idempotencyKey", map[string]any{"idempotencyKey": "short"}},
			{"a key with a space", "INVALID input.idempotencyKey", map[string]any{"idempotencyKey": "key 0000001"}},
			{
				"a document with a dash", "INVALID input.passengers.0.documentNumber",
				map[string]any{"passengers": passengers("D-001")},
			},
			{
				"a name of controls", "INVALID input.passengers.0.name",
				map[string]any{"passengers": []any{map[string]any{
					"name": "\x07", "documentNumber": "D0001", "seatClass": "HARD_SEAT",
				}}},
			},
		} {
			t.Run(c.name, func(t *testing.T) {
				a := r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": change(order, c.fields)})
				require.Equal(t, c.want, refusal(t, a, "placeOrder"))
			})
		}
	})

	t.Run("publishTrain", func(t *testing.T) {
		calls := trainInput()["calls"].([]any)
		// A hundred bytes that are 15,984 seats.
		unfolding := map[string]any{
			"number": "1", "seatClass": "HARD_SEAT", "layout": map[string]any{"rows": map[string]any{
				"letters": "ABCDEFGHIJKLMNOP", "last": 999,
			}},
		}
		for _, c := range []struct {
			name, want string
			fields     map[string]any
		}{
			{
				"unknown station", "INVALID input.calls.1.station", map[string]any{"calls": []any{
					calls[0], change(calls[1].(map[string]any), map[string]any{"station": "XXX"}), calls[2],
				}},
			},
			{
				"a time that is none", "INVALID input.calls.1.arrival", map[string]any{"calls": []any{
					calls[0], change(calls[1].(map[string]any), map[string]any{"arrival": "9 o'clock"}), calls[2],
				}},
			},
			{
				"time goes back", "INVALID input.calls.1.arrival", map[string]any{"calls": []any{
					calls[0], change(calls[1].(map[string]any), map[string]any{"arrival": "08:00"}), calls[2],
				}},
			},
			{"one call", "INVALID input.calls", map[string]any{"calls": calls[:1]}},
			{"a name that turns", "INVALID input.number", map[string]any{"number": "T\u202e12"}},
			{
				"coaches that unfold", "INVALID input.coaches",
				map[string]any{"coaches": slices.Repeat([]any{unfolding}, 1_000)},
			},
			{"seats that unfold", "INVALID input.coaches.0.layout", map[string]any{"coaches": []any{unfolding}}},
			{"257 calls", "INVALID input.calls", map[string]any{"calls": slices.Repeat(calls[1:2], 257)}},
			{
				"eight days a week", "INVALID input.weekdays", map[string]any{"weekdays": slices.Repeat([]any{"MONDAY"},
					8)},
			},
			{"no coaches", "INVALID input.coaches", map[string]any{"coaches": []any{}}},
			{"past dates", "INVALID input.from", map[string]any{"from": "2019-10-12", "through": "2019-10-12"}},
			{"through before from", "INVALID input.through", map[string]any{"through": "2019-10-12"}},
			{
				"a fare with too many digits", "INVALID input.fares.perKm.0.minimum",
				map[string]any{"fares": map[string]any{
					"currencyCode": "CNY", "perKm": []any{map[string]any{
						"seatClass": "HARD_SEAT", "amount": "0.1", "minimum": "0.001",
					}},
				}},
			},
			{"a class without a fare", "INVALID input.fares", map[string]any{"fares": map[string]any{
				"currencyCode": "CNY", "perKm": []any{map[string]any{"seatClass": "HARD_SEAT", "amount": "0.1"}},
			}}},
		} {
			t.Run(c.name, func(t *testing.T) {
				a := r.ask(t, r.admin, publishTrainMutation, map[string]any{"i": change(trainInput(), c.fields)})
				require.Equal(t, c.want, refusal(t, a, "publishTrain"), "%s", a.Data)
			})
		}
	})

	require.Equal(t, [2]int{0, 1}, r.bookkeeping(t), "what was refused has written nothing")

	t.Run("queries", func(t *testing.T) {
		forged := r.passenger[:len(r.passenger)-4] + "AAAA"
		yesterday, err := developmentTokens(settings)
		require.NoError(t, err)
		yesterday.Now = func() time.Time { return time.Now().Add(-24 * time.Hour) }
		expired, err := yesterday.Issue("ann", []rail.Role{rail.RolePassenger}, time.Hour)
		require.NoError(t, err)
		for _, c := range []struct{ name, token, query, code string }{
			{
				"unknown station", "", `{searchTickets(from:["XXX"],to:["SHH"],date:"` + day() + `"){nodes{version}}}`,
				"BAD_USER_INPUT",
			},
			{
				"from is to", "", `{searchTickets(from:["BJP"],to:["BJP"],date:"` + day() + `"){nodes{version}}}`,
				"BAD_USER_INPUT",
			},
			{
				"nine stations", "",
				`{searchTickets(from:["A","B","C","D","E","F","G","H","I"],to:["BJP"],date:"` +
					day() + `"){nodes{version}}}`, "BAD_USER_INPUT",
			},
			{
				"a past date", "", `{searchTickets(from:["BJP"],to:["SHH"],date:"2019-10-12"){nodes{version}}}`,
				"BAD_USER_INPUT",
			},
			{
				"a date that is none", "", `{searchTickets(from:["BJP"],to:["SHH"],date:"2019-02-30"){nodes{version}}}`,
				"BAD_USER_INPUT",
			},
			{"a page of 101", "", `{stations(first:101){nodes{code}}}`, "BAD_USER_INPUT"},
			{"a forged cursor", "", `{stations(after:"AAAA"){nodes{code}}}`, "BAD_USER_INPUT"},
			{"no token", "", `mutation{cancelOrder(input:{orderId:"x"}){userErrors{code}}}`, "UNAUTHENTICATED"},
			{"no role", r.passenger, `{runs(filter:{}){nodes{id}}}`, "FORBIDDEN"},
			{"a forged token", forged, `{viewer{subject}}`, "UNAUTHENTICATED"},
			{"an expired token", expired, `{viewer{subject}}`, "UNAUTHENTICATED"},
			{"neither id nor number", r.passenger, `{order{state}}`, "BAD_USER_INPUT"},
			{"not GraphQL", "", `{`, "GRAPHQL_PARSE_FAILED"},
			{"no such field", "", `{seats}`, "GRAPHQL_VALIDATION_FAILED"},
		} {
			t.Run(c.name, func(t *testing.T) {
				a := r.ask(t, c.token, c.query, nil)
				require.NotEmpty(t, a.Errors)
				require.Equal(t, c.code, a.Errors[0].Extensions.Code, "%+v", a.Errors)
			})
		}
	})

	t.Run("too dear, too deep, too large", func(t *testing.T) {
		run := `run(train:"T12",date:"` + day() + `"){`
		deep := "{" + run + strings.Repeat("availability{run{", 20) + "id" + strings.Repeat("}}", 20) + "}}"
		require.NotEmpty(t, r.ask(t, "", deep, nil).Errors)
		dear := "{" + strings.Repeat(" ", 1)
		for i := range 20 {
			dear += fmt.Sprintf(`s%d:searchTickets(from:["BJP"],to:["SHH"],date:"%s",
				first:100){nodes{run{coaches{seats{label}}}}} `, i, day())
		}
		require.NotEmpty(t, r.ask(t, "", dear+"}", nil).Errors)
		a := r.ask(t, "", `{stations(matching:"`+strings.Repeat("x", 1<<20)+`"){nodes{code}}}`, nil)
		require.NotEmpty(t, a.Errors)
		everything := `{searchTickets(from:["BJP"],to:["SHH"],
			date:"` + day() + `",first:100){asOf pageInfo{hasNextPage endCursor} nodes{version durationMinutes
			from{sequence arrival departure distanceKm saleClosesAt station{id code name timeZone latitude longitude}}
			to{sequence arrival departure distanceKm saleClosesAt station{id code name timeZone latitude longitude}}
			run{id date state stateReason saleOpensAt train{number kind}
			calls{sequence arrival departure distanceKm saleClosesAt station{id code name timeZone latitude
			longitude}}} classes{seatClass remaining price{amount currencyCode}}}}}`
		require.Empty(t, r.ask(t, "", everything, nil).Errors, "a full search is not too dear")
	})

	t.Run("orders in the wrong state", func(t *testing.T) {
		placed := r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": order})
		id := placed.at(t, "placeOrder.order.id")
		other := change(order, map[string]any{"passengers": passengers("D0000002")})
		require.Equal(t, "IDEMPOTENCY_CONFLICT input.idempotencyKey",
			refusal(t, r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": other}), "placeOrder"))
		again := change(order, map[string]any{"idempotencyKey": "key-00000002"})
		require.Equal(t, "ALREADY_TRAVELLING input.passengers.0.documentNumber",
			refusal(t, r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": again}), "placeOrder"))
		pay := func(key string) map[string]any {
			return map[string]any{"i": map[string]any{"orderId": id, "idempotencyKey": key}}
		}
		bob := r.token(t, "bob", rail.RolePassenger)
		require.Equal(t, "NOT_FOUND input.orderId",
			refusal(t, r.ask(t, bob, cancelOrderMutation, map[string]any{"i": map[string]any{"orderId": id}}),
				"cancelOrder"))
		require.Equal(t, " ", refusal(t, r.ask(t, r.passenger, payOrderMutation, pay("pay-00000001")), "payOrder"))
		require.Equal(t, "WRONG_STATE input.orderId",
			refusal(t, r.ask(t, r.passenger, payOrderMutation, pay("pay-00000002")), "payOrder"))
		require.Equal(t, "WRONG_STATE input.orderId",
			refusal(t, r.ask(t, r.passenger, cancelOrderMutation, map[string]any{"i": map[string]any{"orderId": id}}),
				"cancelOrder"))

		second := r.ask(t, r.passenger, placeOrderMutation,
			map[string]any{"i": change(again, map[string]any{"passengers": passengers("D0000003")})})
		id = second.at(t, "placeOrder.order.id")
		ledgertest.Age(t, ledgerOptions(settings))
		require.Equal(t, "HOLD_EXPIRED input.orderId",
			refusal(t, r.ask(t, r.passenger, payOrderMutation, pay("pay-00000003")), "payOrder"))
		require.Equal(t, "EXPIRED",
			r.ask(t, r.passenger, `query($i:ID!){order(id:$i){state}}`, map[string]any{"i": id}).at(t, "order.state"))
		third := r.ask(t, bob, placeOrderMutation, map[string]any{"i": change(order, map[string]any{
			"idempotencyKey": "key-00000009", "passengers": passengers("D0000009"),
		})})
		require.Equal(t, " ", refusal(t, third, "placeOrder"), "the expired seat can be bought at once: %s", third.Data)
	})
}

// bookkeeping counts the orders and the runs of the ledger.
func (r *running) bookkeeping(t *testing.T) [2]int {
	t.Helper()
	db := ledgertest.DB(t, ledgerOptions(r.settings))
	var counts [2]int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM orders").Scan(&counts[0]))
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM runs").Scan(&counts[1]))
	return counts
}

// encodeStation is the id of a station: an id of another kind, where a run's is wanted.
func encodeStation(code string) string {
	return base64.RawURLEncoding.EncodeToString([]byte("Station:" + code))
}

func encodeRun(id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte("Run:" + id))
}

func TestServer_RefusesOrdersBeforeTheSaleAndAfterTheClose(t *testing.T) {
	r := start(t, embeddedSettings(t))
	r.publishT12(t)
	later := r.ask(t, r.admin, publishTrainMutation, map[string]any{"i": change(trainInput(), map[string]any{
		"number": "T14", "saleOpens": map[string]any{"daysBefore": map[string]any{"days": 0}},
	})})
	run := later.at(t, "publishTrain.runs.0.id").(string)
	a := r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	require.Equal(t, "SALE_NOT_OPEN input.runId", refusal(t, a, "placeOrder"))
	require.Equal(t, "NOT_OPEN", r.ask(t, "", `{run(train:"T14",date:"`+day()+`"){state}}`, nil).at(t, "run.state"))

	// A train that runs round the clock from today's noon minus 12 h: its first departure is over, its last is not.
	today := rail.DateIn(time.Now(), time.FixedZone("", 8*3600)).String()
	input := change(trainInput(), map[string]any{"number": "T16", "from": today, "through": today, "calls": []any{
		map[string]any{"station": "BJP", "departure": "00:00", "distanceKm": 0},
		map[string]any{"station": "TJP", "arrival": "47:00", "departure": "47:05", "distanceKm": 120.5},
		map[string]any{"station": "SHH", "arrival": "60:00", "distanceKm": 1325.0},
	}})
	a = r.ask(t, r.admin, publishTrainMutation, map[string]any{"i": input})
	run = a.at(t, "publishTrain.runs.0.id").(string)
	a = r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	require.Equal(t, "SALE_CLOSED input.runId", refusal(t, a, "placeOrder"))
	fromTianjin := change(orderInput(run, "key-00000002", "D0000001"), map[string]any{"from": "TJP"})
	a = r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": fromTianjin})
	require.Equal(t, " ", refusal(t, a, "placeOrder"), "%s", a.Data)
}
