package watch_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/lab/labtest"
	"interlock/lab/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(server *labtest.Server, addr, train string) watch.Options {
	return watch.Options{
		Server: addr, Pid: server.Pid, Tokens: server.Tokens, Subscribers: 41, Window: time.Second, Train: train,
		SeatsPerClass:   256,
		OrdersPerSecond: 30, Log: server.Log,
	}
}

func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	server := labtest.Serve(t)

	report, err := watch.Run(t.Context(), options(server, server.Addr, "G90001"))
	require.NoError(t, err)
	printed, err := json.Marshal(report)
	require.NoError(t, err)
	t.Logf("%s", printed)
	require.True(t, report.OK())
	require.Equal(t, 21, report.EventStreams)
	require.Equal(t, 20, report.Sockets)
	require.Equal(t, 41, report.Reconnect.Back)
	require.GreaterOrEqual(t, report.Reconnect.Attempts, 41)
	require.Greater(t, report.ReconnectEnd.LastVersion, report.End.LastVersion, "it was sold on")
	for _, phase := range []watch.Phase{report.Steady, report.Stalled.Phase} {
		require.Positive(t, phase.Orders)
		require.GreaterOrEqual(t, phase.Events, 41)
		require.Positive(t, phase.LagMax)
	}

	t.Run("an event comes twice", func(t *testing.T) {
		report, err := watch.Run(t.Context(), options(server, liar(t, server.Addr, true), "G90002"))
		require.NoError(t, err)
		require.Positive(t, report.Violations)
		require.False(t, report.OK())
	})
	t.Run("nothing comes after the first", func(t *testing.T) {
		report, err := watch.Run(t.Context(), options(server, liar(t, server.Addr, false), "G90003"))
		require.NoError(t, err)
		require.Equal(t, 21, report.End.Missing, "those over event streams")
		require.False(t, report.OK())
	})
}

// liar is a proxy that sends each event of an event stream twice, or the first and no other.
func liar(t *testing.T, server string, twice bool) (addr string) {
	transport := &http.Transport{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server})
	proxy.Transport, proxy.FlushInterval = transport, -1
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // subscribers hang up
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
			r.Body = &bent{ReadCloser: r.Body, twice: twice}
		}
		return nil
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
	})
	return front.Listener.Addr().String()
}

// bent is an event stream that was tampered with. A server flushes each event, so that one read is of whole ones.
type bent struct {
	io.ReadCloser
	twice bool
	seen  bool
	again []byte
}

// Read implements io.Reader.
func (b *bent) Read(p []byte) (int, error) {
	if len(b.again) > 0 {
		n := copy(p, b.again)
		b.again = b.again[n:]
		return n, nil
	}
	for {
		n, err := b.ReadCloser.Read(p)
		if err != nil || !bytes.Contains(p[:n], []byte("event: next")) {
			return n, err
		}
		first := !b.seen
		b.seen = true
		if b.twice {
			b.again = bytes.Clone(p[:n])
		}
		if first || b.twice {
			return n, nil
		}
	}
}
