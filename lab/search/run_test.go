package search_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/lab/labtest"
	"interlock/lab/search"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options are those of a short form on a server that has two days of the sample on sale.
func options(t *testing.T, server *labtest.Server, addr, train string) search.Options {
	t.Helper()
	date, err := search.Tomorrow(time.Now())
	require.NoError(t, err)
	return search.Options{
		Server: addr, Date: date.String(), Tokens: server.Tokens, Window: 300 * time.Millisecond, Searchers: 4,
		Train: train, SeatsPerClass: 256,
		OrdersPerSecond: 40, Log: server.Log,
	}
}

func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	server := labtest.Serve(t, "--demo", "--demo-days", "2")

	report, err := search.Run(t.Context(), options(t, server, server.Addr, "G90001"))
	require.NoError(t, err)
	printed, err := json.Marshal(report)
	require.NoError(t, err)
	t.Logf("%s", printed)
	inTime := report.Selling.StalenessMax <= search.MaxStalenessMilliseconds
	for _, s := range []*search.Searches{report.Busy, report.Typical, report.Empty, report.Selling.Searches} {
		require.Zero(t, s.Wrong, s.Problem)
		require.Positive(t, s.Searches)
		inTime = inTime && s.Unknown == 0
	}
	require.Zero(t, report.Selling.Unshown)
	require.Equal(t, inTime, report.OK(), "on a machine that does something else besides, Redis may take too long")
	require.Equal(t, 44, report.Busy.Offers)
	require.Greater(t, report.Busy.Offers, report.Typical.Offers)
	require.Positive(t, report.Typical.Offers)
	require.Zero(t, report.Empty.Offers)
	require.Positive(t, report.Selling.Orders)
	require.Positive(t, report.Selling.StalenessMax)
	require.Nil(t, report.MySQL, "there is none")

	t.Run("a stale answer", func(t *testing.T) {
		// A cache in front that does not know of the promise.
		l := &liar{remembers: 1_500 * time.Millisecond, answers: map[string]*remembered{}}
		o := options(t, server, l.start(t, server.Addr), "G90002")
		o.Window = 1_500 * time.Millisecond
		report, err := search.Run(t.Context(), o)
		require.NoError(t, err)
		require.Greater(t, report.Selling.StalenessMax, float64(search.MaxStalenessMilliseconds))
		require.Greater(t, report.Selling.LackedMax, 500.0)
		require.False(t, report.OK())
	})
	t.Run("an offer is missing", func(t *testing.T) {
		l := &liar{loses: true}
		report, err := search.Run(t.Context(), options(t, server, l.start(t, server.Addr), "G90003"))
		require.NoError(t, err)
		require.Positive(t, report.Busy.Wrong)
		require.Contains(t, report.Busy.Problem, "offers, not")
		require.False(t, report.OK())
	})
}

// liar is a proxy that does something to searches.
type liar struct {
	// remembers is for how long it gives the same answer to the same question. loses takes an offer out of every tenth
	// answer.
	remembers time.Duration
	loses     bool

	proxy   *httputil.ReverseProxy
	mu      sync.Mutex
	asked   int
	answers map[string]*remembered
}

type remembered struct {
	at   time.Time
	body []byte
}

func (l *liar) start(t *testing.T, server string) (addr string) {
	transport := &http.Transport{}
	l.proxy = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server})
	l.proxy.Transport = transport
	l.proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // a searcher whose time is over hangs up
	front := httptest.NewServer(l)
	t.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
	})
	return front.Listener.Addr().String()
}

// ServeHTTP implements http.Handler.
func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if !bytes.Contains(body, []byte("searchTickets")) {
		l.proxy.ServeHTTP(w, r)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	known := l.answers[string(body)]
	if known == nil || time.Since(known.at) > l.remembers {
		recorder := httptest.NewRecorder()
		l.proxy.ServeHTTP(recorder, r.WithContext(context.WithoutCancel(r.Context())))
		known = &remembered{time.Now(), recorder.Body.Bytes()}
		if l.remembers > 0 {
			l.answers[string(body)] = known
		}
	}
	said := string(known.body)
	if l.loses && l.asked%10 == 0 {
		said = strings.Replace(said, `"durationMinutes":`, `"durationHours":`, 1)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, said)
}
