package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestServer_Drains has a server told to stop. It is not ready from then on, and serves all that comes until its time is
// over.
func TestServer_Drains(t *testing.T) {
	s := embeddedSettings(t)
	s.Drain = 4 * time.Second
	r := start(t, s)
	ready := func() int {
		response, err := http.Get(r.url + "/readyz") //nolint:noctx // a probe
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, ready())
	begun, stopped := time.Now(), make(chan struct{})
	go func() {
		defer close(stopped)
		r.stop()
	}()
	require.Eventually(t, func() bool { return ready() == http.StatusServiceUnavailable }, s.Drain, time.Millisecond)
	require.Empty(t, r.ask(t, r.passenger, `{stations(first:1){nodes{code}}}`, nil).Errors)
	<-stopped
	require.GreaterOrEqual(t, time.Since(begun), s.Drain)
	_, err := http.Get(r.url + "/livez") //nolint:noctx // there is no answer
	require.Error(t, err)
}
