package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/services/audit"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// remaining is how many hard seats the run has, as a search says; -1 where it does not know.
func (r *running) remaining(t *testing.T) int {
	t.Helper()
	a := r.ask(t, "", searchQuery, map[string]any{"f": []string{"BJP"}, "t": []string{"SHH"}, "d": day()})
	left, ok := a.at(t, "searchTickets.nodes.0.classes.1.remaining").(float64)
	if !ok {
		return -1
	}
	return int(left)
}

// healsIn is how long a test waits for repair. Repair promises far less: a sold run in a second, everything in five.
// The lab measures that. Here, other tests and the race detector share the machine, and only the outcome counts.
const healsIn = time.Minute

func TestServer_RepairsRedis(t *testing.T) {
	r := start(t, embeddedSettings(t))
	run := r.publishT12(t)
	client := r.stores.client
	key := "{" + string(rail.NewRunID("T12", mustDate(t, day()))) + "}:left"
	old, err := client.Get(t.Context(), key).Bytes()
	require.NoError(t, err)
	placed := r.ask(t, r.passenger, placeOrderMutation,
		map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	require.NotNil(t, placed.at(t, "placeOrder.order"))
	// heals breaks Redis, and waits until repair says that it has mended something and a search reads the right number.
	// The number alone proves nothing where the search does not read what was broken.
	heals := func(t *testing.T, counter func(audit.Stats) int64, broken func() error) {
		t.Helper()
		require.Eventually(t, func() bool { return r.remaining(t) == 1 }, healsIn, 20*time.Millisecond)
		before := counter(r.auditor.Stats())
		require.NoError(t, broken())
		require.Eventually(t, func() bool {
			return counter(r.auditor.Stats()) > before && r.remaining(t) == 1
		}, healsIn, 20*time.Millisecond)
	}
	repaired := func(s audit.Stats) int64 { return s.Repaired }
	set := func(entry []byte) error { return client.Set(t.Context(), key, entry, 0).Err() }

	t.Run("a server that died between its commit and Redis", func(t *testing.T) {
		heals(t, repaired, func() error { return set(old) })
	})
	t.Run("a key that is gone is not known, never 0", func(t *testing.T) {
		heals(t, repaired, func() error {
			err := client.Del(t.Context(), key).Err()
			require.NotZero(t, r.remaining(t))
			return err
		})
	})
	t.Run("wrong counts at the right version", func(t *testing.T) {
		heals(t, repaired, func() error {
			now, err := client.Get(t.Context(), key).Bytes()
			require.NoError(t, err)
			count := now[hardSeatsAt : hardSeatsAt+2]
			require.Equal(t, []byte{0, 1}, count, "this is not what the search reads")
			count[1] = 2
			return set(now)
		})
	})
	t.Run("a version the ledger does not have", func(t *testing.T) {
		heals(t, repaired, func() error { return set([]byte("9" + string(old[1:]))) })
	})
	t.Run("everything is gone", func(t *testing.T) {
		heals(t, func(s audit.Stats) int64 { return s.Reloads },
			func() error { return client.FlushAll(t.Context()).Err() })
	})
}

// A seat map that cannot be read makes one run unknown, and leaves all others as they are.
func TestServer_RepairsBesideADamagedSeatMap(t *testing.T) {
	settings := embeddedSettings(t)
	r := start(t, settings)
	run := r.publishT12(t)
	a := r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	require.NotNil(t, a.at(t, "placeOrder.order"))
	a = r.ask(t, r.admin, publishTrainMutation,
		map[string]any{"i": change(trainInput(), map[string]any{"number": "T14"})})
	require.EqualValues(t, 1, a.at(t, "publishTrain.created"), "%s", a.Data)
	_, err := ledgertest.DB(t, ledgerOptions(settings)).ExecContext(t.Context(), "UPDATE seat_maps SET sold = x'00'")
	require.NoError(t, err)
	left := func(number string) any {
		return r.ask(t, "", `query($n:String!,$d:Date!){run(train:$n,date:$d){availability{classes{remaining}}}}`,
			map[string]any{"n": number, "d": day()}).
			at(t, "run.availability.classes.1.remaining")
	}
	// What the sale or a repair read before the damage may still arrive after a flush, once each. Then Redis is flushed
	// again.
	for range 5 {
		require.NoError(t, r.stores.client.FlushAll(t.Context()).Err())
		require.Eventually(t, func() bool {
			ok, _, err := ready(t.Context(), r.url)
			return err == nil && ok && left("T14") != nil
		}, healsIn, 20*time.Millisecond)
		if left("T12") == nil {
			break
		}
	}
	require.EqualValues(t, 2, left("T14"))
	require.Nil(t, left("T12"))
	require.NoError(t,
		r.stores.client.Del(t.Context(), "{"+string(rail.NewRunID("T14", mustDate(t, day())))+"}:left").Err())
	require.Eventually(t, func() bool { return left("T14") != nil }, healsIn, 20*time.Millisecond,
		"it is repaired as well")

	code, out := r.interlock(t, "verify")
	require.Equal(t, exitFound, code, out)
	require.Contains(t, out, "cannot be read")
	code, out = r.interlock(t, "rebuild")
	require.Equal(t, exitCouldNotSee, code, out)
	require.Equal(t, "1 run compared, 0 rewritten\n", out)
}

// hardSeatsAt is the offset of the count that tests search for in the entry of T12. The entry has a header of 55 bytes,
// and two bytes for each of two classes of each pair of its three calls. The count is the second class of the second
// pair, BJP to SHH.
const hardSeatsAt = 55 + 2*(2*1+1)

func mustDate(t *testing.T, s string) rail.Date {
	t.Helper()
	date, err := rail.ParseDate(s)
	require.NoError(t, err)
	return date
}

// interlock runs a command on the server's own folder.
func (r *running) interlock(t *testing.T, arguments ...string) (code int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(append(arguments, "--data", r.settings.Data, "--listen", r.listener.Addr().String()), &stdout, &stderr)
	if code == exitCouldNotSee {
		t.Log(stderr.String())
	}
	return code, stdout.String()
}

func TestVerify_FindsWhatWasPlanted(t *testing.T) {
	settings := embeddedSettings(t)
	r := start(t, settings)
	runID := r.publishT12(t)
	for i, letter := range []string{"A", "B"} {
		a := r.ask(t, r.passenger, placeOrderMutation,
			map[string]any{"i": orderInput(runID, fmt.Sprint("key-0000000", i), "D000000"+letter)})
		require.NotNil(t, a.at(t, "placeOrder.order"), "%s", a.Data)
	}
	verify := func() (int, audit.Report) {
		code, out := r.interlock(t, "verify", "--json")
		var report audit.Report
		require.NoError(t, json.Unmarshal([]byte(out), &report), out)
		return code, report
	}
	require.Eventually(t, func() bool { return r.remaining(t) == 0 }, healsIn, 20*time.Millisecond)
	code, report := verify()
	require.Zero(t, code)
	require.Equal(t, audit.Report{OK: true, Runs: 1, Tickets: 2, Defects: []audit.Defect{}}, report)

	db := ledgertest.DB(t, ledgerOptions(settings))
	exec := func(query string, arguments ...any) {
		t.Helper()
		result, err := db.ExecContext(t.Context(), query, arguments...)
		require.NoError(t, err)
		n, err := result.RowsAffected()
		require.NoError(t, err)
		require.NotZero(t, n, "nothing was planted")
	}
	finds := func(check, seat string) {
		t.Helper()
		code, report := verify()
		require.Equal(t, exitFound, code)
		require.False(t, report.OK)
		for _, d := range report.Defects {
			if d.Check == check && (seat == "" || d.Seat == seat) {
				return
			}
		}
		t.Fatalf("no defect %q at seat %q among %+v", check, seat, report.Defects)
	}

	t.Run("a seat sold twice", func(t *testing.T) {
		exec("UPDATE tickets SET seat = '23B', seat_index = 1 WHERE seat = '23A'")
		finds(audit.CheckOverlap, "23B")
		exec("UPDATE tickets SET seat = '23A', seat_index = 0 WHERE seat = '23B' AND order_id = (SELECT " +
			"MAX(order_id) FROM tickets)")
	})
	code, _ = verify()
	require.Zero(t, code, "what was planted is gone again")
	t.Run("a seat that is free in the map", func(t *testing.T) {
		// The first order wrote the map, the second what it changed on it.
		var changes []byte
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT changes FROM seat_changes").Scan(&changes))
		exec("UPDATE seat_changes SET changes = ?", []byte{})
		finds(audit.CheckMap, "23A")
		finds(audit.CheckCapacity, "")
		exec("UPDATE seat_changes SET changes = ?", changes)
	})
	t.Run("a ticket without its order", func(t *testing.T) {
		exec("UPDATE orders SET state = 'CANCELLED' WHERE id = (SELECT MAX(id) FROM orders)")
		finds(audit.CheckMap, "")
		exec("UPDATE orders SET state = 'ON_HOLD'")
	})

	// A running server would repair Redis meanwhile. So it is stopped, and the commands get a Redis of their own.
	r.stop()
	code, report = verify()
	require.Zero(t, code, "without a server there is no Redis to compare: %+v", report)
}

func TestVerify_FindsWhatWasPlantedInRedis(t *testing.T) {
	settings := realSettings(t, withDatabase(serverstest.MySQL(t)))
	r := start(t, settings)
	r.publishT12(t)
	r.stop()
	client := redis.NewClient(&redis.Options{Addr: settings.Redis[0]})
	defer client.Close()
	verify := func() (int, string) {
		var stdout, stderr bytes.Buffer
		arguments := []string{
			"verify", "--json", "--mysql", settings.MySQL[0], "--durability", "local", "--redis", settings.Redis[0],
			"--lock-redis", strings.Join(settings.LockRedis, ","), "--document-key", settings.DocumentKey,
			"--personal-data-keys", settings.PersonalDataKeys[0],
		}
		code := run(arguments, &stdout, &stderr)
		require.NotEqual(t, exitCouldNotSee, code, stderr.String())
		return code, stdout.String()
	}
	code, out := verify()
	require.Zero(t, code, out)
	key := "{" + string(rail.NewRunID("T12", mustDate(t, day()))) + "}:left"
	entry, err := client.Get(t.Context(), key).Bytes()
	require.NoError(t, err)

	entry[len(entry)-1]++
	require.NoError(t, client.Set(t.Context(), key, entry, 0).Err())
	code, out = verify()
	require.Equal(t, exitFound, code)
	require.Contains(t, out, `"check":"redis"`)

	require.NoError(t, client.Del(t.Context(), key).Err())
	code, out = verify()
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "does not have the run")

	var stdout, stderr bytes.Buffer
	require.Zero(t, run([]string{
		"rebuild", "--jump-versions", "--mysql", settings.MySQL[0], "--durability", "local", "--redis",
		settings.Redis[0],
		"--lock-redis", strings.Join(settings.LockRedis, ","), "--document-key", settings.DocumentKey,
		"--personal-data-keys", settings.PersonalDataKeys[0],
	}, &stdout, &stderr), stderr.String())
	require.Equal(t, "1 run compared, 1 rewritten\n", stdout.String())
	code, out = verify()
	require.Zero(t, code, out)
	entry, err = client.Get(t.Context(), key).Bytes()
	require.NoError(t, err)
	require.Equal(t, "0000000001000001", string(entry[:16]), "a jump raises every version by a million")
}

func TestServer_SearchesWithMySQLStopped(t *testing.T) {
	mysql, err := servers.StartMySQL(t.Context(), servers.SQLOptions{Relaxed: true})
	serverstest.Require(t, err)
	defer mysql.Close()
	settings := realSettings(t, mysql.DSN("interlock"))
	r := start(t, settings)
	run := r.publishT12(t)
	require.NoError(t, mysql.Kill())
	require.Equal(t, 2, r.remaining(t), "search never touches MySQL")
	require.NotEmpty(t, r.ask(t, "", `{stations(matching:"北"){nodes{code}}}`, nil).at(t, "stations.nodes"))
	left, _ := seats(t, r.watch(t, "", watchSubscription, map[string]any{"r": []string{run}}))
	require.Equal(t, 2, left)
	a := r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	require.NotEmpty(t, a.Errors)
	require.Equal(t, "UNAVAILABLE", a.Errors[0].Extensions.Code)
	ok, _, err := ready(t.Context(), r.url)
	require.NoError(t, err)
	require.False(t, ok, "a server that cannot sell is not ready")

	require.NoError(t, mysql.Start(t.Context()))
	require.Eventually(t, func() bool {
		a := r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
		return len(a.Errors) == 0 && a.at(t, "placeOrder.order.tickets.0.seat") == "23B"
	}, 30*time.Second, 100*time.Millisecond, "it sells again when MySQL is back")
}

func TestServer_RefusesToSellUnreplicatedByDefault(t *testing.T) {
	settings := realSettings(t, withDatabase(serverstest.MySQL(t)))
	settings.Durability = sqlledger.Replicated
	server, err := Open(t.Context(), settings, discard())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	var answer string
	require.Eventually(t, func() bool {
		ok, said, err := ready(t.Context(), server.URL())
		answer = said
		return err == nil && !ok
	}, 10*time.Second, 50*time.Millisecond)
	require.Contains(t, answer, "semi-sync")
	cancel()
	require.NoError(t, <-done)
}
