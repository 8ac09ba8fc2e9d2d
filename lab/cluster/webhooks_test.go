package cluster

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWebhooks passes webhooks on as they are, and notes what became of them.
func TestWebhooks(t *testing.T) {
	var came []string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		came = append(came, r.Method+" "+r.URL.Path+" "+r.Header.Get("Stripe-Signature")+" "+string(body))
		if strings.Contains(string(body), "forged") {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	w, err := openWebhooks(service.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.close()) })
	send := func(body string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL(), strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Stripe-Signature", "t=1,v1=2")
		response, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	begun := time.Now()
	const good = `{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"metadata":{"payment_id":"p1"}}}}`
	require.Equal(t, http.StatusOK, send(good))
	require.Equal(t, http.StatusUnauthorized, send("forged"))
	service.Close()
	require.Equal(t, http.StatusBadGateway, send(good))
	require.Equal(t, []string{
		"POST /webhooks/bank t=1,v1=2 " + good, "POST /webhooks/bank t=1,v1=2 forged",
	}, came)
	all := w.All()
	for i := range all {
		require.False(t, all[i].At.Before(begun))
		all[i].At = time.Time{}
	}
	about := Webhook{ID: "evt_1", PaymentID: "p1", Type: "payment_intent.succeeded"}
	ok := about
	ok.Status = http.StatusOK
	require.Equal(t, []Webhook{ok, {Status: http.StatusUnauthorized}, about}, all)
}
