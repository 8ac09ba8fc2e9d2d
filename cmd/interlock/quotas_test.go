package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/quota"
	"interlock/services/rail"
)

// TestQuotas_KindsAreRootFields: each name is one of the schema's, so that none was mistyped or renamed.
func TestQuotas_KindsAreRootFields(t *testing.T) {
	r := start(t, embeddedSettings(t))
	schema := r.newResolver(make([]byte, 32)).Schema().Schema()
	for name, kind := range kinds {
		root := schema.Mutation
		if kind == quota.Watching && name != "createStreamTicket" {
			root = schema.Subscription
		}
		require.NotNil(t, root.Fields.ForName(name), name)
	}
	for _, field := range schema.Subscription.Fields {
		require.Equal(t, quota.Watching, kinds[field.Name], field.Name)
	}
}

// TestQuotas_Buying has a robot buy. It is refused before anything is done, by its account and by its document, with
// when to come again. A search counts by itself.
func TestQuotas_Buying(t *testing.T) {
	s := embeddedSettings(t)
	s.Quotas = []string{"buying.account=1/1h:4", "document=1/1h:6"}
	quotasHold(t, start(t, s))
}

// TestQuotas_AreShared does the same with two servers, who ask one Redis.
func TestQuotas_AreShared(t *testing.T) {
	s := realSettings(t, withDatabase(serverstest.MySQL(t)))
	s.Quotas = []string{"buying.account=1/1h:4", "document=1/1h:6"}
	one := start(t, s)
	other := *s
	quotasHold(t, one, start(t, &other))
}

func quotasHold(t *testing.T, servers ...*running) {
	t.Helper()
	run := servers[0].publishT12(t)
	for _, r := range servers[1:] {
		require.Eventually(t, func() bool {
			a := r.ask(t, r.passenger, `query($r:ID!){node(id:$r){id}}`, map[string]any{"r": run})
			return strings.Contains(string(a.Data), run)
		}, becomesSo, 50*time.Millisecond)
	}
	n := 0
	buy := func(buyer, document string) *answer {
		r := servers[n%len(servers)]
		n++
		return r.ask(t, r.token(t, buyer, rail.RolePassenger), placeOrderMutation, map[string]any{
			"i": orderInput(run, fmt.Sprintf("quota-%08d", n), document),
		})
	}
	refused := func(a *answer) bool {
		return len(a.Errors) == 1 && a.Errors[0].Extensions.Code == "RATE_LIMITED" && a.Errors[0].Extensions.RetryAfterMs > 0
	}
	for i := range 7 {
		a := buy("robot", fmt.Sprintf("D%07d", i))
		if i < 4 {
			require.NotNil(t, a.at(t, "placeOrder"), "it reached the sale, which has few seats: %s", a.Data)
		}
		require.Equal(t, i >= 4, refused(a), "%d %s %v", i, a.Data, a.Errors)
	}
	for i := range 8 {
		a := buy(fmt.Sprint("account-", i), []string{"D0000099", "d0000099", "Ｄ0000099"}[i%3])
		require.Equal(t, i >= 6, refused(a), "%d %s %v", i, a.Data, a.Errors)
	}
	require.Empty(t, servers[0].ask(t, servers[0].token(t, "robot"), `{stations(first:1){nodes{code}}}`, nil).Errors)

	response, err := http.Post(servers[0].url+"/graphql", "application/json", //nolint:noctx // a test's
		strings.NewReader(`{"query":"{stations(first:1){nodes{code}}}"}`))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, `"searching";q=600;w=3`, response.Header.Get("RateLimit-Policy"))
	require.Contains(t, response.Header.Get("RateLimit"), `"searching";r=`)
	metrics, err := http.Get(servers[0].url + "/metrics") //nolint:noctx // a test's
	require.NoError(t, err)
	defer metrics.Body.Close()
	shown, err := io.ReadAll(metrics.Body)
	require.NoError(t, err)
	for _, name := range []string{"buying", "document"} {
		require.Regexp(t, `interlock_quota_refused_total\{quota="`+name+`"\} [1-9]`, string(shown))
	}
	require.Contains(t, string(shown), "interlock_quota_alone_total 0\n")
}
