package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/audit"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// history is a ledger in which everything has happened that can: orders were placed, paid, cancelled, expired and
// refused, runs suspended, resumed, withdrawn and published anew, versions raised. Some changes of seats are not in the
// maps yet, and a hold fell due a minute ago.
type history struct {
	t        *testing.T
	r        *running
	options  sqlledger.Options
	db       *sql.DB
	replacer *strings.Replacer
	// rows are the names of rows of the outbox, each with its id.
	rows []string
	// idle is what verify is told.
	idle bool
	// payments is the database of payments, where the history has one, and names are names in braces of its rows.
	payments audit.Payments
	names    []string
}

func makeHistory(t *testing.T, settings *Settings) *history {
	r := start(t, settings)
	h := &history{t: t, r: r, options: sealingOptions(t, settings), db: ledgertest.DB(t, ledgerOptions(settings))}
	ids := map[string]string{"A": r.publishT12(t)}
	for name, number := range map[string]string{"B": "T14", "C": "T16", "D": "T18", "E": "T20"} {
		ids[name] = h.publish(map[string]any{"number": number})
	}
	orders, tickets := map[string]string{}, map[string]string{}
	buy := func(who, run, to string, documents ...string) string {
		t.Helper()
		input := change(orderInput(ids[run], "key-of-"+who, ""), map[string]any{"to": to})
		var passengers []any
		for _, document := range documents {
			passengers = append(passengers, map[string]any{
				"name": "A Passenger", "documentNumber": document, "seatClass": "HARD_SLEEPER",
			})
		}
		input["passengers"] = passengers
		a := r.ask(t, r.token(t, who, rail.RolePassenger), placeOrderMutation, map[string]any{"i": input})
		if a.at(t, "placeOrder.order.id") == nil {
			return a.at(t, "placeOrder.userErrors.0.code").(string)
		}
		orders[who] = a.at(t, "placeOrder.order.id").(string)
		tickets[who] = a.at(t, "placeOrder.order.tickets.0.id").(string)
		return ""
	}
	do := func(who, mutation string, input map[string]any) {
		t.Helper()
		input["orderId"] = orders[who]
		a := r.ask(t, r.token(t, who, rail.RolePassenger), mutation, map[string]any{"i": input})
		require.NotContains(t, string(a.Data), `"code"`)
		require.Empty(t, a.Errors)
	}
	decide := func(mutation, run string) {
		t.Helper()
		a := r.ask(t, r.admin, `mutation($r:ID!){m:`+mutation+`{userErrors{code}}}`, map[string]any{"r": ids[run]})
		require.Equal(t, `{"m":{"userErrors":[]}}`, string(a.Data))
	}

	require.Empty(t, buy("dan", "A", "SHH", "D0000001"))
	ledgertest.Age(t, h.options, h.value("SELECT id FROM orders WHERE buyer = 'dan'"))
	require.Eventually(t, func() bool { return h.value("SELECT state FROM orders WHERE buyer = 'dan'") == "EXPIRED" },
		healsIn, 20*time.Millisecond)
	require.Empty(t, buy("iva", "C", "SHH", "D0000002"))
	require.Empty(t, buy("cid", "A", "SHH", "D0000003"))
	require.Empty(t, buy("ann", "A", "SHH", "D0000004"))
	do("cid", cancelOrderMutation, map[string]any{"reason": "rain"})
	require.Equal(t, "ALREADY_TRAVELLING", buy("fay", "A", "SHH", "D0000004"))
	require.Empty(t, buy("eve", "A", "TJP", "D0000005"))
	a := r.ask(t, r.admin, `mutation($i:CorrectPassengerNameInput!){correctPassengerName(input:$i){userErrors{code}}}`,
		map[string]any{"i": map[string]any{"ticketId": tickets["ann"], "name": "B Passenger", "reason": "typing"}})
	require.Equal(t, `{"correctPassengerName":{"userErrors":[]}}`, string(a.Data))
	_, err := ledgertest.Open(t, h.options).JumpVersions(t.Context())
	require.NoError(t, err)
	require.Empty(t, buy("bob", "A", "SHH", "D0000006", "D0000007"))
	do("bob", payOrderMutation, map[string]any{"idempotencyKey": "pay-of-bob"})
	require.Empty(t, buy("gus", "B", "SHH", "D0000008"))
	require.Empty(t, buy("hal", "B", "SHH", "D0000009"))
	do("hal", payOrderMutation, map[string]any{"idempotencyKey": "pay-of-hal"})
	decide(`withdrawRun(input:{runId:$r,reason:"snow",cancelOrders:true})`, "B")
	decide(`suspendRun(input:{runId:$r,reason:"snow"})`, "C")
	decide(`suspendRun(input:{runId:$r,reason:"snow"})`, "E")
	decide(`resumeRun(input:{runId:$r,reason:"sun"})`, "E")
	require.Empty(t, buy("jon", "D", "SHH", "D0000010"))
	do("jon", cancelOrderMutation, map[string]any{})
	fares := change(trainInput()["fares"].(map[string]any), map[string]any{"roundTo": "1.00"})
	require.Equal(t, ids["D"], h.publish(map[string]any{"number": "T18", "fares": fares}))
	require.Empty(t, buy("kim", "D", "SHH", "D0000010"))
	for i, who := range []string{"mia", "ned", "ola"} {
		require.Empty(t, buy(who, "D", "SHH", fmt.Sprint("D000002", i)))
	}
	h.decide("mia", ledger.PaymentAuthorised)
	h.decide("ned", ledger.PaymentAuthorised, ledger.PaymentCaptured)
	h.decide("ola", ledger.PaymentAuthorised, ledger.PaymentFailed)
	require.Eventually(t, func() bool { return h.value("SELECT state FROM orders WHERE buyer = 'ola'") == "CANCELLED" },
		healsIn, 20*time.Millisecond)
	h.givenBack(t, buy, do, orders, tickets, ids)
	h.used(t, buy, do, ids)
	a = r.ask(t, r.admin, publishStationMutation, map[string]any{"i": map[string]any{
		"code": "TJP", "name": "天津站", "timeZone": "Asia/Shanghai",
	}})
	require.Empty(t, a.at(t, "publishStation.userErrors"), "%s", a.Data)
	r.stop()

	h.forgotten()
	h.dropped()
	h.waiting()
	now := time.Now().UnixMilli()
	h.exec("UPDATE orders SET placed_at = ? - 960000, pay_by = ? - 60000 WHERE buyer = 'iva'", now, now)
	h.exec("UPDATE orders SET capture_by = ? + 3600000 WHERE buyer = 'mia'", now)
	h.exec("INSERT INTO cluster (id, epoch, primary_member, opened_at) VALUES (1, 3, 'db1:3306', ?)", now)
	for member, state := range map[string]string{"db1:3306": "COUNTS", "db2:3306": "COUNTS", "db3:3306": "EXCLUDED"} {
		h.exec("INSERT INTO cluster_members (member, state, server_uuid, since, by_whom, reason) VALUES (?, ?, ?, "+
			"?, 'failover', '')", member, state, "u"+member[2:3], now)
	}
	h.name(now)
	return h
}

// decide has the ledger decide what a payment of an order has done.
func (h *history) decide(who string, kinds ...ledger.PaymentStepKind) {
	l := ledgertest.Open(h.t, h.options)
	id := h.value("SELECT id FROM orders WHERE buyer = ?", who)
	run, _ := rail.RunOfOrder(id)
	for _, kind := range kinds {
		_, err := l.DecidePayments(h.t.Context(), run,
			[]ledger.PaymentStep{{OrderID: id, PaymentID: "payment0of0" + who, Buyer: who, Kind: kind}})
		require.NoError(h.t, err)
	}
}

// sealingOptions are the options of a ledger with its keys.
func sealingOptions(t *testing.T, settings *Settings) sqlledger.Options {
	t.Helper()
	o := ledgerOptions(settings)
	require.NoError(t, addKeys(&o, settings))
	return o
}

// forgotten is a run of years ago on which an order was cancelled, and its passengers forgotten.
func (h *history) forgotten() {
	t := h.t
	train := ledgertest.NewTrain("K1")
	past := ledgertest.NewRun(train, rail.NewDate(2019, 10, 12))
	l := ledgertest.Open(t, h.options)
	_, err := l.Publish(t.Context(), []*rail.Run{past}, "boss", false)
	require.NoError(t, err)
	ledgertest.PutStations(t, l, train)
	at, price := past.Departure(0).UnixMilli()-86_400_000, int64(13_800)
	h.exec("INSERT INTO orders (run_id, id, number, buyer, idempotency_key, body_hash, version, state, "+
		"state_reason, train_id, from_call, to_call, "+
		"total_minor, currency, placed_at, pay_by, ended_at, pay_attempts, placed_run_version, ended_run_version) "+
		"VALUES (?, ?, 'L', 'lou', 'key-of-lou', 'x', 2, 'CANCELLED', 'rain', ?, 0, 3, ?, 'CNY', ?, ?, ?, 0, 2, 3)",
		string(past.ID), rail.NewOrderID(past.ID, 2, "lou"), train.ID, price, at, at+900_000, at+60_000)
	h.exec("INSERT INTO tickets (run_id, order_id, n, seat_class, seat_index, coach, seat, price_minor, currency, "+
		"document) "+
		"VALUES (?, ?, 0, 'SECOND', 0, '1', '1A', ?, 'CNY', 'x')",
		string(past.ID), rail.NewOrderID(past.ID, 2, "lou"), price)
	h.exec("UPDATE runs SET version = 3 WHERE id = ?", string(past.ID))
	for _, want := range [][2]int{{1, 0}, {0, 1}} {
		orders, runs, err := l.ForgetOver(t.Context(), 24*time.Hour)
		require.NoError(t, err)
		require.Equal(t, want, [2]int{orders, runs})
	}
}

// dropped are two runs of a feed, and a station. Its next edition had one of the runs.
func (h *history) dropped() {
	t := h.t
	feed, date := ledger.Feed{Name: "East Railway", Selection: "trains"}, mustDate(t, day())
	l := ledgertest.Open(t, h.options)
	runs := []*rail.Run{
		ledgertest.NewRun(ledgertest.NewTrain("E1"), date), ledgertest.NewRun(ledgertest.NewTrain("E2"), date),
	}
	_, err := l.PublishFeed(t.Context(), feed, runs, "import", false)
	require.NoError(t, err)
	listed, err := l.FeedRuns(t.Context(), ledger.FeedPage{Feed: feed.Name, Date: date, After: runs[0].ID, Limit: 9})
	require.NoError(t, err)
	dropped, _, err := l.Drop(t.Context(), listed, "not in the feed", "import", false)
	require.NoError(t, err)
	require.Equal(t, ledger.DropWithdrawn, dropped[0].Outcome)
	station := &rail.Station{Code: "EAST1", Name: "East", TimeZone: "Asia/Shanghai"}
	_, err = l.PutFeedStations(t.Context(), feed.Name, []*rail.Station{station}, nil, "import")
	require.NoError(t, err)
}

// waiting has rows wait in the outbox as they were written, where a relay has removed them: kim's order was placed,
// bob's paid, jon's cancelled, a ticket of pia's given back, and C suspended.
func (h *history) waiting() {
	id := func(who string) string { return h.value("SELECT id FROM orders WHERE buyer = ?", who) }
	run := func(number string) rail.RunID { return rail.NewRunID(number, mustDate(h.t, day())) }
	version := func(query, of string) string {
		n, err := strconv.ParseInt(h.value(query, of), 10, 64)
		require.NoError(h.t, err)
		return strings.TrimPrefix(rail.OrderIDsFrom("", n), "/")
	}
	event := func(letter, version byte, tail string) string {
		return string([]byte{letter, version, byte(len(tail))}) + tail
	}
	kim, bob, jon := id("kim"), id("bob"), id("jon")
	placed := version("SELECT placed_run_version FROM orders WHERE buyer = ?", "kim")
	ended := version("SELECT ended_run_version FROM orders WHERE buyer = ?", "jon")
	suspended := version("SELECT version FROM runs WHERE id = ?", string(run("T16")))
	d, c, giving := string(run("T18"))+"/", string(run("T16"))+"/", string(run("T22"))+"/"
	pia := id("pia")
	refunded := version("SELECT t.ended_run_version FROM tickets t JOIN orders o ON o.id = t.order_id WHERE "+
		"o.buyer = ? AND t.own_state = 'REFUNDED'", "pia")
	for row, events := range map[string]string{
		d + placed:          event('o', 1, strings.TrimPrefix(kim, d+placed)),
		bob + ".0000000002": event('p', 2, bob[strings.LastIndexByte(bob, '/')+1:]),
		d + ended:           event('c', 2, strings.TrimPrefix(jon, d)),
		c + suspended:       event('s', 0, ""),
		giving + refunded:   event('f', 3, strings.TrimPrefix(pia, giving)),
	} {
		h.exec("REPLACE INTO outbox (id, at, events, taken, stream_millis, stream_seq) VALUES (?, ?, ?, 1, 7, 1)",
			row, time.Now().UnixMilli(), []byte(events))
	}
	h.rows = []string{
		"{row of kim}", d + placed, "{row of bob}", bob + ".0000000002", "{row of jon}", d + ended,
		"{row of C}", c + suspended, "{row of pia}", giving + refunded,
	}
}

// publish publishes T12 with some changes.
func (h *history) publish(changes map[string]any) (run string) {
	a := h.r.ask(h.t, h.r.admin, publishTrainMutation, map[string]any{"i": change(trainInput(), changes)})
	require.Empty(h.t, a.at(h.t, "publishTrain.userErrors"), "%s", a.Data)
	return a.at(h.t, "publishTrain.runs.0.id").(string)
}

// name makes the replacer of the names in braces.
func (h *history) name(now int64) {
	names := append([]string{"{now}", fmt.Sprint(now)}, h.rows...)
	for name, number := range map[string]string{
		"A": "T12", "B": "T14", "C": "T16", "D": "T18", "E": "T20", "F": "E1", "G": "E2", "H": "T22",
		"I": "T24",
	} {
		id := string(rail.NewRunID(number, mustDate(h.t, day())))
		names = append(names, "{"+name+"}", "'"+id+"'", "{"+strings.ToLower(name)+"}", id)
	}
	for _, who := range []string{
		"ann", "bob", "cid", "dan", "gus", "hal", "iva", "jon", "kim", "lou", "mia", "ned",
		"ola", "pia", "rae",
	} {
		names = append(names, "{"+who+"}", "'"+h.value("SELECT id FROM orders WHERE buyer = ?", who)+"'")
	}
	names = append(names,
		"{quy}", "'"+h.value("SELECT id FROM orders WHERE buyer = 'quy' AND replaces_order IS NULL")+"'",
		"{new}", "'"+h.value("SELECT id FROM orders WHERE buyer = 'quy' AND replaces_order IS NOT NULL")+"'")
	seat := "SELECT %s FROM tickets t JOIN orders o ON o.id = t.order_id WHERE o.buyer = 'ann'"
	broken := rail.NewTrain("T0", "", "UTC", []rail.Call{{Station: "BJP", Metres: 9}, {Station: "SHH", Metres: 1}},
		rail.NewFormation([]rail.Coach{{Number: "1", SeatClass: rail.HardSleeper, Seats: []rail.Seat{{Label: "1"}}}}),
		&rail.Fares{
			Currency: "CNY", PerKm: []rail.KmRate{{SeatClass: rail.HardSleeper, MicrosPerKm: 1e12}},
		})
	document, err := broken.Document()
	require.NoError(h.t, err)
	formation := h.value("SELECT formation_id FROM trains JOIN runs r ON r.train_id = trains.id WHERE " +
		"r.train_number = 'T12'")
	h.replacer = strings.NewReplacer(append(names,
		"{seat of ann}", h.value(fmt.Sprintf(seat, "t.seat_index")), "{label of ann}", "'"+h.value(fmt.Sprintf(seat,
			"t.seat"))+"'",
		"{document of ann}", "'"+h.value(fmt.Sprintf(seat, "t.document"))+"'",
		"{train of A}", h.value("SELECT train_id FROM runs WHERE train_number = 'T12'"), "{formation of A}", formation,
		"{published}", h.value("SELECT publication FROM runs WHERE train_number = 'T12'"),
		"{changed}", h.value("SELECT publication FROM runs WHERE train_number = 'T18'"),
		"{empty formation}", rail.NewFormation([]rail.Coach{}).ID, "{broken id}", broken.ID,
		"{broken train}", fmt.Sprintf("'%s', '%s', '%s'", broken.ID, formation, document),
	)...)
}

// value is the one value that a query returns.
func (h *history) value(query string, args ...any) (value string) {
	h.t.Helper()
	require.NoError(h.t, h.db.QueryRowContext(h.t.Context(), query, args...).Scan(&value), query)
	return value
}

func (h *history) exec(statement string, args ...any) {
	h.t.Helper()
	result, err := h.db.ExecContext(h.t.Context(), statement, args...)
	require.NoError(h.t, err, statement)
	n, err := result.RowsAffected()
	require.NoError(h.t, err)
	require.NotZero(h.t, n, "nothing was planted: %s", statement)
}

// verify verifies the ledger as if servers ran, unless it is idle.
func (h *history) verify() *audit.Report {
	h.t.Helper()
	l, err := sqlledger.Open(h.t.Context(), h.options)
	require.NoError(h.t, err)
	report, err := (&audit.Auditor{
		Ledger: l, Payments: h.payments, Idle: h.idle, Log: slog.New(slog.DiscardHandler),
	}).Verify(h.t.Context())
	require.NoError(h.t, err)
	require.NoError(h.t, l.Close())
	return report
}

// historyTables are all tables of the ledger.
var historyTables = []string{
	"runs", "seat_maps", "seat_changes", "orders", "tickets", "asked_documents", "trains", "formations",
	"stations", "publications", "counters", "refunds", "changes",
	"cluster", "cluster_members", "personal_keys", "order_records", "outbox", "event_groups",
}

// columns are those of a table that are written.
func (h *history) columns(table string) []string {
	rows, err := h.db.QueryContext(h.t.Context(), "SELECT * FROM "+table+" WHERE 1 = 0")
	require.NoError(h.t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(h.t, err)
	require.NoError(h.t, rows.Err())
	return slices.DeleteFunc(columns, func(column string) bool { return table == "orders" && column == "due" })
}

// keep copies every row of some tables; restore puts all of them back.
func (h *history) keep(names []string) (restore func()) {
	type table struct {
		name    string
		columns []string
		rows    [][]any
	}
	var tables []table
	for _, name := range names {
		kept := table{name: name, columns: h.columns(name)}
		rows, err := h.db.QueryContext(h.t.Context(), "SELECT "+strings.Join(kept.columns, ", ")+" FROM "+name)
		require.NoError(h.t, err)
		for rows.Next() {
			row := make([]any, len(kept.columns))
			into := make([]any, len(row))
			for i := range row {
				into[i] = &row[i]
			}
			require.NoError(h.t, rows.Scan(into...))
			kept.rows = append(kept.rows, row)
		}
		require.NoError(h.t, rows.Err())
		require.NoError(h.t, rows.Close())
		tables = append(tables, kept)
	}
	return func() {
		tx, err := h.db.BeginTx(context.Background(), nil)
		require.NoError(h.t, err)
		for _, kept := range tables {
			_, err := tx.ExecContext(context.Background(), "DELETE FROM "+kept.name)
			require.NoError(h.t, err)
			marks := "(?" + strings.Repeat(", ?", len(kept.columns)-1) + ")"
			for _, row := range kept.rows {
				_, err := tx.ExecContext(context.Background(),
					"INSERT INTO "+kept.name+" ("+strings.Join(kept.columns, ", ")+") VALUES "+marks, row...)
				require.NoError(h.t, err)
			}
		}
		require.NoError(h.t, tx.Commit())
	}
}
