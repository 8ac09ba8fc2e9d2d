package clients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/lab/fault/clients"
	"interlock/lab/fault/history"
	"interlock/lab/load"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stub answers like a server that has trouble: the first answer to every key is the one it is told to give.
type stub struct {
	mu     sync.Mutex
	first  func(w http.ResponseWriter)
	asked  map[string]int
	orders int
}

func (s *stub) serve(w http.ResponseWriter, r *http.Request) {
	var question struct {
		Query     string
		Variables struct {
			I struct{ IdempotencyKey, OrderID string }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch input := question.Variables.I; {
	case strings.HasPrefix(question.Query, "subscription"):
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: next\ndata: {\"data\":{\"seatAvailability\":{\"version\":7}}}\n\n")
	case strings.HasPrefix(question.Query, "query"):
		fmt.Fprint(w, `{"data":{"searchTickets":{"nodes":[{"classes":[{"remaining":null}]}]}}}`)
	case strings.Contains(question.Query, "placeOrder"):
		if s.asked[input.IdempotencyKey]++; s.asked[input.IdempotencyKey] == 1 {
			s.first(w)
			return
		}
		if s.asked[input.IdempotencyKey] == 2 {
			s.orders++
		}
		fmt.Fprintf(w, `{"data":{"placeOrder":{"order":{"id":"i","number":%q,"version":1,"state":"ON_HOLD","total":{`+
			`"amount":"5.00","currencyCode":"CNY"},"payBy":"2019-10-12T09:15:00.123+08:00","tickets":[{"coach":"3",`+
			`"seat":"23B","passenger":{"name":"王伟","documentNumberMasked":"R**1"}}]},"userErrors":[]}}}`,
			input.IdempotencyKey)
	case strings.Contains(question.Query, "payOrder"):
		fmt.Fprint(w, `{"data":{"payOrder":{"order":{"id":"i","number":"n","version":2,"state":"PAID","total":{`+
			`"amount":"5.00","currencyCode":"CNY"},"payBy":"2019-10-12T09:15:00.123+08:00","tickets":[{"coach":"3",`+
			`"seat":"23B","passenger":{"name":"王伟","documentNumberMasked":"R**1"}}]},"userErrors":[]}}}`)
	default:
		fmt.Fprint(w, `{"data":{"cancelOrder":{"order":null,"userErrors":[{"code":"HOLD_EXPIRED","message":"too `+
			`late"}]}}}`)
	}
}

// open opens a workload over two servers, the first of which is down.
func open(t *testing.T, first func(http.ResponseWriter), people clients.Options) (*clients.Workload, *stub) {
	t.Helper()
	s := &stub{first: first, asked: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	people.Servers = []string{down.Listener.Addr().String(), server.Listener.Addr().String()}
	people.Runs = []*load.Run{{ID: "run", RunID: "T12@2019-10-12"}}
	people.Token = func(string) (string, error) { return "token", nil }
	people.Pause = time.Millisecond
	workload, err := clients.Open(t.Context(), people)
	require.NoError(t, err)
	t.Cleanup(workload.Close)
	return workload, s
}

func failing(body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { fmt.Fprint(w, body) }
}

func TestWorkload_InsistsWithTheSameKey(t *testing.T) {
	for name, first := range map[string]func(http.ResponseWriter){
		"pending":     failing(`{"errors":[{"message":"m","extensions":{"code":"ORDER_PENDING","retryAfterMs":1}}]}`),
		"overloaded":  failing(`{"errors":[{"message":"m","extensions":{"code":"OVERLOADED"}}]}`),
		"unavailable": failing(`{"errors":[{"message":"m","extensions":{"code":"UNAVAILABLE"}}]}`),
		"no answer":   func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"nonsense":    failing(`<html>`),
		"nothing":     failing(`{"data":{"placeOrder":{"order":null,"userErrors":[]}}}`),
	} {
		t.Run(name, func(t *testing.T) {
			workload, s := open(t, first, clients.Options{Buyers: 4, Seed: 1})
			require.Eventually(t, func() bool { return workload.Placed(time.Time{}, "") >= 8 }, 10*time.Second,
				time.Millisecond)
			leaving, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			workload.Leave(leaving)
			require.NoError(t, leaving.Err())

			placings, outcomes := 0, map[history.Outcome]int{}
			for request, attempts := range history.ByRequest(workload.Log().Calls()) {
				if request.Kind != history.Place {
					continue
				}
				placings++
				last := attempts[len(attempts)-1]
				require.Equal(t, history.Done, last.Outcome, "who leaves knows what became of it")
				require.Equal(t, request.Key, last.Order.Number)
				require.Equal(t, &history.Order{
					ID: "i", Number: request.Key, Version: 1, State: rail.OnHold,
					Total: rail.Money{Minor: 500, Currency: "CNY"},
					PayBy: last.Order.PayBy, Tickets: []history.Ticket{{
						Coach: "3", Seat: "23B", Name: "王伟", DocumentMasked: "R**1",
					}},
				}, last.Order)
				require.EqualValues(t, 1_570_842_900_123, last.Order.PayBy.UnixMilli())
				for _, a := range attempts {
					require.False(t, a.End.Before(a.Start))
					outcomes[a.Outcome]++
				}
			}
			require.Equal(t, placings, s.orders, "one order a key")
			if name != "no answer" && name != "nonsense" && name != "nothing" {
				require.Positive(t, outcomes[history.Outcome(name)])
			}
			require.Positive(t, outcomes[history.Broken], "one server is down")
		})
	}
}

func TestWorkload_Impatient(t *testing.T) {
	const retryAfter = 500 * time.Millisecond
	unavailable := failing(`{"errors":[{"message":"m","extensions":{"code":"UNAVAILABLE","retryAfterMs":500}}]}`)
	workload, _ := open(t, unavailable, clients.Options{
		Buyers: 2, Impatient: 1, Seed: 1,
	})
	var sooner, later map[string]int // buyers that asked again before they were told to, and after
	require.Eventually(t, func() bool {
		sooner, later = map[string]int{}, map[string]int{}
		for request, attempts := range history.ByRequest(workload.Log().Calls()) {
			for i, a := range attempts[1:] {
				switch before := attempts[i]; {
				case before.Outcome != history.Unavailable:
				case a.Start.Sub(before.End) < retryAfter:
					sooner[request.Buyer]++
				default:
					later[request.Buyer]++
				}
			}
		}
		return sooner["buyer-00000"] > 1 && later["buyer-00001"] > 1
	}, 10*time.Second, time.Millisecond)
	require.Len(t, sooner, 1, "the other waits for as long as he is told")
}

func TestWorkload_LeaveEndsWithoutAnAnswer(t *testing.T) {
	thaw := make(chan struct{})
	frozen := func(w http.ResponseWriter) { // with the whole server
		<-thaw
		fmt.Fprint(w, `{"errors":[{"message":"m","extensions":{"code":"ORDER_PENDING"}}]}`)
	}
	workload, _ := open(t, frozen, clients.Options{Buyers: 2, Seed: 1})
	leaving, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	workload.Leave(leaving)
	close(thaw)
	for _, c := range workload.Log().Calls() {
		require.NotEqual(t, history.Done, c.Outcome)
	}
}

func TestWorkload_Rest(t *testing.T) {
	pending := failing(`{"errors":[{"message":"m","extensions":{"code":"ORDER_PENDING","retryAfterMs":1}}]}`)
	workload, s := open(t, pending, clients.Options{Buyers: 4, Seed: 1})
	bought := func(n int) func() bool { return func() bool { return workload.Placed(time.Time{}, "") >= n } }
	require.Eventually(t, bought(8), 10*time.Second, time.Millisecond)
	resume, err := workload.Rest(t.Context())
	require.NoError(t, err)
	quiet := time.Now()
	before := workload.Placed(time.Time{}, "")
	for request, attempts := range history.ByRequest(workload.Log().Calls()) {
		require.True(t, attempts[len(attempts)-1].Outcome.Resolved(), request)
	}
	require.Never(t, bought(before+1), 50*time.Millisecond, time.Millisecond)
	resume()
	require.Eventually(t, bought(before+8), 10*time.Second, time.Millisecond)
	for _, c := range workload.Log().Calls() {
		require.False(t, c.Start.Before(quiet) && c.End.After(quiet), "nothing is under way")
	}

	s.mu.Lock() // the server is frozen: its clients do not come to rest
	require.Eventually(t, func() bool {
		limited, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		resume, err := workload.Rest(limited)
		if err == nil {
			resume() // there was no question just then
		}
		return errors.Is(err, context.DeadlineExceeded)
	}, 10*time.Second, time.Millisecond)
	s.mu.Unlock()
	before = workload.Placed(time.Time{}, "")
	require.Eventually(t, bought(before+8), 10*time.Second, time.Millisecond, "the sale goes on")
}

func TestWorkload_SearchersAndSubscribers(t *testing.T) {
	workload, _ := open(t, failing(`{}`), clients.Options{Searchers: 1, Subscribers: 2, Seed: 1})
	require.Eventually(t, func() bool {
		events := 0
		for _, s := range workload.Log().Streams() {
			events += len(s.Events)
		}
		unknown := 0
		for _, c := range workload.Log().Calls() {
			if c.Kind == history.Search && c.Outcome == history.Done && c.Code == "UNKNOWN" {
				unknown++
			}
		}
		return events > 4 && unknown > 0
	}, 10*time.Second, time.Millisecond, "streams that end are opened again, and what is not known is no failure")
	workload.Unfollow()
	for _, s := range workload.Log().Streams() {
		for _, e := range s.Events {
			require.True(t, e.First)
			require.EqualValues(t, 7, e.Version)
		}
	}
}

func TestWorkload_TogetherIsOneKey(t *testing.T) {
	workload, s := open(t, failing(`{"errors":[{"message":"m","extensions":{"code":"ORDER_PENDING"}}]}`),
		clients.Options{Seed: 1})
	require.NoError(t, workload.Together(t.Context(), "hands", 10, 5))
	byRequest := history.ByRequest(workload.Log().Calls())
	require.Len(t, byRequest, 1)
	require.Equal(t, 1, s.orders)
	require.Equal(t, 10, workload.Placed(time.Time{}, ""))
}

// bank is a server with a bank's page for each order. What is not paid ends after a few questions.
type bank struct {
	*httptest.Server
	stub *stub

	mu      sync.Mutex
	pressed map[string][]string
	asked   map[string]int
}

func openBank(t *testing.T) *bank {
	b := &bank{
		stub: &stub{asked: map[string]int{}, first: failing("")}, pressed: map[string][]string{},
		asked: map[string]int{},
	}
	b.Server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.Close)
	return b
}

func (b *bank) serve(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if order, ok := strings.CutPrefix(r.URL.Path, "/pay/"); ok {
		b.pressed[order] = append(b.pressed[order], r.FormValue("do"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !bytes.Contains(body, []byte("payOrder")) {
		b.stub.serve(w, r)
		return
	}
	var question struct {
		Variables struct {
			I struct{ IdempotencyKey string }
		}
	}
	_ = json.Unmarshal(body, &question)
	order := strings.TrimPrefix(question.Variables.I.IdempotencyKey, "pay-")
	b.asked[order]++
	state, payment, refused := "ON_HOLD", fmt.Sprintf(`{"state":"PENDING","redirectUrl":"%s/pay/%s"}`, b.URL, order), ""
	switch did := b.pressed[order]; {
	case len(did) > 0 && did[len(did)-1] != "decline":
		state, payment = "PAID", `{"state":"SUCCEEDED"}`
	case b.asked[order] == 3:
		payment = `{"state":"FAILED"}` // its page was closed, and the hold is over in a moment
	case b.asked[order] > 3:
		refused = `{"code":"HOLD_EXPIRED","message":"too late"}`
	}
	fmt.Fprintf(w, `{"data":{"payOrder":{"order":{"id":"i","number":%q,"version":2,"state":%q,"total":{`+
		`"amount":"5.00","currencyCode":"CNY"},"tickets":[{"coach":"3","seat":"23B","passenger":{"name":"王伟",`+
		`"documentNumberMasked":"R**1"}}]},"payment":%s,"userErrors":[%s]}}}`, order, state, payment, refused)
}

// TestWorkload_PaysAtTheBank: buyers wait while nothing is decided, which is no doubt, and pay in every way there is.
// They learn what became of each payment.
func TestWorkload_PaysAtTheBank(t *testing.T) {
	b := openBank(t)
	workload, err := clients.Open(t.Context(), clients.Options{
		Servers: []string{b.Listener.Addr().String()}, Runs: []*load.Run{{ID: "run", RunID: "T12@2019-10-12"}},
		Token:  func(string) (string, error) { return "token", nil },
		Buyers: 100, Pause: time.Millisecond, Seed: 1, Bank: true,
	})
	require.NoError(t, err)
	t.Cleanup(workload.Close)
	ways := func() map[string]int {
		b.mu.Lock()
		defer b.mu.Unlock()
		all := map[string]int{}
		for _, did := range b.pressed {
			all[strings.Join(did, "+")]++
		}
		return all
	}
	require.Eventually(t, func() bool { return len(ways()) == 4 }, 20*time.Second, 10*time.Millisecond)
	leaving, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	workload.Leave(leaving)
	require.NoError(t, leaving.Err())
	for _, way := range []string{"pay", "twice", "late", "decline+pay"} {
		require.Positive(t, ways()[way], "%v", ways())
	}
	waited, ended := 0, map[string]int{}
	for request, attempts := range history.ByRequest(workload.Log().Calls()) {
		if request.Kind != history.Pay {
			continue
		}
		for _, a := range attempts[:len(attempts)-1] {
			require.Equal(t, history.Waiting, a.Outcome)
			require.False(t, a.Outcome.InDoubt())
			waited++
		}
		last := attempts[len(attempts)-1]
		require.True(t, last.Outcome.Resolved(), "%+v", last)
		ended[string(last.Outcome)+last.Code]++
	}
	require.Positive(t, waited)
	require.Positive(t, ended["done"])
	require.Positive(t, ended["refusedHOLD_EXPIRED"], "those who do not pay: %v", ended)
}
