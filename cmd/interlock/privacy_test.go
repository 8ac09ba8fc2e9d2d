package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// record is a log that a test can read.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// serving runs a server with a log, until the test ends.
func serving(t *testing.T, settings *Settings) (*running, *record) {
	t.Helper()
	log := &record{}
	server, err := Open(t.Context(), settings,
		slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	r := &running{Server: server, url: server.URL()}
	require.NoError(t, server.awaitReady(t.Context()))
	r.admin, r.passenger = r.token(t, "boss", rail.RoleAdmin), r.token(t, "ann", rail.RolePassenger)
	return r, log
}

// The passenger, in words that occur nowhere else.
const (
	secretName     = "Zyxwvut Qponmlk"
	secretDocument = "QZ77SECRET77"
)

// secretOrder is the input of an order with that passenger.
func secretOrder(run, key string, change func(passenger map[string]any)) map[string]any {
	input := orderInput(run, key, secretDocument)
	passenger := input["passengers"].([]any)[0].(map[string]any)
	passenger["name"] = secretName
	if change != nil {
		change(passenger)
	}
	return map[string]any{"i": input}
}

func TestServer_PersonalDataIsInNoLogAndNoMessage(t *testing.T) {
	for name, settings := range map[string]func(t *testing.T) *Settings{
		"SQLite":  func(t *testing.T) *Settings { return embeddedSettings(t) },
		"MySQL":   func(t *testing.T) *Settings { return realSettings(t, withDatabase(serverstest.MySQL(t))) },
		"MariaDB": func(t *testing.T) *Settings { return realSettings(t, withDatabase(serverstest.MariaDB(t))) },
	} {
		t.Run(name, func(t *testing.T) { personalDataIsInNoLog(t, settings(t)) })
	}
}

func personalDataIsInNoLog(t *testing.T, settings *Settings) {
	r, log := serving(t, settings)
	run := r.publishT12(t)
	told := &record{}
	ask := func(token, query string, variables map[string]any) *answer {
		t.Helper()
		a := r.ask(t, token, query, variables)
		fmt.Fprintf(told, "%s %+v\n", a.Data, a.Errors)
		return a
	}
	refused := func(code, key string, change func(passenger map[string]any)) {
		t.Helper()
		a := ask(r.passenger, placeOrderMutation, secretOrder(run, key, change))
		require.Equal(t, code, a.at(t, "placeOrder.userErrors.0.code"), "%s %+v", a.Data, a.Errors)
	}
	placed := ask(r.passenger, placeOrderMutation, secretOrder(run, "key-00000001", nil))
	require.NotNil(t, placed.at(t, "placeOrder.order.id"), "%s %+v", placed.Data, placed.Errors)
	refused("ALREADY_TRAVELLING", "key-00000002", nil)
	refused("IDEMPOTENCY_CONFLICT", "key-00000001", func(p map[string]any) { p["name"] = secretName + " Jr" })
	refused("INVALID", "key-00000003", func(p map[string]any) { p["name"] = secretName + "\u0007" })
	refused("INVALID", "key-00000003", func(p map[string]any) { p["documentNumber"] = secretDocument + "_" })
	refused("INVALID", "key-00000003",
		func(p map[string]any) { p["documentNumber"] = strings.Repeat(secretDocument, 3) })
	refused("INVALID", "key-00000003", func(p map[string]any) { p["seatClass"] = "SECOND" })
	require.NotEmpty(t, ask(r.passenger, placeOrderMutation, secretOrder(run, "key-00000003", func(p map[string]any) {
		p["documentNumber"] = []any{map[string]any{"a": secretDocument}}
	})).Errors)
	require.NotEmpty(t, ask(r.passenger, placeOrderMutation, secretOrder(run, "key-00000003", func(p map[string]any) {
		p["wish"] = secretName
	})).Errors)
	// Two fields are exchanged, or the values are written into the query in a wrong way. An error may repeat the
	// client's own words to the client, but no log has them.
	require.NotEmpty(t,
		r.ask(t, r.passenger, placeOrderMutation, secretOrder(run, "key-00000003", func(p map[string]any) {
			p["seatClass"] = secretName
		})).Errors)
	literal := `mutation{placeOrder(input:{idempotencyKey:"key-00000003",
		runId:"` + run + `",from:"BJP",to:"SHH",passengers:[{name:%s,documentNumber:%s,seatClass:%s}]}){order{id}}}`
	for _, query := range []string{
		fmt.Sprintf(literal, `"`+secretName+`"`, `["`+secretDocument+`"]`, "HARD_SEAT"),
		fmt.Sprintf(literal, `"`+secretName+`"`, `"`+secretDocument+`"`, secretDocument),
		fmt.Sprintf(literal, `{a:"`+secretName+`"}`, secretDocument, "HARD_SEAT"),
		`{run(train:` + secretDocument + `){id}}`,
	} {
		require.NotEmpty(t, r.ask(t, r.passenger, query, nil).Errors, query)
	}

	ticket := placed.at(t, "placeOrder.order.tickets.0.id")
	correct := `mutation($t:ID!,$n:String!){correctPassengerName(input:{ticketId:$t,name:$n,
		reason:"typing"}){order{version} userErrors{code message}}}`
	corrected := ask(r.admin, correct, map[string]any{"t": ticket, "n": secretName + " Sr"})
	require.EqualValues(t, 2, corrected.at(t, "correctPassengerName.order.version"), "%s %+v", corrected.Data,
		corrected.Errors)
	require.Equal(t, "INVALID",
		ask(r.admin, correct, map[string]any{"t": ticket, "n": secretName + "\u0007"}).at(t,
			"correctPassengerName.userErrors.0.code"))

	// Now the ledger fails.
	db := ledgertest.DB(t, ledgerOptions(settings))
	_, err := db.ExecContext(t.Context(), "ALTER TABLE tickets RENAME TO elsewhere")
	require.NoError(t, err)
	require.NotEmpty(t,
		ask(r.passenger, placeOrderMutation,
			secretOrder(run, "key-00000005", func(p map[string]any) { p["documentNumber"] = "QZ77SECRET78" })).Errors)
	require.NotEmpty(t, ask(r.admin, correct, map[string]any{"t": ticket, "n": secretName}).Errors)
	require.Contains(t, log.String(), "tickets", "what failed is in the log")
	_, err = db.ExecContext(t.Context(), "ALTER TABLE elsewhere RENAME TO tickets")
	require.NoError(t, err)
	// A row is spoiled. Its passenger cannot be shown, and everything else can.
	_, err = db.ExecContext(t.Context(), "UPDATE tickets SET personal_key = 'lost'")
	require.NoError(t, err)
	spoiled := ask(r.passenger, `{viewer{orders(first:10){nodes{number tickets{seat passenger{name}}}}}}`, nil)
	require.Equal(t, "INTERNAL", spoiled.Errors[0].Extensions.Code)
	require.Equal(t, "23B",
		ask(r.passenger, `{viewer{orders(first:10){nodes{number tickets{seat}}}}}`, nil).at(t,
			"viewer.orders.nodes.0.tickets.0.seat"))
	require.Contains(t, log.String(), "lost")

	var verified bytes.Buffer
	arguments := []string{"verify", "--json", "--data", settings.Data}
	if !settings.embedded() {
		arguments = append(arguments, "--mysql", settings.MySQL[0], "--durability", "local", "--redis",
			settings.Redis[0],
			"--lock-redis", strings.Join(settings.LockRedis, ","), "--document-key", settings.DocumentKey,
			"--personal-data-keys", settings.PersonalDataKeys[0])
	}
	require.Equal(t, exitFound, call(arguments, &verified, log))
	require.Contains(t, verified.String(), "personal")

	all := map[string]string{"log": log.String(), "answers": told.String(), "verify": verified.String()}
	for _, path := range []string{"/metrics", "/readyz"} {
		response, err := http.Get(r.url + path)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		all[path] = string(body)
	}
	for where, text := range all {
		require.NotEmpty(t, text, where)
		for _, secret := range append(strings.Fields(secretName), secretDocument[2:], settings.DocumentKey) {
			if secret != "" {
				require.NotContains(t, text, secret, where)
			}
		}
	}
}

// call is run under another name, where a variable is called run.
func call(arguments []string, stdout, stderr io.Writer) int { return run(arguments, stdout, stderr) }

// Only the server's own user can read the files of the embedded default, whatever the umask.
func TestServer_FilesArePrivate(t *testing.T) {
	settings := embeddedSettings(t)
	r := start(t, settings)
	run := r.publishT12(t)
	require.NotNil(t,
		r.ask(t, r.passenger, placeOrderMutation, secretOrder(run, "key-00000001", nil)).at(t, "placeOrder.order"))
	seen := map[string]bool{}
	look := func() {
		require.NoError(t, filepath.WalkDir(settings.Data, func(path string, entry fs.DirEntry, err error) error {
			require.NoError(t, err)
			info, err := entry.Info()
			require.NoError(t, err)
			require.Zero(t, info.Mode().Perm()&0o077, "%s is %s", path, info.Mode())
			seen[entry.Name()] = true
			if !entry.IsDir() {
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				require.NotContains(t, string(content), secretName, path)
				require.NotContains(t, string(content), secretDocument, path)
			}
			return nil
		}))
	}
	look()
	for _, name := range []string{
		"interlock-data", ledgerFile, ledgerFile + "-wal", ledgerFile + "-shm", documentKeyFile, personalDataKeyFile,
		tokenSecretFile, redisFile, lockFile, ticketKeysFile,
	} {
		require.True(t, seen[name], name)
	}
	r.stop()
	// A folder that an older version, or a copy, has left open to others.
	require.NoError(t, os.Chmod(filepath.Join(settings.Data, ledgerFile), 0o644))
	start(t, settings)
	look()
}

// A ledger's key is needed to sell on it. A server without the key, or with another, does not start.
func TestServer_RefusesToStartWithOtherKeys(t *testing.T) {
	settings := embeddedSettings(t)
	start(t, settings).stop()
	settings.PersonalDataKeys = []string{ledgertest.NewKey}
	_, err := Open(t.Context(), settings, discard())
	require.ErrorIs(t, err, sqlledger.ErrKeys)
	require.ErrorContains(t, err, "own")
	settings.PersonalDataKeys = []string{"a:b"}
	_, err = Open(t.Context(), settings, discard())
	require.ErrorContains(t, err, "--personal-data-keys")
	settings.PersonalDataKeys = nil
	require.NoError(t, os.Remove(filepath.Join(settings.Data, personalDataKeyFile)))
	for _, looks := range [][]string{{"verify"}, {"rotate-keys"}, {"erase", "--buyer", "ann"}} {
		code, _, errs := command(t, settings.Data, looks...)
		require.Equal(t, exitCouldNotSee, code)
		require.Contains(t, errs, "no key")
		require.NoFileExists(t, filepath.Join(settings.Data, personalDataKeyFile), "who only looks makes nothing")
	}
	_, err = Open(t.Context(), settings, discard())
	require.ErrorIs(t, err, sqlledger.ErrKeys, "a key that was made anew is another one")
	code, _, errs := command(t, settings.Data, "verify")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "the key own is another one")
}

func TestCommands_RotateKeysAndErase(t *testing.T) {
	settings := embeddedSettings(t)
	own := func() string {
		text, err := os.ReadFile(filepath.Join(settings.Data, personalDataKeyFile))
		require.NoError(t, err)
		return ownKey + ":" + strings.TrimSpace(string(text))
	}
	r := start(t, settings)
	run := r.publishT12(t)
	order := r.ask(t, r.passenger, placeOrderMutation, secretOrder(run, "key-00000001", nil)).at(t,
		"placeOrder.order.id")
	require.NotNil(t, order)
	bob := r.token(t, "bob", rail.RolePassenger)
	require.NotNil(t,
		r.ask(t, bob, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000001", "D0000002")}).at(t,
			"placeOrder.order"))
	interlock := func(wanted int, arguments ...string) string {
		t.Helper()
		code, out := r.interlock(t, arguments...)
		require.Equal(t, wanted, code, out)
		return out
	}
	// While a server runs that knows only its own key, another key must not be used.
	require.Contains(t, interlock(0, "rotate-keys"), "2 passengers, 0 of them sealed anew: all are sealed with own\n")
	both := ledgertest.NewKey + "," + own()
	require.Contains(t, interlock(0, "rotate-keys", "--personal-data-keys", both),
		"2 passengers, 2 of them sealed anew: all are sealed with new\nno longer needed: own\n")
	require.Contains(t, interlock(0, "rotate-keys", "--personal-data-keys", both), "0 of them sealed anew")
	interlock(exitCouldNotSee, "verify")
	interlock(0, "verify", "--personal-data-keys", ledgertest.NewKey)
	ok, said, err := ready(t.Context(), r.url)
	require.NoError(t, err)
	require.False(t, ok, "the running server does not have the new key")
	require.Contains(t, said, "sealed with the key new, and it is not among own")
	r.stop()
	settings.PersonalDataKeys = []string{ledgertest.NewKey}
	r = start(t, settings)
	mine := r.ask(t, r.passenger, `{viewer{orders{nodes{tickets{passenger{name documentNumberMasked}}}}}}`, nil)
	require.Equal(t, secretName, mine.at(t, "viewer.orders.nodes.0.tickets.0.passenger.name"), "%+v", mine.Errors)

	keys := []string{"--personal-data-keys", ledgertest.NewKey}
	erase := func(arguments ...string) string {
		t.Helper()
		return interlock(0, append(append([]string{"erase", "--buyer", "ann"}, keys...), arguments...)...)
	}
	require.Equal(t, "0 orders of runs that are over, 0 of them with passengers: would be erased; --yes does it\n"+
		"1 order of runs that are not over: left as they are\n", erase())
	interlock(exitCouldNotSee, append([]string{"erase"}, keys...)...)
	// The train has been and gone.
	db := ledgertest.DB(t, ledgerOptions(settings))
	_, err = db.ExecContext(t.Context(), "UPDATE runs SET service_date = '2019-10-12'")
	require.NoError(t, err)
	require.Equal(t, "1 order of runs that are over, 1 of them with passengers: would be erased; --yes does it\n",
		erase())
	require.NotNil(t,
		r.ask(t, r.passenger, `query($i:ID!){order(id:$i){state}}`, map[string]any{"i": order}).at(t, "order"),
		"nothing was done yet")
	require.Equal(t, "1 order of runs that are over, 1 of them with passengers: erased\n", erase("--yes"))
	require.Equal(t, "0 orders of runs that are over, 0 of them with passengers: erased\n", erase("--yes"),
		"again is harmless")
	shown := `query($i:ID!){order(id:$i){state erasedAt tickets{seat passenger{name documentNumberMasked}}}}`
	require.Nil(t, r.ask(t, r.passenger, shown, map[string]any{"i": order}).at(t, "order"), "it is nobody's any more")
	seen := r.ask(t, r.admin, shown, map[string]any{"i": order})
	require.NotNil(t, seen.at(t, "order.erasedAt"), "%+v", seen.Errors)
	require.Equal(t, "23B", seen.at(t, "order.tickets.0.seat"))
	require.Equal(t, "", seen.at(t, "order.tickets.0.passenger.name"))
	require.Equal(t, "", seen.at(t, "order.tickets.0.passenger.documentNumberMasked"))
}

// failing is a ledger whose primary changes while tickets are sealed anew: twice during a commit, and then there is
// none.
type failing struct{ errs []error }

func (f *failing) Reseal(_ context.Context, after string) (sqlledger.Resealed, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return sqlledger.Resealed{Tickets: 5, Sealed: 5, Next: "lost"}, err
	}
	if after == "" {
		return sqlledger.Resealed{Tickets: 3, Sealed: 3, Next: "a"}, nil
	}
	return sqlledger.Resealed{Tickets: 2, Sealed: 1}, nil
}

func TestRotateAll_OutlivesAFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unknown := fmt.Errorf("%w: the connection is gone", ledger.ErrInDoubt)
		nobody := rail.Refuse(rail.Unavailable, "no primary")
		all, err := rotateAll(t.Context(), &failing{errs: []error{unknown, nobody, unknown}}, discard())
		require.NoError(t, err)
		require.Equal(t, sqlledger.Resealed{Tickets: 5, Sealed: 4}, all)
		_, err = rotateAll(t.Context(), &failing{errs: slices.Repeat([]error{unknown}, maxFailures+1)}, discard())
		require.ErrorIs(t, err, ledger.ErrInDoubt, "not for ever")
	})
}

// A server forgets by itself the passengers of runs that have been over for long enough, and no others.
func TestServer_ForgetsPassengersOfPastRuns(t *testing.T) {
	settings := embeddedSettings(t)
	r := start(t, settings)
	run := r.publishT12(t)
	require.NotNil(t,
		r.ask(t, r.passenger, placeOrderMutation, secretOrder(run, "key-00000001", nil)).at(t, "placeOrder.order"))
	r.stop()
	db := ledgertest.DB(t, ledgerOptions(settings))
	_, err := db.ExecContext(t.Context(), "UPDATE runs SET service_date = '2019-10-12'")
	require.NoError(t, err)
	settings.ForgetPassengersAfterDays = 100
	r, log := serving(t, settings)
	require.Eventually(t,
		func() bool { return strings.Contains(log.String(), "passengers of past runs were forgotten") },
		healsIn, 20*time.Millisecond)
	mine := r.ask(t, r.passenger, `{viewer{orders{nodes{erasedAt total{amount} tickets{seat passenger{name}}}}}}`, nil)
	require.NotNil(t, mine.at(t, "viewer.orders.nodes.0.erasedAt"), "%+v", mine.Errors)
	require.Equal(t, "", mine.at(t, "viewer.orders.nodes.0.tickets.0.passenger.name"))
	require.Equal(t, "177.50", mine.at(t, "viewer.orders.nodes.0.total.amount"))
	metrics := page(t, r.url+"/metrics")
	require.Contains(t, metrics, "interlock_orders_erased_total 1\n")
	require.Regexp(t, `(?m)^interlock_retention_done_timestamp_seconds 1\.\d+e\+09$`, metrics)
}

func TestServer_AnAdminCancelsAnybodysHold(t *testing.T) {
	r := start(t, embeddedSettings(t))
	run := r.publishT12(t)
	order := r.ask(t, r.passenger, placeOrderMutation, secretOrder(run, "key-00000001", nil)).at(t,
		"placeOrder.order.id")
	cancel := `mutation($o:ID!,$r:String!){cancelHold(input:{orderId:$o,reason:$r}){order{state stateReason}
		userErrors{code path}}}`
	input := func(id, reason string) map[string]any { return map[string]any{"o": id, "r": reason} }
	require.Equal(t, "FORBIDDEN",
		r.ask(t, r.passenger, cancel, input(order.(string), "hoarding")).Errors[0].Extensions.Code)
	require.Equal(t, "INVALID",
		r.ask(t, r.admin, cancel, input(order.(string), "")).at(t, "cancelHold.userErrors.0.code"))
	require.Equal(t, "NOT_FOUND",
		r.ask(t, r.admin, cancel, input(run, "hoarding")).at(t, "cancelHold.userErrors.0.code"))
	for range 2 {
		done := r.ask(t, r.admin, cancel, input(order.(string), "hoarding"))
		require.Equal(t, "CANCELLED", done.at(t, "cancelHold.order.state"), "%s", done.Data)
		require.Equal(t, "hoarding", done.at(t, "cancelHold.order.stateReason"))
	}
	require.Eventually(t, func() bool { return r.remaining(t) == 2 }, healsIn, 20*time.Millisecond,
		"the seat is there for others")
}

// A name is corrected on an order that keeps its seat. Subscribers of the order are told.
func TestServer_AnAdminCorrectsAName(t *testing.T) {
	r := start(t, embeddedSettings(t))
	run := r.publishT12(t)
	placed := r.ask(t, r.passenger, placeOrderMutation, secretOrder(run, "key-00000001", nil))
	order, ticket := placed.at(t, "placeOrder.order.id"), placed.at(t, "placeOrder.order.tickets.0.id")
	changes := r.watch(t, r.passenger,
		`subscription($o:ID!){orderChanged(orderId:$o){version tickets{passenger{name}}}}`, map[string]any{"o": order})
	require.Equal(t, "next", changes()["type"])
	correct := `mutation($t:ID!,$n:String!,$r:String!){correctPassengerName(input:{ticketId:$t,name:$n,
		reason:$r}){order{version tickets{seat passenger{name documentNumberMasked}}} userErrors{code path}}}`
	input := func(ticket any, name, reason string) map[string]any {
		return map[string]any{"t": ticket, "n": name, "r": reason}
	}
	require.Equal(t, "FORBIDDEN",
		r.ask(t, r.passenger, correct, input(ticket, "Li Wei", "typing")).Errors[0].Extensions.Code)
	wrong := r.ask(t, r.admin, correct, input(ticket, " ", ""))
	require.Equal(t, []any{"input", "name"}, wrong.at(t, "correctPassengerName.userErrors.0.path"))
	require.Equal(t, []any{"input", "reason"}, wrong.at(t, "correctPassengerName.userErrors.1.path"))
	for _, id := range []any{order, run, "x"} {
		none := r.ask(t, r.admin, correct, input(id, "Li Wei", "typing"))
		require.Equal(t, "NOT_FOUND", none.at(t, "correctPassengerName.userErrors.0.code"), "%s %+v", none.Data,
			none.Errors)
	}
	done := r.ask(t, r.admin, correct, input(ticket, " Li Wei ", "typing"))
	require.Equal(t, "Li Wei", done.at(t, "correctPassengerName.order.tickets.0.passenger.name"), "%s %+v", done.Data,
		done.Errors)
	require.Equal(t, "23B", done.at(t, "correctPassengerName.order.tickets.0.seat"))
	require.EqualValues(t, 2, done.at(t, "correctPassengerName.order.version"))
	told := fmt.Sprint(changes())
	require.Contains(t, told, "Li Wei")
	require.Contains(t, told, "version:2")
}
