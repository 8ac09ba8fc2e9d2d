package load

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/internal/pause"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDocument_IsOneOfItsKind(t *testing.T) {
	form := regexp.MustCompile(`^[0-9]{17}[0-9X]$`)
	seen := map[string]bool{}
	for n := range uint64(200_000) {
		document := string(AppendDocument(nil, n))
		require.Regexp(t, form, document)
		require.False(t, seen[document], "the %d-th document was there before: %s", n, document)
		seen[document] = true
	}
}

// failed is an answer that is an error, with a code and what else is in its extensions.
func failed(code string) string {
	return `{"errors":[{"message":"x","extensions":{"code":` + code + `}}],"data":{"placeOrder":null}}`
}

func TestRead(t *testing.T) {
	placed := `{"data":{"placeOrder":{"order":{"number":"4F7K2M9QX8TB","state":"ON_HOLD","payBy":null,"total":{` +
		`"amount":"5.00","currencyCode":"CNY"},"tickets":[{"coach":"3","seat":"23B","seatClass":"FIRST","price":{` +
		`"amount":"5.00"}}]},"userErrors":[]}}}`
	a := read(200, []byte(placed))
	require.Equal(t, Placed, a.outcome)
	require.Equal(t, "4F7K2M9QX8TB", string(a.number[:]))
	require.Equal(t, Told([]byte("3"), []byte("23B")), a.told)
	require.NotEqual(t, Told([]byte("32"), []byte("3B")), a.told)

	refused := func(code string) string {
		return `{"data":{"placeOrder":{"order":null,"userErrors":[{"code":"` + code +
			`","message":"no","path":["input"]}]}}}`
	}
	for body, want := range map[string]Outcome{
		refused("SOLD_OUT"):                                               SoldOut,
		refused("ALREADY_TRAVELLING"):                                     Refused,
		failed(`"OVERLOADED","retryAfterMs":500`):                         Overloaded,
		failed(`"ORDER_PENDING","retryAfterMs":1000`):                     Pending,
		failed(`"UNAVAILABLE","retryAfterMs":1000`):                       Unavailable,
		failed(`"INTERNAL"`):                                              Broken,
		`Bad Gateway`:                                                     Broken,
		strings.Replace(placed, `"tickets":[{`, `"tickets":[],"x":[{`, 1): Broken,
	} {
		require.Equal(t, want, read(200, []byte(body)).outcome, body)
	}
	require.Equal(t, 500*time.Millisecond,
		read(200, []byte(`{"errors":[{"extensions":{"code":"OVERLOADED","retryAfterMs":500}}]}`)).retryAfter)
}

func TestConnection_ReadsWholeAnswers(t *testing.T) {
	long := strings.Repeat("seat ", 3_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := long
		if r.URL.Path == "/short" {
			body = "ok"
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	c, err := dial(t.Context(), server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(c.close)
	for range 3 {
		status, body, err := c.roundTrip([]byte("GET /long HTTP/1.1\r\nHost: x\r\n\r\n"))
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.Equal(t, long, string(body))
		_, body, err = c.roundTrip([]byte("GET /short HTTP/1.1\r\nHost: x\r\n\r\n"))
		require.NoError(t, err)
		require.Equal(t, "ok", string(body))
	}
}

func TestConnection_Refused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, err = dial(t.Context(), listener.Addr().String())
	require.Error(t, err)
	require.Equal(t, "dial: connect: connection refused", problem(err), "the same for every buyer")
}

// TestWaits_SeesAStall: a buyer that stalls for 500 intervals stands for 500 others, who would have waited for the rest
// of it.
func TestWaits_SeesAStall(t *testing.T) {
	b := &buyer{latencies: []uint32{1_000_000}}
	for range 999 {
		b.latencies = append(b.latencies, 1_000)
	}
	require.EqualValues(t, 1_000, waits([]*buyer{b}, 0).ValueAtQuantile(99))
	all := waits([]*buyer{b}, 2_000)
	require.EqualValues(t, 999+500, all.TotalCount())
	require.Greater(t, all.ValueAtQuantile(99), int64(900_000))
	require.EqualValues(t, 1_000, all.ValueAtQuantile(50))
}

// TestWaits_SteadyLoopIsNotCorrected: here every buyer asks again as soon as there is an answer, and none waits for
// much longer than the others. So no wait is left out, and added ones would make the figures better than what buyers
// met.
func TestWaits_SteadyLoopIsNotCorrected(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	buyers, sum := make([]*buyer, 64), int64(0)
	const each = 500
	for i := range buyers {
		buyers[i] = &buyer{}
		for range each {
			l := uint32(15_000 + random.IntN(20_000))
			buyers[i].latencies = append(buyers[i].latencies, l)
			sum += int64(l)
		}
	}
	raw, corrected := waits(buyers, 0), waits(buyers, sum/(each*int64(len(buyers))))
	for _, quantile := range []float64{1, 50, 90, 99, 99.9, 100} {
		require.GreaterOrEqual(t, corrected.ValueAtQuantile(quantile), raw.ValueAtQuantile(quantile), "p%v", quantile)
	}
}

func TestLeastShare(t *testing.T) {
	require.Zero(t, leastShare([][]int{{1, 2, 3}}), "one server has no share")
	require.InDelta(t, 1, leastShare([][]int{{1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1}}), 1e-9)
	require.InDelta(t, 0.5, leastShare([][]int{{3, 3, 3, 3, 3, 0}, {1, 1, 1, 1, 1, 0}}), 1e-9)
}

func TestTargets_MovesOnAndFollowsZipf(t *testing.T) {
	runs := &Runs{}
	for range 5 {
		runs.Add([]*Run{{SeatsPerClass: 256}})
	}
	one, err := OneRun(runs)
	require.NoError(t, err)
	var moved *Run
	one.Moved = func(r *Run) { moved = r }
	first := one.First()
	require.NoError(t, one.sold(&one.slots[0], first, first.SeatLegs()*MoveOnPercent/100-1))
	require.Same(t, first, one.First())
	require.NoError(t, one.sold(&one.slots[0], first, 10))
	require.NotSame(t, first, one.First())
	require.Same(t, one.First(), moved)
	require.NoError(t, one.sold(&one.slots[0], first, 10), "who was late moves nobody")
	require.Same(t, one.First(), moved)

	zipf, err := Zipf(runs, 3)
	require.NoError(t, err)
	require.Zero(t, runs.Left())
	counts := map[*slot]int{}
	random := rand.New(rand.NewPCG(1, 1))
	for range 110_000 {
		counts[zipf.pick(random)]++
	}
	require.InDelta(t, 60_000, counts[&zipf.slots[0]], 1_000)
	require.InDelta(t, 30_000, counts[&zipf.slots[1]], 1_000)
	require.InDelta(t, 20_000, counts[&zipf.slots[2]], 1_000)
	require.ErrorIs(t, one.sold(&one.slots[0], one.First(), first.SeatLegs()), errNoRuns)
}

func TestArrivals_KeepTheirRate(t *testing.T) {
	a := newArrivals(1, 1_000)
	begin := a.last
	for range 10_000 {
		a.next()
	}
	require.InDelta(t, 10, a.last.Sub(begin).Seconds(), 0.5)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.False(t, pause.For(ctx, time.Hour))
}

// seller answers every order after a while, one at a time.
func seller(t *testing.T, takes time.Duration, body string) string {
	var one sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		pause.For(r.Context(), takes)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

const placedBody = `{"data":{"placeOrder":{"order":{"number":"4F7K2M9QX8TB","tickets":[{"coach":"3","seat":"23B"}]},` +
	`"userErrors":[]}}}`

func rush(t *testing.T, server string) Rush {
	runs := &Runs{}
	runs.Add([]*Run{{SeatsPerClass: 4_096}})
	targets, err := OneRun(runs)
	require.NoError(t, err)
	crowd := &Crowd{Journal: &Journal{}, Accounts: &Accounts{Token: func(string) (string,
		error,
	) {
		return "token", nil
	}}}
	return Rush{Crowd: crowd, Targets: targets, Servers: []string{server}, Buyers: 1, Window: 500 * time.Millisecond}
}

// TestRush_OfferedLoadKeepsItsSlowTail: twice as many come as are served. Those at the end of the line came within the
// window and are served after it.
func TestRush_OfferedLoadKeepsItsSlowTail(t *testing.T) {
	r := rush(t, seller(t, 20*time.Millisecond, placedBody))
	r.PerSecond = 100
	result, err := r.Run(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, result.Orders, 25, "what is sold after the window does not count")
	require.Equal(t, result.Answers["placed"], len(result.Latencies()), "the wait of each is known")
	require.Greater(t, len(result.Latencies()), result.Orders)
	require.Greater(t, result.MaxMilliseconds, 250.0)
	require.Zero(t, result.Unserved)
}

func TestRush_OfferedLoadKnowsWhoWaitedInVain(t *testing.T) {
	now := time.Now()
	b := &buyer{window: window{now, now.Add(time.Second)}}
	b.notServed(now.Add(-time.Millisecond), now.Add(6*time.Second))
	require.Zero(t, b.unserved, "the warm-up does not count")
	b.notServed(now.Add(900*time.Millisecond), now.Add(6*time.Second))
	require.Equal(t, 1, b.unserved)
	require.Equal(t, []uint32{5_100_000}, b.latencies)
}

func TestRush_ClosedLoopCountsWithinTheWindow(t *testing.T) {
	r := rush(t, seller(t, 20*time.Millisecond, placedBody))
	result, err := r.Run(t.Context())
	require.NoError(t, err)
	require.Positive(t, result.Orders)
	require.Len(t, result.Latencies(), result.Orders)
}

// TestRush_OverloadedAnswersAreTimed: a buyer that is refused under an offered load leaves at once, so that others get
// to ask.
func TestRush_OverloadedAnswersAreTimed(t *testing.T) {
	r := rush(t, seller(t, 5*time.Millisecond,
		failed(`"OVERLOADED","retryAfterMs":500`)))
	r.PerSecond = 40
	result, err := r.Run(t.Context())
	require.NoError(t, err)
	answers, p50, p99 := result.Overloaded()
	require.Greater(t, answers, 4)
	require.GreaterOrEqual(t, p50, 5*time.Millisecond)
	require.GreaterOrEqual(t, p99, p50)
	require.Zero(t, result.Orders)
	require.Empty(t, result.Latencies(), "a refusal is no wait for an order")
}

// TestNewResult_EveryAnswerIsAnInterval: a buyer that is told SOLD_OUT has asked as well, and asks again.
func TestNewResult_EveryAnswerIsAnInterval(t *testing.T) {
	now := time.Now()
	w := window{now, now.Add(time.Second)}
	b := &buyer{answered: 80, latencies: []uint32{10_000, 10_000, 10_000, 200_000}, inWindow: []int32{4, 0}}
	r := newResult(Rush{Buyers: 1, Servers: []string{""}}, []*buyer{b}, w)
	require.Equal(t, 4, r.Orders)
	require.InDelta(t, 100, r.P50Milliseconds, 13, "one every 12.5 ms would have waited for the rest of the 200")
	require.InDelta(t, 200, r.MaxMilliseconds, 1)
}

// TestRush_NobodyAsksForEver: what is not known some seconds after the window stays unknown.
func TestRush_NobodyAsksForEver(t *testing.T) {
	r := rush(t, seller(t, time.Millisecond,
		failed(`"ORDER_PENDING"`)))
	r.PerSecond = 1
	end := time.Now().Add(-patience)
	b := r.newBuyer(0, window{end.Add(-time.Second), end})
	require.NoError(t, b.buy(t.Context(), end.Add(-time.Millisecond)))
	b.leave()
	require.Equal(t, 1, b.counts[Pending])
	require.Equal(t, 1, b.unserved)
	require.GreaterOrEqual(t, b.latencies[0], uint32(patience.Microseconds()))
	require.Equal(t, map[string]int{"an order stayed unknown": 1}, b.problems)
}
