package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/rail"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

func TestPages(t *testing.T) {
	w := start(t, func(o *gateway.Options) {
		o.Playground = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", "its own")
			_, _ = w.Write([]byte("playground " + r.URL.Path))
		})
	})
	require.Equal(t, 200, w.do(t, "GET", "/livez", "").status)
	r := w.do(t, "GET", "/", "")
	require.Equal(t, 302, r.status)
	require.Equal(t, "/playground", r.header.Get("Location"))
	require.Equal(t, "playground /playground", w.do(t, "GET", "/playground", "").raw)
	r = w.do(t, "GET", "/playground/assets/x.js", "")
	require.Equal(t, "playground /playground/assets/x.js", r.raw)
	require.Equal(t, "its own", r.header.Get("Content-Security-Policy"))
	require.Equal(t, schemaText, w.do(t, "GET", "/schema.graphql", "").raw)
	require.Equal(t, 404, w.do(t, "GET", "/nothing", "").status)
	require.Equal(t, 404, start(t).do(t, "GET", "/playground", "").status)
}

func TestPages_Panic(t *testing.T) {
	w := start(t, func(o *gateway.Options) {
		o.Playground = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(causeText) })
	})
	r := w.do(t, "GET", "/playground", "")
	require.Equal(t, 500, r.status)
	require.Equal(t, "INTERNAL", r.code())
	require.NotContains(t, r.raw, "hunter2")
	require.Equal(t, 1, strings.Count(w.log.String(), "a request panicked"))
}

func TestReadyz(t *testing.T) {
	state := make(chan error, 1)
	state <- nil
	w := start(t, func(o *gateway.Options) {
		o.Checks = []gateway.Check{
			{Name: "ledger", Ready: func(context.Context) (string, error) { return "MySQL 9.7", nil }},
			{Name: "timetable", Ready: func(context.Context) (string, error) {
				err := <-state
				state <- err
				return "", err
			}},
			{Name: "odd", Ready: func(context.Context) (string, error) {
				err := <-state
				state <- err
				if err != nil {
					panic(causeText)
				}
				return "", nil
			}},
		}
	})
	set := func(err error) { <-state; state <- err }
	type body struct {
		Ready      bool
		Durability string
		Checks     []struct {
			Name, Message string
			OK            bool
		}
	}
	get := func() (int, body) {
		r := w.do(t, "GET", "/readyz", "")
		var b body
		require.NoError(t, json.Unmarshal([]byte(r.raw), &b))
		return r.status, b
	}
	status, b := get()
	require.Equal(t, 200, status)
	require.True(t, b.Ready)
	require.Equal(t, "local", b.Durability)
	require.Equal(t, "MySQL 9.7", b.Checks[0].Message)

	set(rail.Refuse(rail.Unavailable, "migration 3 is missing: run interlock migrate"))
	status, b = get()
	require.Equal(t, 503, status)
	require.False(t, b.Ready)
	require.True(t, b.Checks[0].OK)
	require.Equal(t, "migration 3 is missing: run interlock migrate", b.Checks[1].Message)
	require.NotContains(t, b.Checks[2].Message, "hunter2")
	require.Contains(t, w.log.String(), "hunter2", "the log has it")

	set(errors.New(causeText))
	_, b = get()
	require.NotContains(t, b.Checks[1].Message, "hunter2")
	require.Equal(t, 1, strings.Count(w.log.String(), "check=timetable"), "a change is logged, not a state")

	set(nil)
	status, _ = get()
	require.Equal(t, 200, status)
	require.Contains(t, w.log.String(), "ready again")

	w.gate.Drain()
	status, _ = get()
	require.Equal(t, 503, status, "who is going away is not ready")
	require.Equal(t, 200, w.do(t, "GET", "/livez", "").status)
}

func TestMetrics(t *testing.T) {
	w := start(t)
	w.post(t, `{hello}`)
	w.post(t, `{a:hello b:hello}`)
	w.post(t, `{hello who}`)
	w.post(t, `{...{hello}}`)
	w.post(t, `{__typename}`)
	w.post(t, `mutation{sell(count:1)}`)
	w.post(t, `{nothing}`, "Accept", "application/graphql-response+json")
	w.post(t, `{fails(how:"plain")}`)
	w.do(t, "GET", "/made/up/by/somebody", "")
	w.do(t, "BREW", "/graphql", "")
	text := w.do(t, "GET", "/metrics", "").raw
	for _, line := range []string{
		`interlock_build_info{commit="abc",go="go1",version="1.2.3"} 1`,
		`interlock_durability_info{durability="local"} 1`,
		`interlock_graphql_operation_seconds_count{field="hello",type="query"} 2`,
		`interlock_graphql_operation_seconds_count{field="several",type="query"} 2`,
		`interlock_graphql_operation_seconds_count{field="introspection",type="query"} 1`,
		`interlock_graphql_operation_seconds_count{field="sell",type="mutation"} 1`,
		`interlock_graphql_errors_total{code="GRAPHQL_VALIDATION_FAILED"} 1`,
		`interlock_graphql_errors_total{code="INTERNAL"} 1`,
		`interlock_http_requests_total{method="GET",route="none",status="404"} 1`,
		`interlock_http_requests_total{method="OTHER",route="graphql",status="405"} 1`,
		`interlock_http_requests_total{method="POST",route="graphql",status="200"} 7`,
		`interlock_http_requests_total{method="POST",route="graphql",status="400"} 1`,
		`interlock_http_requests_in_flight 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.Contains(t, text, "go_goroutines ")
	require.NotContains(t, text, "made/up")
	require.NotContains(t, text, "BREW")
}

func TestNew_Refuses(t *testing.T) {
	w := prepare(t)
	_, err := gateway.New(gateway.Options{})
	require.Error(t, err)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	_, err = gateway.New(gateway.Options{Schema: w.stub, Identity: w.tokens, Registry: registry})
	require.NoError(t, err, "somebody else's Go metrics are welcome")
	_, err = gateway.New(gateway.Options{Schema: w.stub, Identity: w.tokens, Registry: registry})
	require.Error(t, err, "two gateways do not share a registry")
}
