package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/gateway"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
	"interlock/services/ticketcode"
	"interlock/services/watch"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// running is a whole server that a test talks to from outside.
type running struct {
	*Server
	url              string
	stop             func()
	admin, passenger string
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// embeddedSettings are those of `interlock serve` in a folder of the test's own.
func embeddedSettings(t testing.TB) *Settings {
	return &Settings{
		Listen: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "interlock-data"), Durability: sqlledger.Replicated,
		Quotas: []string{"off"}, // A few people here do as much as many.
		Hold:   15 * time.Minute, SaleClosesBefore: 5 * time.Minute, RolesClaim: "roles",
		MaxStreamsPerViewer: gateway.DefaultMaxStreamsPerViewer, MaxWatchedPerViewer: watch.DefaultMaxWatchedPerViewer,
		MaxStreamsPerAddress: gateway.DefaultMaxStreamsPerAddress,
		MaxWatchedPerAddress: watch.DefaultMaxWatchedPerAddress,
	}
}

// start runs a server until the test ends or stops it.
func start(t testing.TB, settings *Settings) *running {
	t.Helper()
	return startLogging(t, settings, discard())
}

// startLogging is start with a log.
func startLogging(t testing.TB, settings *Settings, log *slog.Logger) *running {
	t.Helper()
	server, err := Open(t.Context(), settings, log)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	stopped := false
	r := &running{Server: server, url: server.URL()}
	r.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(r.stop)
	limited, cancelWait := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancelWait()
	require.NoError(t, server.awaitReady(limited))
	r.admin = r.token(t, "boss", rail.RoleAdmin)
	r.passenger = r.token(t, "ann", rail.RolePassenger)
	return r
}

func (r *running) token(t testing.TB, subject string, roles ...rail.Role) string {
	t.Helper()
	token, err := r.tokens.Issue(subject, roles, time.Hour)
	require.NoError(t, err)
	return token
}

// answer is the response to a GraphQL request.
type answer struct {
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Extensions struct {
			Code         string
			RetryAfterMs int
		}
	}
}

// at reads a value below the data: "placeOrder.order.tickets.0.seat"; nil where there is none.
func (a *answer) at(t testing.TB, path string) any {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal(a.Data, &value), "%+v", a)
	for _, step := range strings.Split(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			i := int(step[0] - '0')
			if i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// ask sends a GraphQL request.
func (r *running) ask(t testing.TB, token, query string, variables map[string]any) *answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/graphql", bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var a answer
	require.NoError(t, json.Unmarshal(b, &a), "%s", b)
	return &a
}

const (
	publishStationMutation = `mutation($i:PublishStationInput!){publishStation(input:$i){station{id code}
		userErrors{code path message}}}`
	publishTrainMutation = `mutation($i:PublishTrainInput!){publishTrain(input:$i){created changed unchanged runs{id}
		userErrors{code path message}}}`
	placeOrderMutation = `mutation($i:PlaceOrderInput!){placeOrder(input:$i){order{id number state version payBy
		total{amount currencyCode} tickets{id coach seat state passenger{documentNumberMasked}}}
		userErrors{code path message}}}`
	payOrderMutation = `mutation($i:PayOrderInput!){payOrder(input:$i){order{state} payment{state}
		userErrors{code path message}}}`
	cancelOrderMutation = `mutation($i:CancelOrderInput!){cancelOrder(input:$i){order{state}
		userErrors{code path message}}}`
	searchQuery = `query($f:[StationCode!]!,$t:[StationCode!]!,
		$d:Date!){searchTickets(from:$f,to:$t,date:$d,first:100){nodes{run{id state train{number}} version
		classes{seatClass remaining price{amount}}}}}`
	watchSubscription = `subscription($r:[ID!]!){seatAvailability(runIds:$r){version run{state}
		classes{seatClass remaining}}}`
)

// day is a service date that is after today in every time zone. It stays the same for a test that runs past midnight.
var day = sync.OnceValue(func() string { return rail.DateIn(time.Now(), time.UTC).AddDays(3).String() })

// trainInput is T12, 北京 → 天津 → 上海, with a coach 3 of two seats, 23A and 23B, and a sleeper.
func trainInput() map[string]any {
	return map[string]any{
		"number": "T12", "kind": "T", "from": day(), "through": day(),
		"calls": []any{
			map[string]any{"station": "BJP", "departure": "09:00", "distanceKm": 0},
			map[string]any{"station": "TJP", "arrival": "09:40", "departure": "09:45", "distanceKm": 120.5},
			map[string]any{"station": "SHH", "arrival": "24:30", "distanceKm": 1325.0},
		},
		"coaches": []any{
			map[string]any{
				"number": "3", "seatClass": "HARD_SEAT", "layout": map[string]any{"rows": map[string]any{
					"letters": "A B", "first": 23, "last": 23,
				}},
			},
			map[string]any{
				"number": "4", "seatClass": "HARD_SLEEPER", "layout": map[string]any{"berths": map[string]any{
					"tiers": []any{"LOWER_BERTH", "MIDDLE_BERTH", "UPPER_BERTH"}, "last": 4,
				}},
			},
		},
		"fares": map[string]any{
			"currencyCode": "CNY", "roundTo": "0.50",
			"perKm": []any{
				map[string]any{"seatClass": "HARD_SEAT", "amount": "0.12"}, map[string]any{
					"seatClass": "HARD_SLEEPER", "amount": "0.25",
				},
			},
			"pairs": []any{map[string]any{"seatClass": "HARD_SEAT", "from": "BJP", "to": "SHH", "amount": "177.50"}},
		},
	}
}

// publishT12 puts T12 on sale in an empty ledger, and returns its run.
func (r *running) publishT12(t testing.TB) string {
	t.Helper()
	for code, name := range map[string]string{"BJP": "北京", "TJP": "天津", "SHH": "上海"} {
		a := r.ask(t, r.admin, publishStationMutation, map[string]any{"i": map[string]any{
			"code": code, "name": name, "timeZone": "Asia/Shanghai",
		}})
		require.Empty(t, a.at(t, "publishStation.userErrors"), "%s", a.Data)
	}
	a := r.ask(t, r.admin, publishTrainMutation, map[string]any{"i": trainInput()})
	require.Empty(t, a.at(t, "publishTrain.userErrors"), "%s", a.Data)
	require.EqualValues(t, 1, a.at(t, "publishTrain.created"))
	return a.at(t, "publishTrain.runs.0.id").(string)
}

func orderInput(run, key, document string) map[string]any {
	return map[string]any{
		"idempotencyKey": key, "runId": run, "from": "BJP", "to": "SHH",
		"passengers": []any{map[string]any{
			"name": "A Passenger", "documentNumber": document, "seatClass": "HARD_SEAT",
			"wish": map[string]any{"letter": "B"},
		}},
	}
}

// watch opens a subscription over a WebSocket, and passes its events on.
func (r *running) watch(t *testing.T, token, query string, variables map[string]any) func() map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	socket, _, err := websocket.Dial(ctx, strings.Replace(r.url, "http", "ws", 1)+"/graphql",
		&websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.CloseNow() })
	write := func(message any) { require.NoError(t, wsjson.Write(ctx, socket, message)) }
	next := func() map[string]any {
		for {
			var message map[string]any
			require.NoError(t, wsjson.Read(ctx, socket, &message))
			switch message["type"] {
			case "ping":
				write(map[string]any{"type": "pong"})
			case "connection_ack":
				return message
			default:
				return message
			}
		}
	}
	init := map[string]any{}
	if token != "" {
		init["authorization"] = "Bearer " + token
	}
	write(map[string]any{"type": "connection_init", "payload": init})
	require.Equal(t, "connection_ack", next()["type"])
	write(map[string]any{
		"type": "subscribe", "id": "1", "payload": map[string]any{"query": query, "variables": variables},
	})
	return next
}

// seats reads out of the next event how many hard seats are left, and at which version. On a busy machine the number
// may be unknown for a moment.
func seats(t *testing.T, next func() map[string]any) (remaining, version int) {
	t.Helper()
	for {
		message := next()
		require.Equal(t, "next", message["type"], "%v", message)
		b, err := json.Marshal(message["payload"])
		require.NoError(t, err)
		var a answer
		require.NoError(t, json.Unmarshal(b, &a))
		if left, known := a.at(t, "seatAvailability.classes.1.remaining").(float64); known {
			return int(left), int(a.at(t, "seatAvailability.version").(float64))
		}
	}
}

// fourWays goes all four ways through a server that has published nothing yet.
func fourWays(t *testing.T, r *running) {
	run := r.publishT12(t)
	a := r.ask(t, r.admin, publishTrainMutation, map[string]any{"i": trainInput()})
	require.EqualValues(t, 1, a.at(t, "publishTrain.unchanged"), "publishing the same again changes nothing")

	next := r.watch(t, "", watchSubscription, map[string]any{"r": []string{run}})
	left, version := seats(t, next)
	require.Equal(t, 2, left)

	found := func() *answer {
		return r.ask(t, "", searchQuery, map[string]any{"f": []string{"BJP", "TJP"}, "t": []string{"SHH"}, "d": day()})
	}
	require.Equal(t, run, found().at(t, "searchTickets.nodes.0.run.id"))

	first := r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	require.Equal(t, "23B", first.at(t, "placeOrder.order.tickets.0.seat"), "%s", first.Data)
	require.Equal(t, "3", first.at(t, "placeOrder.order.tickets.0.coach"))
	require.Equal(t, "177.50", first.at(t, "placeOrder.order.total.amount"))
	require.Equal(t, "D0****01", first.at(t, "placeOrder.order.tickets.0.passenger.documentNumberMasked"))
	for left != 1 {
		var v int
		left, v = seats(t, next)
		require.Greater(t, v, version, "versions only rise")
		version = v
	}
	replay := r.ask(t, r.passenger, placeOrderMutation,
		map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	order := first.at(t, "placeOrder.order.id")
	require.Equal(t, order, replay.at(t, "placeOrder.order.id"), "a retry gets the same order")

	bob := r.token(t, "bob", rail.RolePassenger)
	second := r.ask(t, bob, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000001", "D0000002")})
	require.Equal(t, "23A", second.at(t, "placeOrder.order.tickets.0.seat"), "%s", second.Data)
	third := r.ask(t, bob, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000003", "D0000003")})
	require.Equal(t, "SOLD_OUT", third.at(t, "placeOrder.userErrors.0.code"), "%s", third.Data)

	// Another buyer's order does not exist for bob.
	mine := `query($i:ID!){order(id:$i){state} node(id:$i){id}}`
	require.Nil(t, r.ask(t, bob, mine, map[string]any{"i": order}).at(t, "order"))
	require.Nil(t, r.ask(t, bob, mine, map[string]any{"i": order}).at(t, "node"))
	require.Equal(t, "ON_HOLD", r.ask(t, r.passenger, mine, map[string]any{"i": order}).at(t, "order.state"))
	require.Equal(t, "NOT_FOUND", r.ask(t, bob, payOrderMutation, map[string]any{"i": map[string]any{
		"orderId": order, "idempotencyKey": "pay-00000001",
	}}).at(t, "payOrder.userErrors.0.code"))

	changes := r.watch(t, r.passenger, `subscription($o:ID!){orderChanged(orderId:$o){state version}}`,
		map[string]any{"o": order})
	require.Equal(t, "next", changes()["type"])
	pay := map[string]any{"i": map[string]any{"orderId": order, "idempotencyKey": "pay-00000001"}}
	require.Equal(t, "PAID", r.ask(t, r.passenger, payOrderMutation, pay).at(t, "payOrder.order.state"))
	require.Equal(t, "SUCCEEDED", r.ask(t, r.passenger, payOrderMutation, pay).at(t, "payOrder.payment.state"),
		"paying again with the key is the same payment")
	b, err := json.Marshal(changes())
	require.NoError(t, err)
	require.Contains(t, string(b), `"PAID"`)

	cancel := map[string]any{"i": map[string]any{"orderId": second.at(t, "placeOrder.order.id")}}
	require.Equal(t, "CANCELLED", r.ask(t, bob, cancelOrderMutation, cancel).at(t, "cancelOrder.order.state"))
	again := r.ask(t, bob, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000004", "D0000002")})
	require.Equal(t, "ON_HOLD", again.at(t, "placeOrder.order.state"),
		"who cancelled may buy again, and so may everybody: %s", again.Data)

	orders := r.ask(t, bob, `{viewer{subject orders(first:1){nodes{state} pageInfo{hasNextPage endCursor}}}}`, nil)
	require.Equal(t, "ON_HOLD", orders.at(t, "viewer.orders.nodes.0.state"))
	more := r.ask(t, bob, `query($c:String){viewer{orders(first:1,after:$c){nodes{state} pageInfo{hasNextPage}}}}`,
		map[string]any{"c": orders.at(t, "viewer.orders.pageInfo.endCursor")})
	require.Equal(t, "CANCELLED", more.at(t, "viewer.orders.nodes.0.state"))
	require.Equal(t, false, more.at(t, "viewer.orders.pageInfo.hasNextPage"))

	suspend := r.ask(t, r.admin,
		`mutation($r:ID!){suspendRun(input:{runId:$r,reason:"snow"}){run{state stateReason} userErrors{code}}}`,
		map[string]any{"r": run})
	require.Equal(t, "SUSPENDED", suspend.at(t, "suspendRun.run.state"))
	refused := r.ask(t, bob, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000005", "D0000009")})
	require.Equal(t, "NOT_ON_SALE", refused.at(t, "placeOrder.userErrors.0.code"), "%s", refused.Data)
	held := r.ask(t, r.admin, `mutation($r:ID!){withdrawRun(input:{runId:$r,reason:"snow"}){userErrors{code}}}`,
		map[string]any{"r": run})
	require.Equal(t, "RUN_HAS_ORDERS", held.at(t, "withdrawRun.userErrors.0.code"))
	withdrawn := r.ask(t, r.admin,
		`mutation($r:ID!){withdrawRun(input:{runId:$r,reason:"snow",cancelOrders:true}){run{state}
			ordersToRepay{id stateReason} userErrors{code}}}`, map[string]any{"r": run})
	require.Equal(t, "WITHDRAWN", withdrawn.at(t, "withdrawRun.run.state"), "%s", withdrawn.Data)
	require.Equal(t, order, withdrawn.at(t, "withdrawRun.ordersToRepay.0.id"))
	republished := r.ask(t, r.admin, publishTrainMutation, map[string]any{"i": trainInput()})
	require.EqualValues(t, 1, republished.at(t, "publishTrain.changed"), "%s", republished.Data)
	_, later := func() (int, int) {
		a := r.ask(t, "", `query($r:ID!){node(id:$r){... on Run{availability{version classes{remaining}}}}}`,
			map[string]any{"r": run})
		require.EqualValues(t, 2, a.at(t, "node.availability.classes.1.remaining"))
		return 0, int(a.at(t, "node.availability.version").(float64))
	}()
	require.Greater(t, later, version, "a run that was withdrawn continues its version")
}

func TestServer_FourWaysEmbedded(t *testing.T) { fourWays(t, start(t, embeddedSettings(t))) }

// realSettings are those of a server on real MySQL (or MariaDB) and Redis.
func realSettings(t *testing.T, dsn string) *Settings {
	s := embeddedSettings(t)
	s.MySQL, s.Durability, s.Payments = []string{dsn}, sqlledger.Local, "sandbox"
	s.Redis = []string{serverstest.NewRedis(t).Addr()}
	for range 3 {
		s.LockRedis = append(s.LockRedis, serverstest.NewRedis(t).Addr())
	}
	s.DocumentKey, s.PersonalDataKeys = strings.Repeat("k", minDocumentKey), []string{ledgertest.OldKey}
	s.TicketKeysFile = filepath.Join(t.TempDir(), "ticket-keys")
	_, err := ticketcode.LoadOrMakeRing(s.TicketKeysFile)
	require.NoError(t, err)
	require.NoError(t, sqlledger.Migrate(t.Context(), ledgerOptions(s)))
	return s
}

// withDatabase is a DSN for a database that does not exist yet: migrate makes it as it has to be.
func withDatabase(dsn string) string {
	slash := strings.LastIndexByte(dsn, '/')
	return dsn[:slash+1] + "interlock_" + strings.TrimLeft(dsn[slash+1:], "/")
}

func TestServer_FourWaysOnMySQL(t *testing.T) {
	fourWays(t, start(t, realSettings(t, withDatabase(serverstest.MySQL(t)))))
}

func TestServer_FourWaysOnMariaDB(t *testing.T) {
	fourWays(t, start(t, realSettings(t, withDatabase(serverstest.MariaDB(t)))))
}
