package resolvers_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"interlock/resolvers"
	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/search"
)

var (
	stationID = resolvers.EncodeID("Station", "SHH")
	runID     = resolvers.EncodeID("Run", "T12@2019-10-12")
	orderID   = resolvers.EncodeID("Order", "first")
	ticketID  = resolvers.TicketID("first", 0)
	annID     = resolvers.ViewerID("another key", "ann")

	errLedger = &rail.Error{Code: rail.Unavailable, Message: "the ledger does not answer", RetryAfter: time.Second}
)

func TestNode(t *testing.T) {
	node := func(id string) string { return fmt.Sprintf(`{ node(id: %q) { __typename id } }`, id) }
	is := func(kind, id string) string { return fmt.Sprintf(`{"node": {"__typename": %q, "id": %q}}`, kind, id) }
	null, read := `{"node": null}`, []call{called("OrderBook.OrdersByID", []string{"first"})}
	run(t, []fieldCase{
		{name: "station", query: node(stationID), data: is("Station", stationID), calls: none},
		{name: "run", query: node(runID), data: is("Run", runID), calls: none},
		{name: "order", viewer: ann, query: node(orderID), data: is("Order", orderID), calls: read},
		{name: "ticket", viewer: ann, query: node(ticketID), data: is("Ticket", ticketID), calls: read},
		{name: "order, to an admin", viewer: admin, query: node(orderID), data: is("Order", orderID), calls: read},
		{name: "another's order", viewer: bob, query: node(orderID), data: null, calls: read},
		{name: "another's ticket", viewer: bob, query: node(ticketID), data: null, calls: read},
		{name: "the viewer", viewer: ann, query: node(annID), data: is("Viewer", annID), calls: none},
		{name: "another viewer", viewer: bob, query: node(annID), data: null, calls: none},
		{name: "a viewer, to an admin", viewer: admin, query: node(annID), data: null, calls: none},
		{name: "a viewer, without a token", query: node(annID), data: null, calls: none},
		{
			name: "no such viewer", viewer: ann, query: node(resolvers.EncodeID("Viewer", "ann")), data: null,
			calls: none,
		},
		{name: "order, without a token", query: node(orderID), data: null, calls: none},
		{name: "ticket, without a token", query: node(ticketID), data: null, calls: none},
		{name: "no such station", query: node(resolvers.EncodeID("Station", "X")), data: null},
		{name: "no such run", query: node(resolvers.EncodeID("Run", "X@2019-10-12")), data: null},
		{name: "no such order", viewer: ann, query: node(resolvers.EncodeID("Order", "x")), data: null},
		{name: "no such ticket", viewer: ann, query: node(resolvers.TicketID("first", 1)), data: null, calls: read},
		{
			name: "no ticket's name", viewer: ann, query: node(resolvers.EncodeID("Ticket", "first")), data: null,
			calls: none,
		},
		{name: "no such kind", viewer: ann, query: node(resolvers.EncodeID("Seat", "1A")), data: null, calls: none},
		{name: "no id", viewer: ann, query: node("T12@2019-10-12"), data: null, calls: none},
		{
			name: "station before the timetable is read", prepare: notReady, query: node(stationID), data: null,
			errs: []string{"node: UNAVAILABLE"},
		},
		{
			name: "run before the timetable is read", prepare: notReady, query: node(runID), data: null,
			errs: []string{"node: UNAVAILABLE"},
		},
		{
			name: "order before the timetable is read", viewer: ann, prepare: notReady, query: node(orderID),
			data: is("Order", orderID),
		},
		{
			name: "the ledger fails", viewer: ann, prepare: fails("OrderBook.OrdersByID", errLedger),
			query: node(orderID),
			data:  null, errs: []string{"node: UNAVAILABLE"},
		},
	})
}

func TestNodes(t *testing.T) {
	nodes := func(ids ...string) string {
		return fmt.Sprintf(`{ nodes(ids: ["%s"]) { id } }`, strings.Join(ids, `", "`))
	}
	run(t, []fieldCase{
		{
			name: "each in its place, and the ledger asked once", viewer: ann,
			query: nodes(ticketID, "no id", stationID, orderID, runID, resolvers.EncodeID("Order", "x")),
			data: fmt.Sprintf(`{"nodes": [{"id": %q}, null, {"id": %q}, {"id": %q}, {"id": %q}, null]}`,
				ticketID, stationID, orderID, runID),
			calls: []call{called("OrderBook.OrdersByID", []string{"first", "", "", "first", "", "x"})},
		},
		{name: "none", query: `{ nodes(ids: []) { id } }`, data: `{"nodes": []}`, calls: none},
		{
			name: "as many as may be", query: nodes(strings.Split(strings.Repeat("x ", 99)+"x", " ")...),
			data: `{"nodes": [` + strings.Repeat("null,", 99) + `null]}`,
		},
		{
			name: "too many", query: nodes(strings.Split(strings.Repeat("x ", 100)+"x", " ")...), data: `null`,
			errs: []string{"nodes: BAD_USER_INPUT at ids"}, calls: none,
		},
		{
			name: "one that cannot be read now leaves no answer", viewer: ann, prepare: notReady,
			query: nodes(orderID, runID),
			data:  `null`, errs: []string{"nodes: UNAVAILABLE"},
		},
	})
}

func TestViewer(t *testing.T) {
	const orders = `{ viewer { orders(first: 1) { nodes { number } } } }`
	run(t, []fieldCase{
		{name: "anonymous", query: `{ viewer { subject } }`, data: `{"viewer": null}`, calls: none},
		{
			name: "an admin", viewer: admin, query: `{ viewer { subject roles } }`,
			data: `{"viewer": {"subject": "root", "roles": ["ADMIN"]}}`, calls: none,
		},
		{
			name: "the same whatever the token's roles", query: `{ viewer { id } }`,
			viewer: &rail.Viewer{Subject: "ann", Roles: []rail.Role{rail.RoleAdmin}},
			data:   fmt.Sprintf(`{"viewer": {"id": %q}}`, annID), calls: none,
		},
		{
			name: "orders are the viewer's own", viewer: ann, query: orders,
			data:  `{"viewer": {"orders": {"nodes": [{"number": "NUMBER2"}]}}}`,
			calls: []call{called("OrderBook.Orders", ledger.OrderFilter{Buyer: "ann", Limit: 2})},
		},
		{
			name: "each state once", viewer: admin,
			query:   `{ viewer { orders(states: [PAID, ON_HOLD, PAID]) { nodes { id } } } }`,
			prepare: func(w *world) { w.listed = nil }, data: `{"viewer": {"orders": {"nodes": []}}}`,
			calls: []call{called("OrderBook.Orders", ledger.OrderFilter{
				Buyer: "root", States: []rail.OrderState{rail.OnHold, rail.Paid}, Limit: 21,
			})},
		},
		{
			name: "a failure takes the viewer along", viewer: ann, prepare: fails("OrderBook.Orders", errLedger),
			query: orders,
			data:  `{"viewer": null}`, errs: []string{"viewer.orders: UNAVAILABLE"},
		},
	})
}

func TestStations(t *testing.T) {
	run(t, []fieldCase{
		{
			name: "all", query: `{ stations { nodes { id code name timeZone latitude } edges { node { code } }
				pageInfo { hasNextPage hasPreviousPage } } }`,
			data: fmt.Sprintf(`{"stations": {
				"nodes": [
					{"id": %q, "code": "SHH", "name": "上海", "timeZone": "Asia/Shanghai", "latitude": null},
					{"id": %q, "code": "NJH", "name": "南京", "timeZone": "Asia/Shanghai", "latitude": null},
					{"id": %q, "code": "BJP", "name": "北京", "timeZone": "Asia/Shanghai", "latitude": null}
				],
				"edges": [{"node": {"code": "SHH"}}, {"node": {"code": "NJH"}}, {"node": {"code": "BJP"}}],
				"pageInfo": {"hasNextPage": false, "hasPreviousPage": false}
			}}`, stationID, resolvers.EncodeID("Station", "NJH"), resolvers.EncodeID("Station", "BJP")),
			calls: []call{called("Timetable.Stations", "", (*search.StationPlace)(nil), 20)},
		},
		{
			name: "in a language", query: `{ stations(matching: "sh", first: 1) { nodes {
				known: name(language: "zh-Latn") unknown: name(language: "fr") } } }`,
			data:  `{"stations": {"nodes": [{"known": "Shanghai", "unknown": "上海"}]}}`,
			calls: []call{called("Timetable.Stations", "sh", (*search.StationPlace)(nil), 1)},
		},
		{
			name: "before the timetable is read", prepare: notReady, query: `{ stations { nodes { code } } }`,
			data: `{"stations": null}`, errs: []string{"stations: UNAVAILABLE"}, calls: none,
		},
	})
}

func TestSearchTickets(t *testing.T) {
	const query = `{ searchTickets(from: ["SHH", "NJH"], to: ["BJP"], date: "2019-10-12", first: 3) { asOf nodes {
		run { id state } from { sequence departure arrival } to { station { code } arrival departure }
		durationMinutes version classes { seatClass remaining price { amount currencyCode } }
	} } }`
	asked := search.Query{
		From: []rail.StationCode{"SHH", "NJH"}, To: []rail.StationCode{"BJP"}, Date: october(12), Now: now, First: 3,
	}
	answer := func(version int, first, second string) string {
		return fmt.Sprintf(`{"searchTickets": {"asOf": "2019-10-11T12:00:00Z", "nodes": [{
			"run": {"id": %q, "state": "ON_SALE"},
			"from": {"sequence": 1, "departure": "2019-10-12T08:00:00+08:00", "arrival": null},
			"to": {"station": {"code": "BJP"}, "arrival": "2019-10-13T02:00:00+08:00", "departure": null},
			"durationMinutes": 1080, "version": %d,
			"classes": [
				{"seatClass": "FIRST", "remaining": %s, "price": {"amount": "933.00", "currencyCode": "CNY"}},
				{"seatClass": "SECOND", "remaining": %s, "price": {"amount": "553.00", "currencyCode": "CNY"}}
			]
		}]}}`, runID, version, first, second)
	}
	run(t, []fieldCase{
		{
			name: "found", prepare: func(w *world) { w.offers = []rail.Offer{w.offer("T12@2019-10-12")} },
			query: query, data: answer(7, "1", "2"), calls: []call{called("Finder.Find", asked)},
		},
		{
			name: "what is left is not known", query: query, data: answer(0, "null", "null"),
			prepare: func(w *world) { w.left = rail.Left{}; w.offers = []rail.Offer{w.offer("T12@2019-10-12")} },
		},
		{
			name: "nothing", query: query, data: `{"searchTickets": {"asOf": "2019-10-11T12:00:00Z", "nodes": []}}`,
			calls: []call{called("Finder.Find", asked)},
		},
		{
			name: "the search refuses", query: query, data: `{"searchTickets": null}`,
			prepare: fails("Finder.Find", rail.Refuse(rail.BadUserInput, "no such station").At("from", "1")),
			errs:    []string{"searchTickets: BAD_USER_INPUT at from.1"},
		},
	})
}

func TestRun(t *testing.T) {
	const of = `{ run(train: "T12", date: "2019-10-12") `
	asked := called("Timetable.RunOf", "T12", october(12))
	run(t, []fieldCase{
		{
			name: "what it is", query: of + `{ id train { number kind } date state stateReason saleOpensAt } }`,
			data: fmt.Sprintf(`{"run": {"id": %q, "train": {"number": "T12", "kind": "T"}, "date": "2019-10-12",
				"state": "ON_SALE", "stateReason": null, "saleOpensAt": "2019-09-12T08:00:00+08:00"}}`, runID),
			calls: []call{asked},
		},
		{
			name: "suspended", query: of + `{ state stateReason } }`,
			prepare: func(w *world) {
				w.runs["T12@2019-10-12"].Status, w.runs["T12@2019-10-12"].Reason = rail.Suspended, "snow"
			},
			data: `{"run": {"state": "SUSPENDED", "stateReason": "snow"}}`,
		},
		{
			name:  "calls",
			query: of + `{ calls { station { code } sequence arrival departure distanceKm saleClosesAt } } }`,
			data: `{"run": {"calls": [
				{"station": {"code": "SHH"}, "sequence": 1, "arrival": null, "departure": "2019-10-12T08:00:00+08:00",
					"distanceKm": 0, "saleClosesAt": "2019-10-12T07:55:00+08:00"},
				{"station": {"code": "NJH"}, "sequence": 2, "arrival": "2019-10-12T10:00:00+08:00",
					"departure": "2019-10-12T10:05:00+08:00", "distanceKm": 301.5,
					"saleClosesAt": "2019-10-12T10:00:00+08:00"},
				{"station": {"code": "BJP"}, "sequence": 3, "arrival": "2019-10-13T02:00:00+08:00", "departure": null,
					"distanceKm": null, "saleClosesAt": null}
			]}}`,
		},
		{
			name: "a call whose station is not there yet", query: of + `{ calls { station { code name timeZone } } } }`,
			prepare: func(w *world) { delete(w.stations, "NJH") },
			data: `{"run": {"calls": [
				{"station": {"code": "SHH", "name": "上海", "timeZone": "Asia/Shanghai"}},
				{"station": {"code": "NJH", "name": "NJH", "timeZone": "UTC"}},
				{"station": {"code": "BJP", "name": "北京", "timeZone": "Asia/Shanghai"}}
			]}}`,
		},
		{
			name: "coaches", query: of + `{ coaches { number seatClass seats { label position } } } }`,
			data: `{"run": {"coaches": [
				{"number": "1", "seatClass": "FIRST", "seats": [{"label": "1A", "position": "WINDOW"}]},
				{"number": "2", "seatClass": "SECOND",
					"seats": [{"label": "1A", "position": "AISLE"}, {"label": "1B", "position": null}]}
			]}}`,
		},
		{
			name: "no such run", query: `{ run(train: "T13", date: "2019-10-12") { id } }`, data: `{"run": null}`,
			calls: []call{called("Timetable.RunOf", "T13", october(12))},
		},
		{
			name: "before the timetable is read", prepare: notReady, query: of + `{ id } }`, data: `{"run": null}`,
			errs: []string{"run: UNAVAILABLE"}, calls: none,
		},
	})
}

func TestRun_Availability(t *testing.T) {
	of := func(arguments string) string {
		return `{ run(train: "T12", date: "2019-10-12") { availability` + arguments +
			` { from { sequence } to { sequence } version asOf classes { seatClass remaining } } } }`
	}
	answer := func(from, to, version int, classes string) string {
		return fmt.Sprintf(`{"run": {"availability": {"from": {"sequence": %d}, "to": {"sequence": %d}, "version": %d,
			"asOf": "2019-10-11T12:00:00Z", "classes": [%s]}}}`, from, to, version, classes)
	}
	asked := func(from, to int) []call {
		return []call{
			called("Timetable.RunOf", "T12", october(12)),
			called("Finder.Left", rail.RunID("T12@2019-10-12"), from, to),
		}
	}
	const first, second = `{"seatClass": "FIRST", "remaining": 1}`, `{"seatClass": "SECOND", "remaining": 2}`
	null := `{"run": {"availability": null}}`
	toAndFro := func(w *world) {
		calls := make([]rail.Call, 4)
		for i := range calls {
			hour := int32(8+i) * 3600
			calls[i] = rail.Call{
				Station: []rail.StationCode{"SHH", "NJH"}[i%2], ArrivalSeconds: hour, DepartureSeconds: hour,
			}
		}
		run := *w.runs["T12@2019-10-12"]
		run.Train = rail.NewTrain("T12", "", "Asia/Shanghai", calls, run.Train.Formation, run.Train.Fares)
		w.runs[run.ID] = &run
	}
	notAsked := asked(0, 0)[:1]
	run(t, []fieldCase{
		{name: "from end to end", query: of(""), data: answer(1, 3, 7, first+","+second), calls: asked(0, 2)},
		{
			name: "a class without a price is left out", query: of(`(to: "NJH")`), data: answer(1, 2, 7, second),
			calls: asked(0, 1),
		},
		{name: "to the terminus", query: of(`(from: "NJH")`), data: answer(2, 3, 7, ""), calls: asked(1, 2)},
		{
			name: "at its departure", query: of(`(to: "NJH", departure: "2019-10-12T00:00:00Z")`),
			data: answer(1, 2, 7, second), calls: asked(0, 1),
		},
		{name: "never then", query: of(`(departure: "2019-10-12T08:01:00+08:00")`), data: null, calls: notAsked},
		{
			name: "the last time", prepare: toAndFro, query: of(`(from: "SHH", to: "NJH")`),
			data: answer(3, 4, 7, second), calls: asked(2, 3),
		},
		{
			name: "the first time", prepare: toAndFro,
			query: of(`(from: "SHH", to: "NJH", departure: "2019-10-12T08:00:00+08:00")`),
			data:  answer(1, 2, 7, second), calls: asked(0, 1),
		},
		{
			name: "the way back", prepare: toAndFro,
			query: of(`(from: "NJH", to: "SHH", departure: "2019-10-12T08:00:00+08:00")`), data: null, calls: notAsked,
		},
		{name: "the wrong way", query: of(`(from: "BJP", to: "SHH")`), data: null, calls: notAsked},
		{name: "of another train's station", query: of(`(from: "X")`), data: null, calls: notAsked},
		{
			name: "not known", prepare: func(w *world) { w.left = rail.Left{} }, query: of(""),
			data: answer(1, 3, 0,
				`{"seatClass": "FIRST", "remaining": null}, {"seatClass": "SECOND", "remaining": null}`),
		},
		{
			// Its origin is its terminus, so that no passenger could ask for the pair by its stations.
			name: "from end to end of a circular train", query: of(""), data: answer(1, 3, 7, ""), calls: asked(0, 2),
			prepare: func(w *world) {
				calls := append([]rail.Call(nil), w.train.Calls...)
				calls[2].Station = "SHH"
				w.runs["T12@2019-10-12"].Train = rail.NewTrain("T12", "T", "Asia/Shanghai", calls, w.train.Formation,
					w.train.Fares)
			},
		},
	})
}

func TestOrder(t *testing.T) {
	byID := fmt.Sprintf(`{ order(id: %q) `, orderID)
	byNumber := `{ order(number: "NUMBER1") { id } }`
	is, null := fmt.Sprintf(`{"order": {"id": %q}}`, orderID), `{"order": null}`
	run(t, []fieldCase{
		{
			name: "by its id", viewer: ann, data: is, query: byID + `{ id } }`,
			calls: []call{called("OrderBook.Order", "first")},
		},
		{
			name: "by its number", viewer: ann, data: is, query: byNumber,
			calls: []call{called("OrderBook.OrderByNumber", "NUMBER1")},
		},
		{name: "to an admin", viewer: admin, data: is, query: byNumber},
		{name: "to another", viewer: bob, data: null, query: byNumber},
		{name: "no such order", viewer: ann, data: null, query: `{ order(number: "x") { id } }`},
		{
			name: "by the id of something else", viewer: ann, data: null,
			query: fmt.Sprintf(`{ order(id: %q) { id } }`, runID),
			calls: none,
		},
		{
			name: "without a token", data: null, query: byNumber, errs: []string{"order: UNAUTHENTICATED"}, calls: none,
		},
		{
			name: "by nothing", viewer: ann, data: null, query: `{ order { id } }`,
			errs: []string{"order: BAD_USER_INPUT at id"}, calls: none,
		},
		{
			name: "by both", viewer: ann, data: null,
			query: fmt.Sprintf(`{ order(id: %q, number: "NUMBER1") { id } }`, orderID),
			errs:  []string{"order: BAD_USER_INPUT at id"}, calls: none,
		},
		{
			name: "the ledger fails", viewer: ann, data: null, query: byNumber,
			prepare: fails("OrderBook.OrderByNumber", errLedger), errs: []string{"order: UNAVAILABLE"},
		},
		{
			name: "a hold", viewer: ann,
			query: byID + `{ number version state stateReason total { amount }
				placedAt payBy paidAt endedAt erasedAt } }`,
			data: `{"order": {"number": "NUMBER1", "version": 3, "state": "ON_HOLD", "stateReason": null,
				"total": {"amount": "553.00"}, "placedAt": "2019-10-11T11:00:00Z", "payBy": "2019-10-11T12:00:00Z",
				"paidAt": null, "endedAt": null, "erasedAt": null}}`,
		},
		{
			name: "an order that is being paid", viewer: ann,
			query: byID + `{ state payBy paidAt endedAt tickets { state } } }`,
			prepare: func(w *world) {
				o := w.listed[1]
				o.State, o.PayingAt, o.CaptureBy, o.PaymentID = rail.Paying, now, now.Add(time.Minute), "p1"
			},
			data: `{"order": {"state": "PAYING", "payBy": null, "paidAt": null, "endedAt": null,
				"tickets": [{"state": "HELD"}]}}`,
		},
		{
			name: "an order that was paid, cancelled and erased", viewer: ann,
			query: byID + `{ state stateReason payBy paidAt endedAt erasedAt tickets { state } } }`,
			prepare: func(w *world) {
				o := w.listed[1]
				o.State, o.StateReason = rail.Cancelled, "snow"
				o.PaidAt, o.EndedAt, o.ErasedAt = now, now.Add(time.Hour), now.Add(2*time.Hour)
			},
			data: `{"order": {"state": "CANCELLED", "stateReason": "snow", "payBy": null,
				"paidAt": "2019-10-11T12:00:00Z", "endedAt": "2019-10-11T13:00:00Z", "erasedAt": "2019-10-11T14:00:00Z",
				"tickets": [{"state": "CANCELLED"}]}}`,
		},
	})
}

func TestOrder_RunFromAndTo(t *testing.T) {
	query := fmt.Sprintf(
		`{ order(id: %q) { run { train { number } date state } from { sequence } to { station { code } } } }`, orderID)
	answer := func(number, state, to string) string {
		return fmt.Sprintf(`{"order": {"run": {"train": {"number": %q}, "date": "2019-10-12", "state": %q},
			"from": {"sequence": 1}, "to": {"station": {"code": %q}}}}`, number, state, to)
	}
	// otherwise publishes the run again with other calls than the order was placed by.
	otherwise := func(w *world) {
		calls := append([]rail.Call(nil), w.train.Calls...)
		calls[1], calls[2] = calls[2], calls[1]
		w.runs["T12@2019-10-12"].Train = rail.NewTrain("T12", "T", "Asia/Shanghai", calls, w.train.Formation,
			w.train.Fares)
	}
	run(t, []fieldCase{
		{
			name: "by the timetable", viewer: ann, query: query, data: answer("T12", "ON_SALE", "BJP"),
			calls: []call{called("OrderBook.Order", "first")},
		},
		{
			name: "calls are those it was placed by", viewer: ann, query: query, prepare: otherwise,
			data: answer("T12", "ON_SALE", "BJP"),
		},
		{
			name: "a run that the timetable does not have any more", viewer: ann, query: query,
			prepare: func(w *world) { delete(w.runs, "T12@2019-10-12") }, data: answer("T12", "WITHDRAWN", "BJP"),
		},
		{
			name: "before the timetable is read", viewer: ann, prepare: notReady,
			query: fmt.Sprintf(`{ order(id: %q) { id run { id } } }`, orderID), data: `{"order": null}`,
			errs: []string{"order.run: UNAVAILABLE"},
		},
		{
			name: "the train of the order cannot be read: run", viewer: ann,
			prepare: func(w *world) { otherwise(w); w.fail["OrderBook.Train"] = errLedger },
			query:   fmt.Sprintf(`{ order(id: %q) { id run { id } } }`, orderID), data: `{"order": null}`,
			errs: []string{"order.run: UNAVAILABLE"},
		},
		{
			name: "the train of the order cannot be read: from", viewer: ann,
			prepare: func(w *world) { otherwise(w); w.fail["OrderBook.Train"] = errLedger },
			query:   fmt.Sprintf(`{ order(id: %q) { id from { sequence } } }`, orderID), data: `{"order": null}`,
			errs: []string{"order.from: UNAVAILABLE"},
		},
		{
			name: "the train of the order cannot be read: to", viewer: ann,
			prepare: func(w *world) { otherwise(w); w.fail["OrderBook.Train"] = errLedger },
			query:   fmt.Sprintf(`{ order(id: %q) { id to { sequence } } }`, orderID), data: `{"order": null}`,
			errs: []string{"order.to: UNAVAILABLE"},
		},
	})
}

func TestOrder_Tickets(t *testing.T) {
	of := fmt.Sprintf(`{ order(id: %q) { tickets `, orderID)
	run(t, []fieldCase{
		{
			name: "what they are", viewer: ann,
			query: of + `{ id coach seat seatClass price { amount } state order { number }
				passenger { name documentNumberMasked } } } }`,
			data: fmt.Sprintf(`{"order": {"tickets": [{"id": %q, "coach": "2", "seat": "1A", "seatClass": "SECOND",
				"price": {"amount": "553.00"}, "state": "HELD", "order": {"number": "NUMBER1"},
				"passenger": {"name": "Ann", "documentNumberMasked": "AB****56"}}]}}`, ticketID),
		},
		{
			name: "a passenger that cannot be read takes the order along", viewer: ann,
			query:   of + `{ id passenger { name } } } }`,
			prepare: func(w *world) { w.listed[1].Tickets[0].Sealed = errors.New("no such key") },
			data:    `{"order": null}`, errs: []string{"order.tickets[0].passenger: INTERNAL"},
		},
		{
			name: "the seat is known all the same", viewer: ann, query: of + `{ seat } } }`,
			prepare: func(w *world) { w.listed[1].Tickets[0].Sealed = errors.New("no such key") },
			data:    `{"order": {"tickets": [{"seat": "1A"}]}}`,
		},
	})
}

func TestRuns(t *testing.T) {
	runs := func(filter string) string {
		return fmt.Sprintf(`{ runs(filter: {%s}, first: 2) { nodes { date } } }`, filter)
	}
	two := `{"runs": {"nodes": [{"date": "2019-10-12"}, {"date": "2019-10-13"}]}}`
	asked := func(filter search.RunFilter) []call {
		return []call{called("Timetable.Runs", filter, now, (*search.RunPlace)(nil), 2)}
	}
	run(t, []fieldCase{
		{name: "all", viewer: admin, query: runs(""), data: two, calls: asked(search.RunFilter{})},
		{
			name: "by all there is", viewer: admin, data: two,
			query: runs(`train: "T12", station: "NJH", from: "2019-10-12", through: "2019-10-20",
				states: [SUSPENDED, CLOSED, CLOSED]`),
			calls: asked(search.RunFilter{
				Train: "T12", Station: "NJH", From: october(12), Through: october(20),
				States: []rail.RunState{rail.RunClosed, rail.RunSuspended},
			}),
		},
		{
			name: "one day", viewer: admin, query: runs(`from: "2019-10-12"`), data: two,
			calls: asked(search.RunFilter{From: october(12), Through: october(12)}),
		},
		{
			name: "the first date there is", viewer: admin, query: runs(`from: "1970-01-01", through: "1970-01-05"`),
			data:  two,
			calls: asked(search.RunFilter{From: 1, Through: rail.NewDate(1970, 1, 5)}),
		},
		{
			name: "the wrong way round", viewer: admin, query: runs(`from: "2019-10-13", through: "2019-10-12"`),
			data: `{"runs": null}`, errs: []string{"runs: BAD_USER_INPUT at filter.through"}, calls: none,
		},
		{
			name: "before the timetable is read", viewer: admin, prepare: notReady, query: runs(""),
			data: `{"runs": null}`, errs: []string{"runs: UNAVAILABLE"}, calls: none,
		},
	})
}

func TestOrders(t *testing.T) {
	orders := func(filter string) string {
		return fmt.Sprintf(`{ orders(filter: {%s}) { nodes { number } } }`, filter)
	}
	both := `{"orders": {"nodes": [{"number": "NUMBER2"}, {"number": "NUMBER1"}]}}`
	run(t, []fieldCase{
		{
			name: "all", viewer: admin, query: orders(""), data: both,
			calls: []call{called("OrderBook.Orders", ledger.OrderFilter{Limit: 21})},
		},
		{
			name: "by all there is", viewer: admin, data: both,
			query: orders(fmt.Sprintf(`runId: %q, buyer: "ann", number: "N", states: [PAID, EXPIRED, PAID]`, runID)),
			calls: []call{called("OrderBook.Orders", ledger.OrderFilter{
				RunID: "T12@2019-10-12", Buyer: "ann", Number: "N", States: []rail.OrderState{rail.Expired, rail.Paid},
				Limit: 21,
			})},
		},
		{
			name: "by the id of something else", viewer: admin, query: orders(fmt.Sprintf(`runId: %q`, stationID)),
			data: `{"orders": null}`, errs: []string{"orders: BAD_USER_INPUT at filter.runId"}, calls: none,
		},
		{
			name: "the ledger fails", viewer: admin, query: orders(""), prepare: fails("OrderBook.Orders", errLedger),
			data: `{"orders": null}`, errs: []string{"orders: UNAVAILABLE"},
		},
	})
}
