package gateway_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/rail"
)

// doorman refuses some root fields, and notes what was asked.
type doorman struct {
	mu    sync.Mutex
	asked []string
	who   []string
	args  []map[string]any
	// refuses is the answer by a root field's name.
	refuses map[string]*rail.Error
}

func (d *doorman) Admit(ctx context.Context, o *gateway.AskedOperation) (gateway.Quota, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	who := o.Address.String()
	if viewer := rail.ViewerFrom(ctx); viewer != nil {
		who = viewer.Subject
	}
	quota := gateway.Quota{
		Name: "asking", Limit: 20, Window: 1500 * time.Millisecond, Left: 7, Reset: 200 * time.Millisecond,
	}
	for _, field := range o.Fields {
		d.asked, d.who, d.args = append(d.asked, field.Name), append(d.who, who), append(d.args, field.Arguments())
		if refusal := d.refuses[field.Name]; refusal != nil {
			return quota, refusal
		}
	}
	return quota, nil
}

func guarded(t *testing.T) (*world, *doorman) {
	t.Helper()
	d := &doorman{refuses: map[string]*rail.Error{
		"who":  {Code: rail.RateLimited, Message: "too often", RetryAfter: 1200 * time.Millisecond},
		"sell": {Code: rail.Overloaded, Message: "too many", RetryAfter: 300 * time.Millisecond},
	}}
	return start(t, func(o *gateway.Options) { o.Admission = d }), d
}

// TestAdmission_HTTP: one's own quota is 429, that of all is 503, and nothing was executed.
func TestAdmission_HTTP(t *testing.T) {
	w, d := guarded(t)
	r := w.post(t, `{a:hello b:hello}`)
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, `"asking";q=20;w=2`, r.header.Get("RateLimit-Policy"))
	require.Equal(t, `"asking";r=7;t=1`, r.header.Get("RateLimit"))
	require.Equal(t, []string{"hello", "hello"}, d.asked, "each alias counts")
	require.Equal(t, "127.0.0.1/32", d.who[0])

	r = w.post(t, `{who}`)
	require.Equal(t, http.StatusTooManyRequests, r.status)
	require.Equal(t, "RATE_LIMITED", r.code())
	require.EqualValues(t, 1200, r.Errors[0].Extensions["retryAfterMs"])
	require.Equal(t, "2", r.header.Get("Retry-After"))
	require.Equal(t, `"asking";r=7;t=1`, r.header.Get("RateLimit"))
	require.Nil(t, r.Data)

	r = w.ask(t, map[string]any{"query": `mutation($n:Int!){sell(count:$n)}`, "variables": map[string]any{"n": 3}},
		"Authorization", "Bearer "+w.token(t, "ann", rail.RolePassenger))
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Equal(t, "OVERLOADED", r.code())
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.Zero(t, w.stub.sold)
	last := len(d.asked) - 1
	require.Equal(t, "ann", d.who[last])
	require.EqualValues(t, 3, d.args[last]["count"])

	asked := len(d.asked)
	require.Equal(t, http.StatusOK, w.post(t, `{nonsense}`, "Accept", "application/json").status)
	require.Len(t, d.asked, asked, "what makes no sense costs nothing")
}

// TestAdmission_Spread has many refused at one moment come again at different ones, and none too early.
func TestAdmission_Spread(t *testing.T) {
	d := &doorman{refuses: map[string]*rail.Error{
		"who": {Code: rail.RateLimited, Message: "too often", RetryAfter: time.Second},
	}}
	w := start(t, func(o *gateway.Options) { o.Admission, o.Spread = d, nil })
	waits := map[float64]bool{}
	for range 30 {
		wait := w.post(t, `{who}`).Errors[0].Extensions["retryAfterMs"].(float64)
		require.GreaterOrEqual(t, wait, 1000.0)
		require.LessOrEqual(t, wait, 1500.0)
		waits[wait] = true
	}
	require.Greater(t, len(waits), 5)
}

// TestAdmission_Batch tells in its place what one may not do. The others are executed.
func TestAdmission_Batch(t *testing.T) {
	w, _ := guarded(t)
	_, all := w.batch(t, operations(`{hello}`, `{who}`, `{hello}`))
	require.Empty(t, all[0].Errors)
	require.Equal(t, "RATE_LIMITED", all[1].code())
	require.Empty(t, all[2].Errors)
}

// TestAdmission_WebSocket ends what may not be done, and nothing else.
func TestAdmission_WebSocket(t *testing.T) {
	w, _ := guarded(t)
	p := w.call(t, nil)
	p.send(t, "subscribe", "1", query(`{who}`))
	e := p.wantError(t, "1")
	require.Equal(t, "RATE_LIMITED", e.Extensions["code"])
	require.NotZero(t, e.Extensions["retryAfterMs"])
	p.send(t, "subscribe", "2", query(`{hello}`))
	p.want(t, "next", "2", "")
	p.want(t, "complete", "2", "")
	p.wantIdle(t)
}
