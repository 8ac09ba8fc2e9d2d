package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/ledger"
	"interlock/services/messages"
	"interlock/services/messages/streams"
	"interlock/services/rail"
)

// listener is a group's consumer in a test.
type listener struct {
	mu   sync.Mutex
	told map[string][]ledger.Event
	// doubles counts events that it was told again.
	doubles int
	refuse  error
	stop    func()
}

// listen consumes as a group, until the test or its server ends.
func (r *running) listen(t *testing.T, l *listener, group string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	c := &messages.Consumer{
		Queue: r.stores.messages, Log: discard(), Group: group, Name: "test", Tries: 2,
		Backoff: time.Millisecond, Handler: l.hear,
	}
	go func() { done <- c.Run(ctx) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(l.stop)
	require.Eventually(t, func() bool { // Events are kept for the group from now on.
		names, err := r.stores.ledger.EventGroups(t.Context())
		return err == nil && slices.Contains(names, group)
	}, 30*time.Second, 20*time.Millisecond)
}

func (l *listener) hear(_ context.Context, event ledger.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return l.refuse
	}
	if l.told == nil {
		l.told = map[string][]ledger.Event{}
	}
	of := l.told[event.Subject()]
	if slices.ContainsFunc(of, func(e ledger.Event) bool { return e.Version() == event.Version() }) {
		l.doubles++
		return nil
	}
	l.told[event.Subject()] = append(of, event)
	return nil
}

// stories are what it was told of each subject, in short.
func (l *listener) stories(t *testing.T) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for subject, events := range l.told {
		var story []string
		for i, e := range events {
			if i > 0 {
				require.Greater(t, e.Version(), events[i-1].Version(), "%s", subject)
			}
			story = append(story, strings.TrimPrefix(string(e.Type), "interlock."))
		}
		all = append(all, strings.Join(story, " "))
	}
	slices.Sort(all)
	return all
}

// awaitStories waits until it was told all of some stories.
func (l *listener) awaitStories(t *testing.T, stories ...string) {
	t.Helper()
	slices.Sort(stories)
	require.Eventually(t, func() bool { return slices.Equal(stories, l.stories(t)) }, 60*time.Second,
		20*time.Millisecond, "want %v", stories)
}

// placeAs places an order as a buyer, and returns its id.
func (r *running) placeAs(t *testing.T, run, buyer, key string) string {
	t.Helper()
	a := r.ask(t, r.token(t, buyer, rail.RolePassenger), placeOrderMutation,
		map[string]any{"i": orderInput(run, key, "D"+strings.ToUpper(buyer)+"00001")})
	id, placed := a.at(t, "placeOrder.order.id").(string)
	require.True(t, placed, "%s", a.Data)
	return id
}

func (r *running) do(t *testing.T, token, field, arguments, id string) {
	t.Helper()
	a := r.ask(t, token, fmt.Sprintf(`mutation($id:ID!){%s(input:{%s}){userErrors{code message}}}`, field, arguments),
		map[string]any{"id": id})
	require.Empty(t, a.at(t, field+".userErrors"), "%s %+v", a.Data, a.Errors)
}

func (r *running) pay(t *testing.T, buyer, order string) {
	t.Helper()
	r.do(t, r.token(t, buyer, rail.RolePassenger), "payOrder", `orderId:$id,idempotencyKey:"pay-00000001"`, order)
}

// awaitNoBacklog waits until every group has acknowledged every event. What a server that was stopped had yet to
// acknowledge is taken over by another after a minute or so.
func (r *running) awaitNoBacklog(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		backlog, err := r.stores.ledger.Backlog(t.Context())
		return err == nil && backlog == ledger.Backlog{}
	}, 2*time.Minute, 20*time.Millisecond)
}

// chain lets everything happen to orders and a run, and a group hear of it, over several servers one after the other.
func chain(t *testing.T, settings *Settings) {
	r := start(t, settings)
	run := r.publishT12(t)
	var l listener
	r.listen(t, &l, "test")

	paid := r.placeAs(t, run, "ann", "key-00000001")
	r.pay(t, "ann", paid)
	cancelled := r.placeAs(t, run, "bob", "key-00000002")
	r.do(t, r.token(t, "bob", rail.RolePassenger), "cancelOrder", "orderId:$id", cancelled)
	r.do(t, r.admin, "suspendRun", `runId:$id,reason:"snow"`, run)
	r.do(t, r.admin, "resumeRun", `runId:$id,reason:"thaw"`, run)
	l.awaitStories(t, "order.placed order.paid", "order.placed order.cancelled", "run.suspended run.resumed")
	require.Zero(t, l.doubles)

	// With a hold of a moment, an order expires.
	l.stop()
	r.stop()
	brief := *settings
	brief.Hold = time.Second
	r = start(t, &brief)
	r.listen(t, &l, "test")
	r.placeAs(t, run, "cleo", "key-00000003")
	l.awaitStories(t, "order.placed order.paid", "order.placed order.cancelled", "run.suspended run.resumed",
		"order.placed order.expired")

	// The server ends before a group reads, and what it has published may be lost with it.
	l.stop()
	r.do(t, r.admin, "withdrawRun", `runId:$id,reason:"snow",cancelOrders:true`, run)
	r.stop()
	r = start(t, settings)
	r.listen(t, &l, "test")
	all := []string{
		"order.placed order.paid order.cancelled", "order.placed order.cancelled", "order.placed order.expired",
		"run.suspended run.resumed run.withdrawn",
	}
	l.awaitStories(t, all...)

	// The outbox is empty once the groups have acknowledged everything.
	r.awaitNoBacklog(t)
}

func TestMessages_ArriveEmbedded(t *testing.T) { chain(t, embeddedSettings(t)) }

func TestMessages_ArriveOnMySQL(t *testing.T) {
	settings := realSettings(t, withDatabase(serverstest.MySQL(t)))
	settings.Messages = []string{serverstest.NewRedis(t).Addr()}
	chain(t, settings)
}

// readiness is what /readyz says.
func (r *running) readiness(t *testing.T) (code int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/readyz", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(b)
}

// TestMessages_RedisIsKilledAndFlushed sells while nothing can be published. Then the Redis of messages comes back
// without its data, and the group that it has forgotten is told everything.
func TestMessages_RedisIsKilledAndFlushed(t *testing.T) {
	settings := realSettings(t, withDatabase(serverstest.MySQL(t)))
	redis := serverstest.NewRedis(t)
	settings.Messages = []string{redis.Addr()}
	r := start(t, settings)
	run := r.publishT12(t)
	var l listener
	r.listen(t, &l, "test")
	first := r.placeAs(t, run, "ann", "key-00000001")
	l.awaitStories(t, "order.placed")
	r.awaitNoBacklog(t)

	// The group has yet to be told of this, and loses it with the stream.
	l.stop()
	r.pay(t, "ann", first)
	require.Eventually(t, func() bool {
		backlog, err := r.stores.ledger.Backlog(t.Context())
		return err == nil && backlog.Published == 1
	}, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, redis.Kill())
	r.placeAs(t, run, "bob", "key-00000002")
	require.Eventually(t, func() bool {
		code, text := r.readiness(t)
		require.Equal(t, http.StatusOK, code, text)
		return strings.Contains(text, "Redis does not answer; 1 batch of events waits, for ")
	}, 60*time.Second, 100*time.Millisecond, "readiness says so, and stays")
	require.NoError(t, redis.Start(t.Context()))
	require.Eventually(t, func() bool {
		backlog, err := r.stores.ledger.Backlog(t.Context())
		return err == nil && backlog.Unpublished == 0 && r.relay.Stats().Lost > 0
	}, 60*time.Second, 100*time.Millisecond)
	r.listen(t, &l, "test")
	l.awaitStories(t, "order.placed order.paid", "order.placed")
}

// buryPayment makes a dead letter of a payment's event.
func buryPayment(t *testing.T, stream *streams.Stream, group string) {
	t.Helper()
	require.NoError(t, stream.MakeGroup(t.Context(), group))
	_, err := stream.Append(t.Context(), messages.Standing{}, ledger.StreamID{}, []ledger.Event{{
		Type: ledger.EventPaymentEnded, PaymentID: "7f3a", PaymentVersion: 5,
		OrderID: "T1@2019-10-12/000000000aq", RunID: "T1@2019-10-12", RunVersion: 10, Time: time.Now(),
	}})
	require.NoError(t, err)
	given, err := stream.Fresh(t.Context(), group, "a test", 1, time.Second)
	require.NoError(t, err)
	require.Len(t, given, 1)
	require.NoError(t, stream.Bury(t.Context(), group, given[0], "INTERNAL"))
}

func TestMessages_Commands(t *testing.T) {
	settings := embeddedSettings(t)
	code, _, errs := command(t, settings.Data, "messages", "status")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "no ledger")
	r := start(t, settings)
	code, out, errs := command(t, settings.Data, "messages", "status")
	require.Zero(t, code, errs)
	require.Regexp(t, "^nothing waits to be published\nnothing waits for groups to acknowledge\n(group (tickets|notify)|no group)",
		out)

	run := r.publishT12(t)
	l := listener{refuse: rail.Refuse(rail.NotFound, "no such account")}
	r.listen(t, &l, "pay")
	tailed := make(chan string, 1)
	go func() {
		_, out, _ := command(t, settings.Data, "messages", "tail", "--count", "1")
		tailed <- out
	}()
	// The tail shows what comes after its first look, so something comes until it has looked.
	suspended := 0
	var tail string
	for tail == "" {
		r.do(t, r.admin, "suspendRun", `runId:$id,reason:"snow"`, run)
		r.do(t, r.admin, "resumeRun", `runId:$id,reason:"thaw"`, run)
		suspended += 2
		select {
		case tail = <-tailed:
		case <-time.After(500 * time.Millisecond):
		}
	}
	var event ledger.Event
	require.NoError(t, json.Unmarshal([]byte(tail), &event))
	require.Contains(t, []ledger.EventType{ledger.EventRunSuspended, ledger.EventRunResumed}, event.Type)

	dead := func() int64 {
		groups, err := r.stores.messages.Groups(t.Context())
		require.NoError(t, err)
		for i := range groups {
			if groups[i].Name == "pay" {
				return groups[i].Dead
			}
		}
		return 0
	}
	require.Eventually(t, func() bool { return dead() == int64(suspended) }, 30*time.Second, 20*time.Millisecond)
	code, out, errs = command(t, settings.Data, "messages", "status", "--json")
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, out, fmt.Sprintf(`"deadLetters":%d`, suspended))
	code, out, errs = command(t, settings.Data, "messages", "dead", "list", "pay", "--limit", "1")
	require.Zero(t, code, errs)
	require.Contains(t, out, `2 attempts  "NOT_FOUND: no such account"  {"specversion":"1.0"`)
	require.Contains(t, out, "there may be more: --after ")
	code, out, errs = command(t, settings.Data, "messages", "dead", "list", "pay", "--json")
	require.Zero(t, code, errs)
	var letter deadReport
	require.NoError(t, json.NewDecoder(strings.NewReader(out)).Decode(&letter))
	require.Equal(t, suspended, strings.Count(out, "\n"))

	for _, refused := range []struct{ arguments, says string }{
		{"messages dead list Pay", "is no name of a group"},
		{"messages dead list pay --limit 0", "--limit is 1 to 1000"},
		{"messages dead list pay --after x", "is no dead letter"},
		{"messages dead drop pay", "or give --all"},
		{"messages dead drop pay 1-1 --all", "or give --all"},
		{"messages dead replay pay 17", "is no dead letter"},
		{"messages forget pay", "--yes does it"},
		{"messages forget absent --yes", "there is no group absent"},
	} {
		code, _, errs := command(t, settings.Data, strings.Fields(refused.arguments)...)
		require.Equal(t, exitFound, code, refused.arguments)
		require.Contains(t, errs, refused.says)
	}
	code, _, errs = command(t, settings.Data, "messages", "dead", "list", "pay", "--stream", "orders")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, `--stream must be one of "events","payments"`)
	buryPayment(t, r.stores.payments, "pay")
	code, out, errs = command(t, settings.Data, "messages", "dead", "list", "pay", "--stream", "payments")
	require.Zero(t, code, errs)
	require.Contains(t, out, `"id":"7f3a.5"`)
	require.Equal(t, 1, strings.Count(out, "\n"))
	code, out, errs = command(t, settings.Data, "messages", "dead", "drop", "pay", "--all", "--stream", "payments")
	require.Zero(t, code, errs)
	require.Contains(t, out, "1 dead letter dropped")
	require.EqualValues(t, suspended, dead(), "those of the other stream stay")

	code, out, _ = command(t, settings.Data, "messages", "dead", "drop", "pay", letter.ID, "1-1")
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "1-1: group pay has no such dead letter\n1 dead letter dropped\n")

	l.mu.Lock()
	l.refuse = nil
	l.mu.Unlock()
	code, out, errs = command(t, settings.Data, "messages", "dead", "replay", "pay", "--all")
	require.Zero(t, code, errs)
	require.Contains(t, out, fmt.Sprintf("%s replayed", count(suspended-1, "dead letter")))
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.told[run]) == suspended-1 || len(l.told) == 1 && dead() == 0
	}, 30*time.Second, 20*time.Millisecond)
	l.stop()
	code, out, errs = command(t, settings.Data, "messages", "forget", "pay", "--yes")
	require.Zero(t, code, errs)
	require.Contains(t, out, "group pay is forgotten")
	code, out, errs = command(t, settings.Data, "messages", "status")
	require.Zero(t, code, errs)
	require.NotContains(t, out, "group pay")
	r.stop()
	code, _, errs = command(t, settings.Data, "messages", "tail")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "no server is running")
}

// TestMessages_OfPayments looks at the events of payments, and takes one of their groups away: those of orders and runs
// are none the worse for it.
func TestMessages_OfPayments(t *testing.T) {
	p := payInside(t)
	id := p.place(t, "E10001")
	next := p.watch(t, p.passenger, orderSubscription, map[string]any{"o": id})
	choose(t, p.pay(t, id, "pay-00000001"), "pay")
	becomes(t, next, "PAID")
	data := p.settings.Data
	status := func(stream string) (report messagesReport) {
		_, out, errs := command(t, data, "messages", "status", "--json", "--stream", stream)
		require.NoError(t, json.Unmarshal([]byte(out), &report), "%s %s", out, errs)
		return report
	}
	names := func(stream string) (all []string) {
		for _, g := range status(stream).Groups {
			all = append(all, g.Name)
		}
		return all
	}
	require.Equal(t, []string{saleGroup}, names(streams.Payments))
	require.Subset(t, []string{ticketsGroup, notifyGroup}, names("events"))

	require.NoError(t, p.stores.payments.MakeGroup(t.Context(), "audit"))
	require.NoError(t, p.payments.store.KeepEventsFor(t.Context(), "audit"))
	require.Equal(t, []string{"audit", saleGroup}, names(streams.Payments))
	code, _, errs := command(t, data, "messages", "forget", "audit", "--yes")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "there is no group audit")
	code, out, errs := command(t, data, "messages", "forget", "audit", "--yes", "--stream", "payments")
	require.Zero(t, code, errs)
	require.Contains(t, out, "group audit is forgotten")
	require.Equal(t, []string{saleGroup}, names(streams.Payments))
	kept, err := p.payments.store.EventGroups(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{saleGroup}, kept)
}

// TestMessages_OfNoPayments says why there are no events of payments.
func TestMessages_OfNoPayments(t *testing.T) {
	settings := embeddedSettings(t)
	start(t, settings)
	for _, arguments := range []string{"messages status", "messages forget audit --yes"} {
		code, out, errs := command(t, settings.Data, append(strings.Fields(arguments), "--stream", "payments")...)
		require.Equal(t, exitCouldNotSee, code)
		require.Empty(t, out)
		require.Contains(t, errs, "payments are made at once here")
	}
}
