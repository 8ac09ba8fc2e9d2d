package resolvers_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/resolvers"
	"interlock/services/ledger"
	"interlock/services/publish"
	"interlock/services/rail"
	"interlock/services/sale"
)

const errorsAsked = ` userErrors { code message path } } }`

var (
	placeOrder = fmt.Sprintf(`mutation { placeOrder(input: {
		idempotencyKey: "purchase1", runId: %q, from: "SHH", to: "BJP", passengers: [
			{name: "Ann", documentNumber: "AB123456", seatClass: SECOND,
				wish: {position: WINDOW, letter: "A", coach: "2"}}
			{name: "Ben", documentNumber: "CD123456", seatClass: FIRST, wish: {letter: "F"}}
			{name: "Cleo", documentNumber: "EF123456", seatClass: FIRST}
		]
	}) { order { number }`, runID) + errorsAsked
	payOrder = fmt.Sprintf(`mutation { payOrder(input: {orderId: %q, idempotencyKey: "payment1"}) {
		order { number } payment { state redirectUrl }`, orderID) + errorsAsked
	cancelOrder = fmt.Sprintf(`mutation { cancelOrder(input: {orderId: %q, reason: "ill"}) {
		order { number }`, orderID) + errorsAsked
	cancelHold = fmt.Sprintf(`mutation { cancelHold(input: {orderId: %q, reason: "fraud"}) {
		order { number }`, orderID) + errorsAsked

	correctPassengerName = fmt.Sprintf(`mutation { correctPassengerName(input: {
		ticketId: %q, name: "Anne", reason: "misspelt"
	}) { order { number }`, ticketID) + errorsAsked

	refundQuote = fmt.Sprintf(`{ refundQuote(orderId: %q, ticketIds: [%q]) {
		quote { id gross { amount } fee { amount } amount { amount } tickets { ticket { id } fee { amount } } }
		userErrors { code message path } } }`, orderID, ticketID)
	refundTickets = fmt.Sprintf(`mutation { refundTickets(input: {
		orderId: %q, ticketIds: [%q], quoteId: "q1", idempotencyKey: "refund01", reason: "ill"
	}) { order { number } refund { id amount { amount } tickets { id } paidBackAt } quote { id }`,
		orderID, ticketID) + errorsAsked
	toChange = fmt.Sprintf(`{orderId: %q, ticketId: %q, runId: %q, from: "SHH", to: "BJP", seatClass: FIRST,
		wish: {letter: "F"}}`, orderID, ticketID, runID)
	changeQuote = `{ changeQuote(input: ` + toChange + `) {
		quote { id price { amount } carried { amount } toPay { amount } rest { amount } fee { amount } }
		userErrors { code message path } } }`
	changeTicket = `mutation { changeTicket(input: {
		change: ` + toChange + `, quoteId: "q1", idempotencyKey: "change01"
	}) { oldOrder { number } order { number } quote { id }` + errorsAsked

	checkTicket = fmt.Sprintf(`mutation { checkTicket(input: {
		code: %q, use: true, idempotencyKey: "use-00001"
	}) { result ticket { orderNumber }`, goodCode) + errorsAsked

	publishStation = `mutation { publishStation(input: {
		code: "SHH", name: "上海", names: [{language: "zh-Latn", name: "Shanghai"}], timeZone: "Asia/Shanghai",
		latitude: 31.25, longitude: 121.5
	}) { station { code }` + errorsAsked

	suspendRun = fmt.Sprintf(`mutation { suspendRun(input: {runId: %q, reason: "snow"}) {
		run { date }`, runID) + errorsAsked
	resumeRun = fmt.Sprintf(`mutation { resumeRun(input: {runId: %q, reason: "thaw"}) {
		run { date }`, runID) + errorsAsked
	withdrawRun = fmt.Sprintf(`mutation { withdrawRun(input: {runId: %q, reason: "flood", cancelOrders: true}) {
		run { date } ordersToRepay { number }`, runID) + errorsAsked
)

// publishTrain publishes a train, with more fields in its input. A document may not have a field of an input twice.
func publishTrain(more string) string {
	return `mutation { publishTrain(input: {
		number: "T12", from: "2019-10-12", through: "2019-10-13", fares: {currencyCode: "CNY"}, coaches: [], calls: []
		` + more + `
	}) { train { number } runs { date } created changed unchanged` + errorsAsked
}

// mutations has every mutation: the method that it calls, and its payload in a refusal, without the userErrors.
var mutations = []struct{ field, operation, method, refused string }{
	{"placeOrder", placeOrder, "Sale.Place", `"order": null`},
	{"payOrder", payOrder, "Sale.Pay", `"order": null, "payment": null`},
	{"cancelOrder", cancelOrder, "Sale.Cancel", `"order": null`},
	{"cancelHold", cancelHold, "Sale.CancelHold", `"order": null`},
	{"correctPassengerName", correctPassengerName, "Sale.CorrectName", `"order": null`},
	{"refundTickets", refundTickets, "Sale.Refund", `"order": null, "refund": null, "quote": null`},
	{"changeTicket", changeTicket, "Sale.Change", `"oldOrder": null, "order": null, "quote": null`},
	{"checkTicket", checkTicket, "Sale.Inspect", `"result": null, "ticket": null`},
	{"publishStation", publishStation, "Publisher.PublishStation", `"station": null`},
	{
		"publishTrain", publishTrain(``), "Publisher.PublishTrain",
		`"train": null, "runs": null, "created": 0, "changed": 0, "unchanged": 0`,
	},
	{"addWebhook", addWebhook, "Notifier.PutEndpoint", `"webhook": null, "secret": null`},
	{"removeWebhook", removeWebhook, "Notifier.DropEndpoint", `"removed": true`},
	{"replayDelivery", replayDelivery, "Notifier.Replay", `"delivery": null`},
	{"suspendRun", suspendRun, "Publisher.Suspend", `"run": null`},
	{"resumeRun", resumeRun, "Publisher.Resume", `"run": null`},
	{"withdrawRun", withdrawRun, "Publisher.Withdraw", `"run": null, "ordersToRepay": []`},
}

// everybody may do everything.
var everybody = &rail.Viewer{Subject: "eve", Roles: rail.Roles}

// A refusal is in the payload, with its code, its message and its path. A failure is a top-level error, and the field
// is null.
func TestMutations_RefusalsAndFailures(t *testing.T) {
	for _, m := range mutations {
		payload := func(userErrors string) string {
			return fmt.Sprintf(`{%q: {%s, "userErrors": [%s]}}`, m.field, m.refused, userErrors)
		}
		null := fmt.Sprintf(`{%q: null}`, m.field)
		one := rail.Refuse(rail.WrongState, "it has ended").At("input", "orderId")
		two := rail.Errors{
			rail.Refuse(rail.Invalid, "first").At("input", "a", "0"), rail.Refuse(rail.NotFound, "second"),
		}
		failure := &rail.Error{Code: rail.OrderPending, Message: "not known yet", RetryAfter: time.Second}
		for name, c := range map[string]struct {
			err  error
			data string
			errs []string
		}{
			"one refusal": {
				err:  fmt.Errorf("wrapped: %w", one),
				data: payload(`{"code": "WRONG_STATE", "message": "it has ended", "path": ["input", "orderId"]}`),
			},
			"two refusals": {
				err: two,
				data: payload(`{"code": "INVALID", "message": "first", "path": ["input", "a", "0"]},
					{"code": "NOT_FOUND", "message": "second", "path": null}`),
			},
			"a failure": {err: failure, data: null, errs: []string{m.field + ": ORDER_PENDING"}},
			"a failure of our own": {
				err: errors.New("broken pipe"), data: null, errs: []string{m.field + ": INTERNAL"},
			},
			"a refusal and a failure": {
				err: rail.Errors{one, failure}, data: null, errs: []string{m.field + ": WRONG_STATE at input.orderId"},
			},
		} {
			w := newWorld()
			w.fail[m.method] = c.err
			data, errs := w.ask(t, everybody, m.operation, nil)
			require.Equal(t, c.errs, errs, "%s: %s", m.field, name)
			require.JSONEq(t, c.data, data, "%s: %s", m.field, name)
			require.Len(t, w.calls, 1)
			require.Equal(t, m.method, w.calls[0].method)
		}
	}
}

func TestMutations_HaveABoundOfRefusals(t *testing.T) {
	w := newWorld()
	all := make(rail.Errors, 101)
	for i := range all {
		all[i] = rail.Refuse(rail.Invalid, "wrong")
	}
	w.fail["Sale.Cancel"] = all
	data, errs := w.ask(t, ann, cancelOrder, nil)
	require.Empty(t, errs)
	require.Equal(t, 100, strings.Count(data, "INVALID"))
}

// Of an order, a refusal may tell what it is now.
func TestMutations_AnOrderBesideARefusal(t *testing.T) {
	w := newWorld()
	w.order, w.fail["Sale.Pay"] = w.listed[0], rail.Refuse(rail.HoldExpired, "too late")
	data, errs := w.ask(t, ann, payOrder, nil)
	require.Empty(t, errs)
	require.JSONEq(t, `{"payOrder": {"order": {"number": "NUMBER2"}, "payment": null,
		"userErrors": [{"code": "HOLD_EXPIRED", "message": "too late", "path": null}]}}`, data)
}

func TestMutations_OfOrders(t *testing.T) {
	answers := func(w *world) { w.order = w.listed[0] }
	done := func(field string) string {
		return fmt.Sprintf(`{%q: {"order": {"number": "NUMBER2"}, "userErrors": []}}`, field)
	}
	paid := func(payment string) string {
		return fmt.Sprintf(`{"payOrder": {"order": {"number": "NUMBER2"}, "payment": %s, "userErrors": []}}`, payment)
	}
	pays := func(payment sale.Payment) func(*world) {
		return func(w *world) { w.order, w.payment = w.listed[0], payment }
	}
	run(t, []fieldCase{
		{
			name: "placeOrder", viewer: ann, prepare: answers, query: placeOrder, data: done("placeOrder"),
			calls: []call{called("Sale.Place", "ann", rail.PlaceOrder{
				IdempotencyKey: "purchase1", RunID: "T12@2019-10-12", From: "SHH", To: "BJP",
				Passengers: []rail.PassengerRequest{
					{
						Passenger: rail.Passenger{Name: "Ann", DocumentNumber: "AB123456"}, SeatClass: rail.Second,
						Wish: rail.Wish{Position: rail.Window, Letter: "A", Coach: "2"},
					},
					{
						Passenger: rail.Passenger{Name: "Ben", DocumentNumber: "CD123456"}, SeatClass: rail.First,
						Wish: rail.Wish{Letter: "F"},
					},
					{Passenger: rail.Passenger{Name: "Cleo", DocumentNumber: "EF123456"}, SeatClass: rail.First},
				},
			})},
		},
		{
			name: "placeOrder for a departure", viewer: ann, prepare: answers,
			query: fmt.Sprintf(`mutation { placeOrder(input: {
				idempotencyKey: "purchase1", runId: %q, from: "SHH", to: "BJP", passengers: [],
				departure: "2019-10-12T08:00:00Z"
			}) { order { number }`, runID) + errorsAsked,
			data: done("placeOrder"),
			calls: []call{called("Sale.Place", "ann", rail.PlaceOrder{
				IdempotencyKey: "purchase1", RunID: "T12@2019-10-12", From: "SHH", To: "BJP",
				Departure: time.Date(2019, 10, 12, 8, 0, 0, 0, time.UTC),
			})},
		},
		{
			name: "placeOrder by one who wants to be written to", viewer: ann,
			prepare: func(w *world) {
				written := *w.listed[0]
				written.Tickets = []rail.Ticket{{
					Passenger: rail.Passenger{Contact: rail.Contact{Email: "ann@example.com", Language: "zh"}},
				}}
				w.order = &written
			},
			query: fmt.Sprintf(`mutation { placeOrder(input: {
				idempotencyKey: "purchase1", runId: %q, from: "SHH", to: "BJP", passengers: [],
				contact: {email: "ann@example.com", language: "zh"}
			}) { order { contact { email language } }`, runID) + errorsAsked,
			data: `{"placeOrder": {"order": {"contact": {"email": "a***@example.com", "language": "zh"}},
				"userErrors": []}}`,
			calls: []call{called("Sale.Place", "ann", rail.PlaceOrder{
				IdempotencyKey: "purchase1", RunID: "T12@2019-10-12", From: "SHH", To: "BJP",
				Contact: &rail.Contact{Email: "ann@example.com", Language: "zh"},
			})},
		},
		{
			name: "placeOrder of no run", viewer: ann, query: placeOrder,
			prepare: func(w *world) { w.fail["Sale.Place"] = rail.Refuse(rail.NotFound, "no such run") },
			data: `{"placeOrder": {"order": null,
				"userErrors": [{"code": "NOT_FOUND", "message": "no such run", "path": null}]}}`,
		},
		{
			name: "payOrder", viewer: ann, query: payOrder, prepare: pays(sale.Payment{State: sale.PaymentSucceeded}),
			data:  paid(`{"state": "SUCCEEDED", "redirectUrl": null}`),
			calls: []call{called("Sale.Pay", "ann", "first", "payment1")},
		},
		{
			name: "payOrder elsewhere", viewer: ann, query: payOrder,
			prepare: pays(sale.Payment{State: sale.PaymentPending, RedirectURL: "https://pay.example/1"}),
			data:    paid(`{"state": "PENDING", "redirectUrl": "https://pay.example/1"}`),
		},
		{
			name: "payOrder that is under way", viewer: ann, query: payOrder,
			prepare: pays(sale.Payment{State: sale.PaymentPending}),
			data:    paid(`{"state": "PENDING", "redirectUrl": null}`),
		},
		{
			name: "payOrder that failed", viewer: ann, query: payOrder,
			prepare: pays(sale.Payment{State: sale.PaymentFailed}),
			data:    paid(`{"state": "FAILED", "redirectUrl": null}`),
		},
		{
			name: "payOrder of an order that is being paid with another key", viewer: ann, query: payOrder,
			prepare: func(w *world) {
				w.order = w.listed[0]
				w.fail["Sale.Pay"] = rail.Refuse(rail.WrongState, "the order is being paid").At("input", "orderId")
			},
			data: `{"payOrder": {"order": {"number": "NUMBER2"}, "payment": null, "userErrors": [
				{"code": "WRONG_STATE", "message": "the order is being paid", "path": ["input", "orderId"]}]}}`,
		},
		{
			name: "payOrder where no payment was started", viewer: ann, query: payOrder, prepare: answers,
			data: paid(`null`),
		},
		{
			name: "cancelOrder", viewer: ann, prepare: answers, query: cancelOrder, data: done("cancelOrder"),
			calls: []call{called("Sale.Cancel", "ann", "first", "ill")},
		},
		{
			name: "cancelOrder without a reason", viewer: ann, prepare: answers, data: done("cancelOrder"),
			query: fmt.Sprintf(`mutation { cancelOrder(input: {orderId: %q}) { order { number }`, orderID) + errorsAsked,
			calls: []call{called("Sale.Cancel", "ann", "first", "")},
		},
		{
			name: "cancelHold", viewer: admin, prepare: answers, query: cancelHold, data: done("cancelHold"),
			calls: []call{called("Sale.CancelHold", "root", "first", "fraud")},
		},
		{
			name: "correctPassengerName", viewer: admin, prepare: answers, query: correctPassengerName,
			data: done("correctPassengerName"),
			calls: []call{called("Sale.CorrectName", ledger.Correction{
				OrderID: "first", Ticket: 0, Name: "Anne", Reason: "misspelt", By: "root",
			})},
		},
		{
			name: "correctPassengerName of another ticket", viewer: admin, prepare: answers,
			data:  done("correctPassengerName"),
			query: strings.Replace(correctPassengerName, ticketID, resolvers.TicketID("second", 8), 1),
			calls: []call{called("Sale.CorrectName", ledger.Correction{
				OrderID: "second", Ticket: 8, Name: "Anne", Reason: "misspelt", By: "root",
			})},
		},
	})
}

func TestMutations_OfRuns(t *testing.T) {
	answers := func(w *world) { w.run, w.repaid = w.runs["T12@2019-10-12"], w.listed }
	done := func(field, more string) string {
		return fmt.Sprintf(`{%q: {"run": {"date": "2019-10-12"}, %s "userErrors": []}}`, field, more)
	}
	const id = rail.RunID("T12@2019-10-12")
	run(t, []fieldCase{
		{
			name: "suspendRun", viewer: admin, prepare: answers, query: suspendRun, data: done("suspendRun", ""),
			calls: []call{called("Publisher.Suspend", id, "snow", "root")},
		},
		{
			name: "resumeRun", viewer: admin, prepare: answers, query: resumeRun, data: done("resumeRun", ""),
			calls: []call{called("Publisher.Resume", id, "thaw", "root")},
		},
		{
			name: "withdrawRun", viewer: admin, prepare: answers, query: withdrawRun,
			data:  done("withdrawRun", `"ordersToRepay": [{"number": "NUMBER2"}, {"number": "NUMBER1"}],`),
			calls: []call{called("Publisher.Withdraw", id, "flood", "root", true)},
		},
		{
			name: "withdrawRun does not cancel orders by itself", viewer: admin, data: done("withdrawRun", ""),
			prepare: answers,
			query: strings.Replace(strings.Replace(withdrawRun, ", cancelOrders: true", "", 1),
				"ordersToRepay { number }", "", 1),
			calls: []call{called("Publisher.Withdraw", id, "flood", "root", false)},
		},
	})
}

func TestCreateStreamTicket(t *testing.T) {
	const query = `mutation { createStreamTicket { streamTicket validUntil } }`
	const made = `{"createStreamTicket": {"streamTicket": "a-ticket", "validUntil": "2019-10-11T12:00:30Z"}}`
	run(t, []fieldCase{
		{
			name: "a passenger", viewer: ann, query: query, data: made, calls: []call{called("Tickets.Create", "ann")},
		},
		{name: "an admin", viewer: admin, query: query, data: made, calls: []call{called("Tickets.Create", "root")}},
		{
			name: "a viewer without a role", viewer: &rail.Viewer{Subject: "nil"}, query: query, data: made,
			calls: []call{called("Tickets.Create", "nil")},
		},
		{
			name: "without a token", query: query, data: `{"createStreamTicket": null}`, calls: none,
			errs: []string{"createStreamTicket: UNAUTHENTICATED"},
		},
		{
			name: "too many", viewer: ann, query: query, data: `{"createStreamTicket": null}`,
			prepare: fails("Tickets.Create", &rail.Error{Code: rail.Overloaded, Message: "too many"}),
			errs:    []string{"createStreamTicket: OVERLOADED"},
		},
	})
}

func TestPublishStation(t *testing.T) {
	latitude, longitude := 31.25, 121.5
	run(t, []fieldCase{
		{
			name: "all of it", viewer: admin, query: publishStation,
			prepare: func(w *world) { w.station = w.stations["SHH"] },
			data:    `{"publishStation": {"station": {"code": "SHH"}, "userErrors": []}}`,
			calls: []call{called("Publisher.PublishStation", rail.Station{
				Code: "SHH", Name: "上海", Names: map[string]string{"zh-Latn": "Shanghai"}, TimeZone: "Asia/Shanghai",
				Latitude: &latitude, Longitude: &longitude,
			}, "root")},
		},
		{
			name: "what is needed", viewer: admin, prepare: func(w *world) { w.station = w.stations["SHH"] },
			query: `mutation { publishStation(input: {code: "SHH", name: "上海", timeZone: "Asia/Shanghai"}) {
				station { code }` + errorsAsked,
			data: `{"publishStation": {"station": {"code": "SHH"}, "userErrors": []}}`,
			calls: []call{called("Publisher.PublishStation", rail.Station{
				Code: "SHH", Name: "上海", Names: map[string]string{}, TimeZone: "Asia/Shanghai",
			}, "root")},
		},
		{
			name: "a language twice", viewer: admin, calls: none,
			query: `mutation { publishStation(input: {code: "A", name: "A", timeZone: "UTC", names: [
				{language: "de", name: "A"}, {language: "fr", name: "A"}, {language: "de", name: "B"}
			]}) { station { code }` + errorsAsked,
			data: `{"publishStation": {"station": null, "userErrors": [{
				"code": "INVALID", "message": "the language \"de\" is there twice",
				"path": ["input", "names", "2", "language"]
			}]}}`,
		},
	})
}

// published is what a test of publishTrain asks of the publisher.
func (w *world) published(t *testing.T, input string) publish.TrainRequest {
	t.Helper()
	_, errs := w.ask(t, admin, publishTrain(input), nil)
	require.Empty(t, errs)
	require.Len(t, w.calls, 1)
	require.Equal(t, "root", w.calls[0].args[1])
	request, ok := w.calls[0].args[0].(publish.TrainRequest)
	require.True(t, ok)
	return request
}

func TestPublishTrain_WhatArrives(t *testing.T) {
	request := newWorld().published(t, `kind: "T", weekdays: [SATURDAY, SUNDAY, MONDAY],
		saleOpens: {daysBefore: {days: 30, at: "08:00"}}`)
	days := 30
	require.Equal(t, publish.TrainRequest{
		Number: "T12", Kind: "T", From: october(12), Through: october(13),
		Weekdays:  []time.Weekday{time.Saturday, time.Sunday, time.Monday},
		SaleOpens: publish.SaleOpens{DaysBefore: &days, Clock: 8 * 3_600},
		Calls:     []rail.Call{}, Coaches: []rail.Coach{},
		Fares: rail.Fares{Currency: "CNY"},
	}, request)

	request = newWorld().published(t, `saleOpens: {at: "2019-09-12T08:00:00+08:00"}, validateOnly: true`)
	require.True(t, request.ValidateOnly)
	require.True(t, time.Date(2019, 9, 12, 0, 0, 0, 0, time.UTC).Equal(request.SaleOpens.At))
	require.Nil(t, request.SaleOpens.DaysBefore)

	every := newWorld().published(t, `weekdays: [MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY]`)
	require.Equal(t, []time.Weekday{1, 2, 3, 4, 5, 6, 0}, every.Weekdays)
}

// withParts publishes a train with calls, coaches and fares in place of those of publishTrain.
func withParts(calls, coaches, fares string) string {
	return fmt.Sprintf(`mutation { publishTrain(input: {
		number: "T12", from: "2019-10-12", through: "2019-10-13", calls: [%s], coaches: [%s], fares: {%s}
	}) { created`, calls, coaches, fares) + errorsAsked
}

const (
	noCalls, noCoaches, inYuan = ``, ``, `currencyCode: "CNY"`

	twoCalls = `{station: "SHH", departure: "08:00"}, {station: "BJP", arrival: "28:30:15"}`
)

func TestPublishTrain_Parts(t *testing.T) {
	parts := func(calls, coaches, fares string) publish.TrainRequest {
		t.Helper()
		w := newWorld()
		data, errs := w.ask(t, admin, withParts(calls, coaches, fares), nil)
		require.Empty(t, errs)
		require.Contains(t, data, `"userErrors":[]`)
		request, ok := w.calls[0].args[0].(publish.TrainRequest)
		require.True(t, ok)
		return request
	}
	// The origin's arrival and the terminus's departure are not read.
	require.Equal(t, []rail.Call{
		{Station: "SHH", ArrivalSeconds: 28_800, DepartureSeconds: 28_800, Metres: 0, NoAlighting: true},
		{Station: "NJH", ArrivalSeconds: 36_000, DepartureSeconds: 36_300, Metres: 301_235, NoBoarding: true},
		{Station: "BJP", ArrivalSeconds: 102_615, DepartureSeconds: 102_615, Metres: rail.NoDistance},
	}, parts(`
		{station: "SHH", arrival: "07:00", departure: "08:00", distanceKm: 0, alighting: false},
		{station: "NJH", arrival: "10:00", departure: "10:05", distanceKm: 301.2345, boarding: false},
		{station: "BJP", arrival: "28:30:15", departure: "29:00"}
	`, noCoaches, inYuan).Calls)

	require.Equal(t, []rail.Coach{
		{Number: "1", SeatClass: rail.Second, Seats: []rail.Seat{
			{Label: "2A", Position: rail.Window},
			{Label: "2B", Position: rail.Aisle},
			{Label: "2C", Position: rail.Window},
			{Label: "3B", Position: rail.Aisle},
			{Label: "3C", Position: rail.Window},
		}},
		{Number: "2", SeatClass: rail.SoftSleeper, Seats: []rail.Seat{
			{Label: "1L", Position: rail.LowerBerth}, {Label: "1U", Position: rail.UpperBerth},
		}},
		{Number: "3", SeatClass: rail.First, Seats: []rail.Seat{{Label: "X", Position: rail.Aisle}, {Label: "Y"}}},
	}, parts(noCalls, `
		{number: "1", seatClass: SECOND, layout: {rows: {letters: "AB C", first: 2, last: 3, without: ["3A"]}}},
		{number: "2", seatClass: SOFT_SLEEPER, layout: {berths: {tiers: [LOWER_BERTH, UPPER_BERTH], last: 1}}},
		{number: "3", seatClass: FIRST, layout: {seats: [{label: "X", position: AISLE}, {label: "Y"}]}}
	`, inYuan).Coaches)

	require.Equal(t, rail.Fares{
		Currency: "CNY", RoundToMinor: 50,
		PerKm: []rail.KmRate{
			{SeatClass: rail.Second, MicrosPerKm: 46_330_000, MinimumMinor: 250},
			{SeatClass: rail.First, MicrosPerKm: 74_000_000, Free: true},
		},
		Flat: []rail.FlatFare{{SeatClass: rail.HardSeat, Minor: 250}, {SeatClass: rail.Standing, Free: true}},
		Pairs: []rail.PairFare{
			{SeatClass: rail.Second, From: "SHH", To: "BJP", Minor: 55_300},
			{SeatClass: rail.First, From: "SHH", To: "BJP", Free: true},
		},
	}, parts(noCalls, noCoaches, `
		currencyCode: "CNY", roundTo: "0.50",
		perKm: [{seatClass: SECOND, amount: "0.4633", minimum: "2.50"}, {seatClass: FIRST, amount: "0.74", free: true}],
		flat: [{seatClass: HARD_SEAT, amount: "2.50"}, {seatClass: STANDING, amount: "0", free: true}],
		pairs: [{seatClass: SECOND, from: "SHH", to: "BJP", amount: "553.00"},
			{seatClass: FIRST, from: "SHH", to: "BJP", amount: "0.00", free: true}]
	`).Fares)
}

// What cannot be read is told with its path, all of it at once, and the publisher is not asked.
func TestPublishTrain_WhatCannotBeRead(t *testing.T) {
	many := func(one string, n int) string { return strings.Repeat(one+",", n) }
	for name, c := range map[string]struct {
		query string
		paths []string
	}{
		"times": {
			withParts(`
				{station: "A", departure: "8"}, {station: "B", arrival: "25:61", departure: "x"},
				{station: "C", arrival: "-1:00"}
			`, noCoaches, inYuan),
			[]string{"calls.0.departure", "calls.1.arrival", "calls.1.departure", "calls.2.arrival"},
		},
		"times that are needed": {
			withParts(`{station: "A"}, {station: "B"}, {station: "C"}`, noCoaches, inYuan),
			[]string{"calls.0.departure", "calls.1.arrival", "calls.1.departure", "calls.2.arrival"},
		},
		"distances": {
			withParts(`
				{station: "A", departure: "08:00", distanceKm: -0.1},
				{station: "B", arrival: "09:00", distanceKm: 2147484}
			`, noCoaches, inYuan),
			[]string{"calls.0.distanceKm", "calls.1.distanceKm"},
		},
		"too many calls": {withParts(many(`{station: "A"}`, rail.MaxCalls+1), noCoaches, inYuan), []string{"calls"}},
		"layouts": {
			withParts(twoCalls, `
				{number: "1", seatClass: FIRST, layout: {rows: {letters: "", last: 1}}},
				{number: "2", seatClass: FIRST, layout: {berths: {tiers: [WINDOW], last: 1}}},
				{number: "3", seatClass: FIRST, layout: {seats: []}}
			`, inYuan),
			[]string{"coaches.0.layout", "coaches.1.layout"},
		},
		"too many coaches": {
			withParts(twoCalls, many(`{number: "1", seatClass: FIRST, layout: {seats: []}}`, rail.MaxCoaches+1),
				inYuan),
			[]string{"coaches"},
		},
		"a currency, and then no fares": {
			withParts(twoCalls, noCoaches, `currencyCode: "yuan", roundTo: "x"`), []string{"fares.currencyCode"},
		},
		"fares": {
			withParts(twoCalls, noCoaches, inYuan+`, roundTo: "x",
				perKm: [{seatClass: FIRST, amount: "1"}, {seatClass: SECOND, amount: "x", minimum: "y"}],
				flat: [{seatClass: FIRST, amount: "1"}, {seatClass: SECOND, amount: "1,50"}],
				pairs: [{seatClass: FIRST, from: "A", to: "B", amount: "1.234"}]`),
			[]string{
				"fares.roundTo", "fares.perKm.1.amount", "fares.perKm.1.minimum", "fares.flat.1.amount",
				"fares.pairs.0.amount",
			},
		},
		"all at once": {
			withParts(`{station: "A"}, {station: "B", arrival: "09:00"}`,
				`{number: "1", seatClass: FIRST, layout: {rows: {letters: "", last: 1}}}`, `currencyCode: "x"`),
			[]string{"calls.0.departure", "coaches.0.layout", "fares.currencyCode"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			data, errs := w.ask(t, admin, c.query, nil)
			require.Empty(t, errs)
			require.Empty(t, w.calls)
			type refusal struct {
				Code, Message string
				Path          []string
			}
			payload := decode[map[string]struct{ UserErrors []refusal }](t, data)["publishTrain"]
			var paths []string
			for _, e := range payload.UserErrors {
				require.Equal(t, "INVALID", e.Code)
				require.NotEmpty(t, e.Message)
				require.NotContains(t, e.Message, "INVALID", "a message does not repeat its code")
				paths = append(paths, strings.TrimPrefix(strings.Join(e.Path, "."), "input."))
			}
			require.Equal(t, c.paths, paths)
		})
	}
}

func TestPublishTrain_WhatIsAnswered(t *testing.T) {
	result := func(w *world) {
		w.trained = publish.TrainResult{
			Train: w.train, Runs: []*rail.Run{w.runs["T12@2019-10-12"], w.runs["T12@2019-10-13"]}, Created: 1,
			Changed: 2, Unchanged: 3,
		}
	}
	answer := func(runs string) string {
		return fmt.Sprintf(`{"publishTrain": {"train": {"number": "T12"}, "runs": %s,
			"created": 1, "changed": 2, "unchanged": 3, "userErrors": []}}`, runs)
	}
	run(t, []fieldCase{
		{
			name: "published", viewer: admin, prepare: result, query: publishTrain(``),
			data: answer(`[{"date": "2019-10-12"}, {"date": "2019-10-13"}]`),
		},
		{
			name: "only validated", viewer: admin, prepare: result, query: publishTrain(`validateOnly: true`),
			data: answer(`null`),
		},
	})
}
